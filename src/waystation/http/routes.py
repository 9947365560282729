"""Which targets are calls: the table that the door looks a request up in before anything else."""

from collections.abc import Callable
from typing import Any

import msgspec

from waystation.http.errors import ANTHROPIC_ERRORS, OPENAI_ERRORS, RESPONSES_ERRORS, ErrorForm
from waystation.terms import Dialect, Operation
from waystation.wire.anthropic import read_messages
from waystation.wire.chat import read_chat
from waystation.wire.compaction import read_compact
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings
from waystation.wire.moderations import read_moderation
from waystation.wire.responses import read_response

# SDKs are told a base URL with or without /v1; SDK 0.28 behind company gateways is told one that ends in /openai.
PREFIXES = ("/v1", "", "/openai/v1", "/openai")
# Anthropic's SDKs add /v1 themselves; their base URL is the server, or /anthropic at servers that speak several dialects.
ANTHROPIC_PREFIXES = (*PREFIXES, "/anthropic/v1", "/anthropic")


class CallRoute(msgspec.Struct, frozen=True):
    """A URL that is answered by the way of a call."""

    operation: Operation
    read: Callable[[bytes], Any]
    dialect: Dialect = Dialect.OPENAI
    errors: ErrorForm = OPENAI_ERRORS
    name: str = ""  # of what its Idempotency-Keys are; "": the operation's in OpenAI's dialect, else the dialect's


_CALLS = {
    "/chat/completions": CallRoute(Operation.CHAT, read_chat),
    "/completions": CallRoute(Operation.COMPLETION, read_completion),
    "/embeddings": CallRoute(Operation.EMBEDDINGS, read_embeddings),
    "/moderations": CallRoute(Operation.MODERATIONS, read_moderation),
    "/responses": CallRoute(Operation.CHAT, read_response, Dialect.RESPONSES, RESPONSES_ERRORS),
    "/responses/compact": CallRoute(
        Operation.CHAT, read_compact, Dialect.RESPONSES, RESPONSES_ERRORS, name="responses.compact"
    ),
}

CALL_ROUTES: dict[bytes, CallRoute] = {
    (prefix + path).encode(): route for prefix in PREFIXES for path, route in _CALLS.items()
} | {
    f"{prefix}/messages".encode(): CallRoute(Operation.CHAT, read_messages, Dialect.ANTHROPIC, ANTHROPIC_ERRORS)
    for prefix in ANTHROPIC_PREFIXES
}
