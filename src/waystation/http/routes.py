"""Which targets are calls: the table that the door looks a request up in before anything else."""

from collections.abc import Callable
from typing import Any

import msgspec

from waystation.terms import Operation
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings

# SDKs are told a base URL with or without /v1; SDK 0.28 behind company gateways is told one that ends in /openai.
PREFIXES = ("/v1", "", "/openai/v1", "/openai")


class CallRoute(msgspec.Struct, frozen=True):
    """A URL that is answered by the way of a call."""

    operation: Operation
    read: Callable[[bytes], Any]


_CALLS = {
    "/chat/completions": CallRoute(Operation.CHAT, read_chat),
    "/completions": CallRoute(Operation.COMPLETION, read_completion),
    "/embeddings": CallRoute(Operation.EMBEDDINGS, read_embeddings),
}

CALL_ROUTES: dict[bytes, CallRoute] = {
    (prefix + path).encode(): route for prefix in PREFIXES for path, route in _CALLS.items()
}
