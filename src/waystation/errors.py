"""Every error that a caller can meet, in order of precedence along the way of a call.

Two voices: `message` is for the caller (OpenAI's words where OpenAI has them, then what to do next), `detail` is for the log.
Only `http/` turns them into bodies. Source of codes and types: OpenAI's error guide and the SDKs' typed errors.
"""

from waystation.terms import Blame


class ApiError(Exception):
    """An answer that is an error: `{"error": {message, type, param, code}}` with an HTTP status."""

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    next_step: str = ""
    blame: Blame | None = None  # of a failed attempt at a deployment; None: nobody else is asked

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        detail: str = "",
        retry_after_ms: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = f"{message} {self.next_step}" if self.next_step else message
        self.param = param
        if code is not None:
            self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms
        self.headers = headers


# -- the door: the request itself


class InvalidRequest(ApiError):
    """400: the request is malformed or a parameter is of a wrong type or range; `param` names it."""

    status, type = 400, "invalid_request_error"


class UnknownUrl(InvalidRequest):
    status, code = 404, "unknown_url"


class UnsupportedByServer(InvalidRequest):
    """404: OpenAI has this operation, and this server does not serve it. `instead` says what to do in its place."""

    status, code = 404, "unsupported_by_server"

    def __init__(self, message: str, instead: str) -> None:
        super().__init__(f"{message} {instead}")


class MethodNotAllowed(InvalidRequest):
    status, code = 405, "method_not_allowed"


class RequestTimeout(InvalidRequest):
    status, code = 408, "request_timeout"


class RequestTooLarge(InvalidRequest):
    status, code = 413, "request_too_large"


class UnsupportedMediaType(InvalidRequest):
    status, code = 415, "unsupported_media_type"


class HeadTooLarge(InvalidRequest):
    status, code = 431, "request_header_fields_too_large"


class TooManyConnections(ApiError):
    status, code = 503, "server_overloaded"


# -- auth


class MissingKey(InvalidRequest):
    """401 without a key. OpenAI sends no code here and a WWW-Authenticate header."""

    status = 401


class InvalidKey(InvalidRequest):
    status, code = 401, "invalid_api_key"


class Forbidden(InvalidRequest):
    status, code = 403, "insufficient_permissions"


class IdempotencyConflict(InvalidRequest):
    """409: the answer to an Idempotency-Key that was used before can't be given; the code says why."""

    status = 409


# -- catalogue and policy


class NotFound(InvalidRequest):
    """404: an object of the control plane that isn't there, or is somebody else's."""

    status, code = 404, "not_found"


class ModelNotFound(InvalidRequest):
    status, code = 404, "model_not_found"


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"


class Unsupported(InvalidRequest):
    """400: the parameter is real, but the model that was asked can't do it."""

    code = "unsupported_parameter"
    blame = Blame.UNABLE


class PriceMissing(InvalidRequest):
    """403: nobody has said what this model costs, and unknown is never free."""

    status, code = 403, "price_missing"
    next_step = "An administrator gives it a price, 0, or marks it unmetered."


# -- ledger


class InsufficientQuota(ApiError):
    """Credit or budget can't cover the most that this call may cost."""

    status, type, code = 429, "insufficient_quota", "insufficient_quota"
    next_step = "Add credit or raise the budget under Billing."


class RateLimitExceeded(ApiError):
    """429 that a client that waits for `retry-after-ms` gets past. `type`: OpenAI says there what was too much."""

    status, type, code = 429, "rate_limit_exceeded", "rate_limit_exceeded"
    next_step = "Try again after the time in the retry-after-ms header (rate_limit_exceeded)."

    def __init__(
        self,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 - the field of the error's body
        detail: str = "",
        retry_after_ms: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message, detail=detail, retry_after_ms=retry_after_ms, headers=headers)
        if type is not None:
            self.type = type


class RequestBeyondLimit(RateLimitExceeded):
    """429 that no waiting gets past: the call alone is more than the limit."""

    next_step = "Waiting does not help: ask for less at once, or have the limit raised (rate_limit_exceeded)."


class TemporarilyHeld(RateLimitExceeded):
    """Money would be there, but open calls hold it; they will be settled for less."""


# -- routing, providers, engine, storage


class UpstreamRejected(InvalidRequest):
    """The provider answered 4xx to what the caller sent: the caller's own mistake, told in the provider's words, cleaned."""

    blame = Blame.CALLER


class UpstreamFailed(ApiError):
    """The provider could not be reached, broke off, or answered what is no answer."""

    status, code = 502, "upstream_error"
    blame = Blame.DEPLOYMENT


class UpstreamTimeout(ApiError):
    status, code = 504, "upstream_timeout"
    blame = Blame.DEPLOYMENT


class ServiceUnavailable(ApiError):
    """503 with retry-after: the model is loading, its child is restarting, the disk is full, the server drains."""

    status, code = 503, "service_unavailable"
