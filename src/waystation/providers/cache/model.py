"""What is kept of an answer, for how long, and what a caller may ask for. Pure."""

import msgspec

from waystation.gateway.call import Call
from waystation.terms import Caller, Done, Model, Rung, Usage

ENTRY_BYTES_MAX = 2**20  # an answer that is larger is not kept
PIECES_MAX = 256  # of a stream; more are joined with their neighbours
LIFETIME_S_MAX = 30 * 86_400
_PIECE_BYTES = 64  # what Python keeps of a piece beside its bytes
_ENTRY_BYTES = 700

_OWN_RUNGS = frozenset((Rung.PRIMARY, Rung.CREDENTIAL, Rung.DEPLOYMENT, Rung.PROVIDER))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it went out. Times are UTC seconds."""

    digest: bytes
    project_id: str
    model: str
    pieces: tuple[bytes, ...]  # of a stream its events in the pieces that they came in, the last with its end; else one
    usage: Usage  # what it used when it was made
    created_at: int
    fresh_until: int
    expires_at: int
    ignored: tuple[str, ...] = ()  # what is said about its parameters in headers
    mapped: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return _ENTRY_BYTES + sum(map(len, self.pieces)) + _PIECE_BYTES * len(self.pieces)


class Lifetime(msgspec.Struct, frozen=True):
    """How long answers are kept for a caller and a model, in seconds."""

    fresh_s: int
    stale_s: int  # for so long after they were fresh

    def end_of(self, kept: Kept, *, stale: bool) -> int:
        """Until when it may be used. What is set now holds, where it is less than what was set when it was made."""
        if stale:
            return min(kept.expires_at, kept.created_at + self.fresh_s + self.stale_s)
        return min(kept.fresh_until, kept.created_at + self.fresh_s)


def lifetime(caller: Caller | None, model: Model) -> Lifetime:
    """The project's own word, else the route's; only a route lets answers be used that are no longer fresh."""
    fresh_s = 0 if caller is None else caller.cache_s
    route = model.route
    if route is None:
        return Lifetime(min(fresh_s, LIFETIME_S_MAX), 0)
    if not fresh_s and route.cache:
        fresh_s = route.cache_s
    return Lifetime(min(fresh_s, LIFETIME_S_MAX), min(route.stale_s, LIFETIME_S_MAX))


class Wish(msgspec.Struct, frozen=True):
    """What the caller's Cache-Control allows."""

    look: bool = True
    keep: bool = True
    age_s_max: int | None = None


_ALL = Wish()


def wish_of(headers: dict[bytes, bytes]) -> Wish:
    """`no-cache`: don't look. `no-store`: neither look nor keep. `max-age=60`: nothing that is older.

    Source: RFC 9111, 5.2.1. A max-age that can't be read allows no age.
    """
    said = headers.get(b"cache-control")
    if said is None:
        return _ALL
    look, keep, age_s_max = True, True, None
    for directive in said.lower().split(b","):
        name, _, value = directive.strip().partition(b"=")
        if name == b"no-store":
            look = keep = False
        elif name == b"no-cache":
            look = False
        elif name == b"max-age":
            seconds = value.strip(b'" ')
            age_s_max = int(seconds[:10]) if seconds.isdigit() else 0
            look = look and age_s_max > 0
    return Wish(look, keep, age_s_max)


def is_worth_keeping(call: Call, done: Done) -> bool:
    """Whether this is the whole answer of the model that was asked for."""
    return (
        call.rung in _OWN_RUNGS
        and call.served is None
        and not call.cut
        and call.output_tokens_max is None  # it may have been made shorter than another caller could pay
        and done.usage is not None
    )


def joined(pieces: list[bytes]) -> tuple[bytes, ...]:
    """At most PIECES_MAX pieces of the same bytes."""
    together = -(-len(pieces) // PIECES_MAX)
    if together <= 1:
        return tuple(pieces)
    return tuple(b"".join(pieces[start : start + together]) for start in range(0, len(pieces), together))
