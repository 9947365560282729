"""The body that goes to the upstream: the caller's own, with the model's name there, a wish for usage, and no more
output than can be paid."""

from typing import Any

import msgspec

from waystation.errors import InvalidRequest
from waystation.gateway.call import Call
from waystation.terms import Operation
from waystation.wire.splice import splice

GUARDED = frozenset(
    ("best_of", "max_completion_tokens", "max_tokens", "model", "n", "service_tier", "stream", "stream_options")
)
"""What a call's price hangs on."""


class _Asked(msgspec.Struct):
    stream_options: dict[str, Any] | None = None


_asked = msgspec.json.Decoder(_Asked)


def outgoing(call: Call, upstream_model: str) -> bytes:
    """The bytes for the upstream. Usage of a stream is always asked for: else its bill is an estimate.

    Members are always joined anew, even where nothing changes: of a name that occurs twice we read the last, and an
    upstream might read the first. Raises InvalidRequest.
    """
    changes: dict[str, Any] = {"model": upstream_model}
    try:
        if call.request.stream and not call.request.include_usage:
            changes["stream_options"] = {**_stream_options(call.body), "include_usage": True}
        if call.output_tokens_max is not None:
            changes |= _clamped(call, call.output_tokens_max)
        return splice(call.body, changes, GUARDED)
    except ValueError as error:
        raise InvalidRequest("The request's body is not valid JSON.", detail=str(error)) from error


def _clamped(call: Call, most: int) -> dict[str, int]:
    """The limit of each choice's output in the field that the caller uses, never higher than there.

    Of two fields both are set: which of them an upstream reads is its own affair. Where there is none, models that
    reason know the newer name only, and many servers the older one only.
    """
    request = call.request
    if call.operation is Operation.EMBEDDINGS:
        return {}
    if call.operation is Operation.COMPLETION:
        return {"max_tokens": min(most, request.output_tokens_asked)}
    asked = {"max_completion_tokens": request.max_completion_tokens, "max_tokens": request.max_tokens}
    clamped = {name: min(most, limit) for name, limit in asked.items() if limit is not None}
    return clamped or {"max_tokens" if request.reasoning_effort is None else "max_completion_tokens": most}


def _stream_options(body: bytes) -> dict[str, Any]:
    return (_asked.decode(body).stream_options or {}) if b"stream_options" in body else {}
