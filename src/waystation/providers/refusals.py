"""What an upstream's refusal means for the caller: one table, and the cleaning of the words that go on to them.

An upstream's text may hold our credential, a web page or a traceback: the caller gets a short clean sentence, or none.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from waystation.errors import (
    ApiError,
    RateLimitExceeded,
    RequestTooLarge,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)
from waystation.terms import Blame
from waystation.wire.http import HttpFault, TimedOut

MESSAGE_CHARS_MAX = 600
DETAIL_CHARS_MAX = 500
WORD_CHARS_MAX = 64
"""Of a `param` or `code`."""
RETRY_AFTER_MS_MAX = 3_600_000
SECRET_PART_CHARS = 8
"""So much of our key in a row is a part of it and no coincidence."""

CALLERS_FAULT = frozenset((400, 404, 413, 422))
REFUSED_US = frozenset((401, 402, 403))
"""Our credential, our account there: the caller can't help it and must never take it for a word about their own key."""

_STATUS_OF = {
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "insufficient_quota": 402,
    "invalid_request_error": 400,
    "rate_limit_exceeded": 429,
}

_WORD = re.compile(r"[\w.\[\]\-]+")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]+")
_NOT_FOR_PEOPLE = re.compile(r"<!doctype|<html|<body|traceback \(most recent call last\)", re.IGNORECASE)
_KEY_LIKE = re.compile(r"\bsk-[\w*.\-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_TOO_LONG = re.compile(r"maximum context length|context size|context window", re.IGNORECASE)


def refusal(
    status: int, headers: Mapping[bytes, bytes], body: bytes, *, model: str, secret: str = "", now_s: float
) -> ApiError:
    """The error for a caller of `model` whose upstream answered so. `secret` is our key there; it never goes on."""
    said = _Said(body, secret)
    detail = f"upstream {status}: {said.detail}"
    provider = f"The provider of the model `{model}`"
    if status in CALLERS_FAULT and (said.message or status in (400, 413)):
        return blamed(_rejected(status, said, provider, detail), Blame.MODEL if status == 404 else Blame.CALLER)
    if status in REFUSED_US or said.code == "insufficient_quota":
        words = f"{provider} refused this server's credential or account there."
        return blamed(UpstreamFailed(words, detail=detail), Blame.CREDENTIAL)
    retry_after_ms = retry_after(headers, now_s)
    if status == 429:
        limited = RateLimitExceeded(f"{provider} is at its rate limit.", detail=detail, retry_after_ms=retry_after_ms)
        return blamed(limited, Blame.LIMIT)
    if status in (408, 504):
        return UpstreamTimeout(f"{provider} took too long.", detail=detail)
    return UpstreamFailed(f"{provider} failed.", detail=detail, retry_after_ms=retry_after_ms)


def blamed(error: ApiError, blame: Blame) -> ApiError:
    error.blame = blame
    return error


def _rejected(status: int, said: "_Said", provider: str, detail: str) -> ApiError:
    code = said.code
    if code is None and (said.type == "exceed_context_size_error" or _TOO_LONG.search(said.message)):
        code = "context_length_exceeded"
    message = said.message or f"{provider} refused the request as malformed."
    if status == 413:
        return RequestTooLarge(message, param=said.param, code=code, detail=detail)
    error = UpstreamRejected(message, param=said.param, code=code, detail=detail)
    error.status = status
    return error


def fault(error: HttpFault, model: str) -> ApiError:
    """The error for a caller when the way to the upstream failed."""
    provider = f"The provider of the model `{model}`"
    if isinstance(error, TimedOut):
        return UpstreamTimeout(f"{provider} took too long ({error.stage}).", detail=str(error))
    return UpstreamFailed(f"{provider} could not be reached or broke off.", detail=f"{type(error).__name__}: {error}")


def status_in(body: bytes) -> int:
    """The status that an error which came with a 200 should have had: its code, or what its type says."""
    said = _Said(body, "")
    if said.status is not None:
        return said.status
    for word in (said.code, said.type):
        if word in _STATUS_OF:
            return _STATUS_OF[word]
    return 502


def retry_after(headers: Mapping[bytes, bytes], now_s: float) -> int | None:
    """Milliseconds to wait: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    for name, unit_ms in ((b"retry-after-ms", 1), (b"retry-after", 1000)):
        text = headers.get(name, b"").decode("latin-1").strip()
        try:
            wait_ms = float(text) * unit_ms if text else -1.0
        except ValueError:
            wait_ms = _until(text, now_s)
        if 0 <= wait_ms < float("inf"):
            return min(-int(-wait_ms // 1), RETRY_AFTER_MS_MAX)
    return None


def _until(date: str, now_s: float) -> float:
    try:
        return max(0.0, (parsedate_to_datetime(date).timestamp() - now_s) * 1000)
    except ValueError:
        return -1.0


class _Said:
    """What the body of a refusal says, cleaned, in whichever of the usual shapes."""

    def __init__(self, body: bytes, secret: str) -> None:
        # For the log, which holds no content: a refusal may repeat the request, so only its message is kept.
        self.detail = f"{len(body)} bytes that are no error of the usual shape"
        self.message = ""
        self.type = ""
        self.param: str | None = None
        self.code: str | None = None
        self.status: int | None = None
        try:
            error = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if isinstance(error, list) and error:
            error = error[0]  # Google's compatible endpoint
        if isinstance(error, dict):
            error = error.get("error") or error
        text = error
        if isinstance(error, dict):
            text = error.get("message") or error.get("detail")  # the latter is FastAPI's
            self.type = _word(error.get("type"), secret) or ""
            self.param = _word(error.get("param"), secret)
            code = error.get("code")
            self.code = _word(code, secret)
            self.status = code if isinstance(code, int) and 400 <= code <= 599 else None
        if isinstance(text, list):
            text = _first_complaint(text)
        if isinstance(text, str):
            self.detail = f"{self.type} {self.code}: {clean(text, secret, DETAIL_CHARS_MAX)}"
            if not _NOT_FOR_PEOPLE.search(text):
                self.message = clean(text, secret, MESSAGE_CHARS_MAX)


def _first_complaint(complaints: list[Any]) -> str | None:
    """Of FastAPI's list of complaints, which repeat the input they complain of, the first one's place and words."""
    first = complaints[0] if complaints else None
    if not isinstance(first, dict) or not isinstance(first.get("msg"), str):
        return None
    place = first.get("loc")
    where = ".".join(str(step) for step in place if step != "body") if isinstance(place, list) else ""
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _word(value: Any, secret: str) -> str | None:
    if isinstance(value, str) and len(value) <= WORD_CHARS_MAX and _WORD.fullmatch(value):
        return value if clean(value, secret, WORD_CHARS_MAX) == value else None
    return None


def clean(text: str, secret: str, chars_max: int) -> str:
    """One line of at most `chars_max`, without our key, a part of it, or anything that looks like a key."""
    text = _SPACE.sub(" ", text[: 4 * chars_max]).strip()
    for at in range(len(secret) - SECRET_PART_CHARS + 1):
        part = secret[at : at + SECRET_PART_CHARS]
        if part in text:
            text = re.sub(rf"\S*{re.escape(part)}\S*", "[redacted]", text)
    if secret and secret in text:
        text = text.replace(secret, "[redacted]")
    text = _KEY_LIKE.sub("[redacted]", text)
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"
