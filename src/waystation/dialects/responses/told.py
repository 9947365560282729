"""What an answer of the Responses API says about itself: its usage, and what went wrong. Not to be trusted: a count that is
none makes no usage, never a free call."""

from typing import Any

import msgspec

from waystation.dialects.chat_usage import read_usage as read_chat_usage
from waystation.terms import Usage

TIERS = frozenset(("flex", "priority", "batch"))

_usage = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
    "total_tokens": "total_tokens",
}

_STATUSES = {
    "rate_limit_exceeded": 429,
    "vector_store_timeout": 504,
    "server_error": 502,
    "insufficient_quota": 402,
}
_CALLERS = (
    "invalid_",
    "image_",
    "empty_image",
    "unsupported_",
    "failed_to_download_image",
    "context_length",
    "invalid_request_error",
)


def read_usage(raw: bytes, tier: Any = None) -> Usage | None:
    """Usage from the JSON of a `usage` member; None when there is none, or its counts make no sense.

    It has other names than a chat's and the same meaning. `tier`: what the answer says about its service tier.
    """
    try:
        said = _usage.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    usage = read_chat_usage(msgspec.json.encode({new: said[old] for old, new in _NAMES.items() if old in said}))
    if usage is not None and isinstance(tier, str) and tier in TIERS:
        usage.tier = tier
    return usage


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage as the Responses API tells it."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def status_of_failure(code: Any) -> int:
    """The HTTP status that an error has which came in a response: by its code, as OpenAI names them."""
    if not isinstance(code, str):
        return 502
    known = _STATUSES.get(code)
    return known if known is not None else 400 if code.startswith(_CALLERS) else 502
