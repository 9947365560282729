"""Errors in the words of the dialect in which was asked. The only place that makes error bodies.

OpenAI's: `{"error": {message, type, param, code}}`. Anthropic's: `{"type": "error", "error": {type, message}, "request_id"}`,
with the statuses of https://platform.claude.com/docs/en/api/errors (November 2026).
"""

from collections.abc import Callable

import msgspec

from waystation.errors import ApiError, MissingKey
from waystation.wire.response_failures import failure_of_stream, in_responses_words

_encode = msgspec.json.encode

# By our status. Money is 402 there and a busy server 529; what has no line is an invalid request below 500, else an API error.
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ErrorForm(msgspec.Struct, frozen=True):
    """How a dialect tells errors."""

    status: Callable[[ApiError], int]
    body: Callable[[ApiError, str], bytes]
    """(error, request id) → the JSON body of an error answer."""
    event: Callable[[bytes, bytes, bytes], bytes]
    """(the same body, first and last events that went out) → a stream's last event; SDKs raise it as their APIError."""


def error_body(error: ApiError) -> bytes:
    """The JSON body of an error answer; its fields are the four that every OpenAI SDK reads."""
    return _encode({"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}})


OPENAI_ERRORS = ErrorForm(
    lambda error: error.status,
    lambda error, request_id: error_body(error),
    lambda body, first, last: b"data: " + body + b"\n\n",
)


def responses_error_body(error: ApiError) -> bytes:
    """OpenAI's form, in the words of the Responses API."""
    message, param = in_responses_words(error.message, error.param, error.code)
    return _encode({"error": {"message": message, "type": error.type, "param": param, "code": error.code}})


# OpenAI's too, but for a stream that has begun: that ends with the response, which failed.
RESPONSES_ERRORS = ErrorForm(
    OPENAI_ERRORS.status, lambda error, request_id: responses_error_body(error), failure_of_stream
)


def anthropic_status(error: ApiError) -> int:
    """The status that Anthropic uses for such an error: what its SDKs tell errors apart by."""
    if error.code == "insufficient_quota":
        return 402
    return 529 if error.status == 503 else error.status


def anthropic_error_body(error: ApiError, request_id: str) -> bytes:
    status = anthropic_status(error)
    kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return _encode(
        {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id},
    )


ANTHROPIC_ERRORS = ErrorForm(
    anthropic_status,
    anthropic_error_body,
    lambda body, first, last: b"event: error\ndata: " + body + b"\n\n",
)


def error_headers(error: ApiError) -> list[tuple[str, str]]:
    """Headers that go with an error: when to try again, and whether to."""
    headers = list(error.headers)
    if isinstance(error, MissingKey):
        headers.append(("www-authenticate", 'Bearer realm="Waystation"'))
    if error.retry_after_ms is not None:
        # SDKs read retry-after-ms first; retry-after has whole seconds, so it is rounded up.
        headers.append(("retry-after-ms", str(error.retry_after_ms)))
        headers.append(("retry-after", str(-(-error.retry_after_ms // 1000))))
    if error.code == "insufficient_quota":
        headers.append(("x-should-retry", "false"))
    return headers
