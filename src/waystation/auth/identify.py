"""Who calls: the key in the Authorization header, looked up by its SHA-256. The 401 family in OpenAI's words."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Protocol

from waystation.errors import Forbidden, InvalidKey, MissingKey
from waystation.gateway.answer import Presented
from waystation.terms import Caller

_KEY_FORM = re.compile(r"sk-[A-Za-z0-9_-]{10,200}\Z")
_WHERE = "You can find or make keys with `waystation keys list` and `waystation keys create`."


class Identify:
    """Callers by key. `keys` is the view's own dict, so a revoked key is refused as soon as the view knows."""

    def __init__(self, keys: Mapping[bytes, Caller], now_s: "Now") -> None:
        self._keys = keys
        self._now_s = now_s

    def identify(self, call: Presented) -> Caller:
        """The caller of an API call. Raises MissingKey, InvalidKey, Forbidden (an admin key)."""
        caller = self._caller(call.authorization)
        if caller.admin:
            raise Forbidden(
                "This is an admin key. Admin keys manage the organization and can't call models. Use a project's key."
            )
        call.project = caller.project_id
        return caller

    def identify_admin(self, call: Presented) -> Caller:
        """The caller of the control plane. Raises MissingKey, InvalidKey, Forbidden (not an admin key)."""
        caller = self._caller(call.authorization)
        if not caller.admin:
            raise Forbidden("This needs an admin key. Make one with `waystation keys create --admin`.")
        return caller

    def identify_any(self, call: Presented) -> Caller:
        """A caller with any valid key."""
        return self._caller(call.authorization)

    def _caller(self, authorization: bytes | None) -> Caller:
        # "Bearer <key>"; the scheme in any case, as RFC 9110 11.1 says.
        if authorization is None or authorization[:7].lower() != b"bearer " or not authorization[7:].strip():
            raise MissingKey(_missing(authorization))
        key = authorization[7:].strip()
        caller = self._keys.get(sha256(key).digest())
        if caller is None:
            raise InvalidKey(_incorrect(key))
        refuse_unusable(caller, redact(key), self._now_s())
        return caller


class KnownCallers:
    """Who calls is known already: of calls that are made later, for somebody whose key has been looked at then."""

    def identify(self, call: Presented) -> Caller:
        """Raises MissingKey where nobody has said it."""
        caller: Caller | None = getattr(call, "caller", None)
        if caller is None:
            raise MissingKey(_missing(None))
        call.project = caller.project_id
        return caller


def refuse_unusable(caller: Caller, shown: str, now_s: float) -> None:
    """Raise InvalidKey when the key is there and can't be used. `shown`: the key as it may be named."""
    if caller.revoked:
        raise InvalidKey(f"This API key has been revoked: {shown}. {_WHERE}")
    if caller.archived:
        raise InvalidKey(f"The project of this API key has been archived: {shown}. {_WHERE}")
    if caller.expires_at is not None and caller.expires_at <= now_s:
        raise InvalidKey(f"This API key has expired: {shown}. {_WHERE}")


class Now(Protocol):
    def __call__(self) -> float: ...


def redact(key: bytes) -> str:
    """A key as it may be shown: its first and last four characters; nothing of a short one."""
    text = key.decode("ascii", "replace")
    return f"{text[:4]}{'*' * 8}{text[-4:]}" if len(text) >= 20 else "*" * 8


def _missing(authorization: bytes | None) -> str:
    if authorization is not None and authorization[:6].lower() == b"basic ":
        return "You sent Basic authentication. Provide your API key as a Bearer token: Authorization: Bearer YOUR_KEY."
    return (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        f"(i.e. Authorization: Bearer YOUR_KEY). {_WHERE}"
    )


def _incorrect(key: bytes) -> str:
    if not _KEY_FORM.match(key.decode("latin-1")):
        return f"Malformed API key provided: {redact(key)}. A key begins with sk- and has 51 characters. {_WHERE}"
    return f"Incorrect API key provided: {redact(key)}. {_WHERE}"
