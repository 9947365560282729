"""What a refusal of Anthropic's means: whose fault it is, and what the caller is told.

Source: https://platform.claude.com/docs/en/api/errors (November 2026).
"""

import re
from collections.abc import Mapping

import msgspec

from waystation.errors import ApiError, UpstreamFailed
from waystation.providers.refusals import blamed, clean, refusal
from waystation.terms import Blame

_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# A 400 that is not the caller's: the account that our credential belongs to has run dry.
_OUT_OF_CREDIT = re.compile(r"credit balance is too low", re.IGNORECASE)
_TOO_LONG = re.compile(r"prompt is too long|exceeds? (?:the )?context (?:limit|window)", re.IGNORECASE)


class _Detail(msgspec.Struct, frozen=True):
    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: _Detail = _Detail()


_body = msgspec.json.Decoder(_Body)


def anthropic_refusal(
    status: int, headers: Mapping[bytes, bytes], body: bytes, *, model: str, secret: str, now_s: float
) -> ApiError:
    """The error for a caller of `model`. `status` 0: it came inside an answer, and its type says which one it would be."""
    try:
        detail = _body.decode(body).error
    except (msgspec.DecodeError, RecursionError):
        detail = _Detail()
    status = status or _STATUS_OF.get(detail.type, 502)
    if status == 400 and _OUT_OF_CREDIT.search(detail.message):
        words = f"The provider of the model `{model}` refused this server's credential or account there."
        said = f"upstream {status}: {clean(detail.message, secret, 500)}"
        return blamed(UpstreamFailed(words, detail=said), Blame.CREDENTIAL)
    error = refusal(status, headers, body, model=model, secret=secret, now_s=now_s)
    if status == 400 and _TOO_LONG.search(detail.message):
        error.code = "context_length_exceeded"
    return error
