"""The body that goes to the upstream: the caller's own, with the model's name there and a wish for usage."""

from typing import Any

import msgspec

from waystation.errors import InvalidRequest
from waystation.gateway.call import Call
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
        return splice(call.body, changes, GUARDED)
    except ValueError as error:
        raise InvalidRequest("The request's body is not valid JSON.", detail=str(error)) from error


def _stream_options(body: bytes) -> dict[str, Any]:
    return (_asked.decode(body).stream_options or {}) if b"stream_options" in body else {}
