"""A response that fails after its stream has begun: the last event that its reader gets, and the object that is kept of it.

`response.failed` and not `error`: it has the whole response, agents know from its code whether to try again, and helpers of
the official SDKs take it for an end.
Source: the schemas `ResponseFailedEvent`, `ResponseErrorEvent` and `ResponseErrorCode` of OpenAI's description.
"""

import re
from typing import Any

import msgspec

from waystation.wire.sse import Framer, data_of

_encode = msgspec.json.encode
_CODES = frozenset(
    (
        "server_error",
        "rate_limit_exceeded",
        "invalid_prompt",
        "data_residency_mismatch",
        "bio_policy",
        "vector_store_timeout",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "invalid_image_url",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_content_policy_violation",
        "invalid_image_mode",
        "image_file_too_large",
        "unsupported_image_media_type",
        "empty_image_file",
        "failed_to_download_image",
        "image_file_not_found",
    )
)
_MESSAGES = re.compile(r"\b(your|the) messages\b")
_PARAMS = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}
"""How a response calls what a chat calls otherwise."""


def in_responses_words(message: str, param: str | None, code: str | None = None) -> tuple[str, str | None]:
    """An error's message and param for who asked for a response: models that only chat tell them in a chat's words."""
    name = (param or "").partition("[")[0].partition(".")[0]
    if param is None and code == "context_length_exceeded":
        param = "input"
    return _MESSAGES.sub(r"\1 input", message), _PARAMS.get(name, param)


def failed_response(response: dict[str, Any], code: str | None, message: str) -> dict[str, Any]:
    """The response as one that failed. `code` is ours; a response's own codes are few, and the others are a server's error."""
    told = code if code in _CODES else "server_error"
    return response | {
        "status": "failed",
        "completed_at": None,
        "incomplete_details": None,
        "error": {"code": told, "message": in_responses_words(message, None)[0]},
    }


def failed_event(response: dict[str, Any], code: str | None, message: str, sequence_number: int) -> bytes:
    """The last event of a response that failed, as it goes out."""
    event = {
        "type": "response.failed",
        "sequence_number": sequence_number,
        "response": failed_response(response, code, message),
    }
    return b"event: response.failed\ndata: %b\n\n" % _encode(event)


def failure_of_stream(body: bytes, first: bytes, last: bytes) -> bytes:
    """The last event of a stream of which `first` and `last` went out: whole events, b"" where none did.

    `body` is that of an error answer. A stream that has told nothing of its response ends with an `error` event.
    """
    error = msgspec.json.decode(body)["error"]
    response, sequence_number = response_begun(first), _next_number(last)
    if response is not None:
        return failed_event(response, error["code"], error["message"], sequence_number)
    event = {
        "type": "error",
        "sequence_number": sequence_number,
        "code": error["code"] or error["type"],
        "message": error["message"],
        "param": error["param"],
    }
    return b"event: error\ndata: %b\n\n" % _encode(event)


class _Event(msgspec.Struct):
    sequence_number: int = -1
    response: dict[str, Any] | None = None


_read_event = msgspec.json.Decoder(_Event).decode


def response_begun(first: bytes) -> dict[str, Any] | None:
    """The response as the first event of its stream tells it. None: there was none."""
    for event in Framer().feed(first):
        if data := data_of(event):
            return _read_event(data).response
    return None


def _next_number(last: bytes) -> int:
    events = [data for event in Framer().feed(last) if (data := data_of(event))]
    return _read_event(events[-1]).sequence_number + 1 if events else 0
