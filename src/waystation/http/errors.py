"""Errors as OpenAI writes them: `{"error": {message, type, param, code}}`. The only place that makes error bodies."""

import msgspec

from waystation.errors import ApiError, MissingKey

_encode = msgspec.json.encode


def error_body(error: ApiError) -> bytes:
    """The JSON body of an error answer; its fields are the four that every OpenAI SDK reads."""
    return _encode({"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}})


def error_event(error: ApiError) -> bytes:
    """The same as a server-sent event, for a stream that has begun; SDKs raise it as an APIError."""
    return b"data: " + error_body(error) + b"\n\n"


def error_headers(error: ApiError) -> list[tuple[str, str]]:
    """Headers that go with an error: when to try again, and whether to."""
    headers = list(error.headers)
    if isinstance(error, MissingKey):
        headers.append(("www-authenticate", 'Bearer realm="Waystation"'))
    if error.retry_after_ms is not None:
        # OpenAI's SDKs read retry-after-ms first; retry-after has whole seconds, so it is rounded up.
        headers.append(("retry-after-ms", str(error.retry_after_ms)))
        headers.append(("retry-after", str(-(-error.retry_after_ms // 1000))))
    if error.code == "insufficient_quota":
        headers.append(("x-should-retry", "false"))
    return headers
