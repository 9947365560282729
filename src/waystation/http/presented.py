"""What a request shows of its caller: the key, wherever it is."""

from collections.abc import Mapping


def shown_key(fields: Mapping[bytes, bytes]) -> bytes | None:
    """The Authorization header, or what Anthropic's clients send instead of it: the bare key in x-api-key."""
    authorization = fields.get(b"authorization")
    if authorization is None and b"x-api-key" in fields:
        return b"Bearer " + fields[b"x-api-key"]
    return authorization


class Presented:
    """The credentials of a request that is not a call."""

    __slots__ = ("authorization", "project")

    def __init__(self, authorization: bytes | None) -> None:
        self.authorization = authorization
        self.project = ""
