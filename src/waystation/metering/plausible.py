"""Whether a provider's token count can be believed. Its numbers are untrusted input: what is far off is flagged."""

from collections.abc import Callable

SLACK_TOKENS = 32  # what formats add to an answer of any length
COUNTED_BYTES_MAX = 200_000  # a longer text is judged by its size alone


def is_far_off(said_tokens: int, text_bytes: int, count: Callable[[], int], share_percent: int) -> bool:
    """Whether `said_tokens` is further from our count than `share_percent` of it. The text is only counted when its size
    alone makes the number look odd: three to five bytes a token is what texts in English, Chinese and code have."""
    if text_bytes <= 6 * (said_tokens + SLACK_TOKENS) and said_tokens <= text_bytes // 3 + SLACK_TOKENS:
        return False
    ours = count() if text_bytes <= COUNTED_BYTES_MAX else text_bytes // 4
    return abs(said_tokens - ours) > ours * share_percent // 100 + SLACK_TOKENS
