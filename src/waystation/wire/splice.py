"""Put changed top-level values into a client's own JSON without encoding the rest: that stays as it was sent."""

from collections.abc import Container, Mapping
from typing import Any

import msgspec

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def take_apart(body: bytes, guarded: Container[str] = ()) -> dict[str, Any]:
    """The members of `body`, a JSON object, each as its raw bytes. Raises ValueError when it is none.

    A member whose name is one of `guarded` but for its case (`Model`) is left out: we read it as unknown, but servers
    written in Go would take it for the real one, and so spend what nobody held.
    """
    members: dict[str, Any] = _members.decode(body)
    for odd in [name for name in members if not (name.islower() and name.isascii())]:
        if odd not in guarded and odd.casefold() in guarded:
            del members[odd]
    return members


def splice(body: bytes, changes: Mapping[str, Any], guarded: Container[str] = ()) -> bytes:
    """`body`, a JSON object, with these members set, each where it was or else at the end; see `take_apart`.

    The object is taken apart one level deep and its members joined again as raw bytes. That is faster than looking for
    the member in the bytes (0.7 against 2.7 µs at 400 bytes, 90 against 190 at 100 KB), and has no cases: of a name
    that occurs twice the last counts, as for every reader of ours, and a name may be spelt with escapes.
    Raises ValueError when body is no JSON object.
    """
    members = take_apart(body, guarded)
    members.update(changes)
    return msgspec.json.encode(members)
