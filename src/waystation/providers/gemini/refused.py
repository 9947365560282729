"""What a refusal of the Gemini API means: `{"error": {"code", "message", "status", "details"}}`, google.rpc.Status.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting (codes of the backend) and
https://cloud.google.com/apis/design/errors (RetryInfo, ErrorInfo), November 2026.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from waystation.errors import ApiError
from waystation.providers.refusals import RETRY_AFTER_MS_MAX, refusal
from waystation.terms import Blame

_KEY_REASONS = frozenset(("API_KEY_EXPIRED", "API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "SERVICE_DISABLED"))
_STATUSES = {
    "CANCELLED": 499,
    "DEADLINE_EXCEEDED": 504,
    "INTERNAL": 500,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAUTHENTICATED": 401,
    "UNAVAILABLE": 503,
}
_TOO_LONG = re.compile(r"input token count .* exceeds the maximum", re.IGNORECASE)
_SECONDS = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?s")


class _Error(msgspec.Struct):
    code: Any = None
    status: Any = None
    message: Any = None
    details: Any = None


class _Body(msgspec.Struct):
    error: _Error


_body = msgspec.json.Decoder(_Body)
_bodies = msgspec.json.Decoder(list[_Body])  # of a stream that fails before its first event


def gemini_refused(
    status: int, headers: Mapping[bytes, bytes], body: bytes, *, model: str, secret: str, now_s: float
) -> ApiError:
    """The error for a caller of `model`. An error inside an answer comes with status 0."""
    said = _said(body)
    if status == 0:
        status = _STATUSES.get(str(said.status), said.code if isinstance(said.code, int) else 502)
    details = [each for each in said.details if isinstance(each, dict)] if isinstance(said.details, list) else []
    if status == 400 and (said.status == "FAILED_PRECONDITION" or _reasons(details) & _KEY_REASONS):
        status = 403  # a wrong key is a 400 there; so is a country without a free tier, which our account has to mend
    error = refusal(status, headers, body, model=model, secret=secret, now_s=now_s)
    if error.blame is Blame.CALLER and _TOO_LONG.search(str(said.message)):
        error.code = "context_length_exceeded"
    if error.retry_after_ms is None and status in (429, 503):
        error.retry_after_ms = _retry_after_ms(details)
    return error


def _said(body: bytes) -> _Error:
    try:
        return _bodies.decode(body)[0].error if body.lstrip().startswith(b"[") else _body.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        return _Error()


def _reasons(details: list[dict[str, Any]]) -> set[str]:
    return {reason for each in details if isinstance(reason := each.get("reason"), str)}


def _retry_after_ms(details: list[dict[str, Any]]) -> int | None:
    """RetryInfo's `retryDelay`: "34s", "34.074824224s"."""
    for each in details:
        match = _SECONDS.fullmatch(str(each.get("retryDelay")))
        if match is not None:
            thousandths = int((match[2] or "0").ljust(3, "0")[:3])
            return min(int(match[1]) * 1000 + thousandths, RETRY_AFTER_MS_MAX)
    return None
