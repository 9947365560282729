"""A provider's count is believed when the text's size explains it, counted when not, and flagged when it is far off."""

import pytest

from waystation.metering.plausible import COUNTED_BYTES_MAX, SLACK_TOKENS, is_far_off


@pytest.mark.parametrize(
    ("said", "text_bytes", "ours", "counted", "far_off"),
    [
        (1_000, 4_000, None, False, False),  # English, code
        (1_000, 3_100, None, False, False),  # Chinese
        (1_400, 4_000, 1_000, True, False),  # odd by its size, but not by more than half
        (1_600, 4_000, 1_000, True, True),  # more than half above
        (300, 4_000, 1_000, True, True),
        (100, 100_000, 25_000, True, True),
        (5, 0, None, False, False),  # a call of a tool without arguments
        (SLACK_TOKENS + 1, 0, 0, True, True),  # words that nobody has seen
        (10**8, COUNTED_BYTES_MAX + 4, None, False, True),  # too long to be counted: its size is enough
    ],
)
def test_what_is_flagged(said: int, text_bytes: int, ours: int | None, counted: bool, far_off: bool) -> None:
    asked: list[None] = []

    def count() -> int:
        asked.append(None)
        assert ours is not None
        return ours

    assert is_far_off(said, text_bytes, count, 50) is far_off
    assert bool(asked) is counted


def test_the_share_is_the_administrators() -> None:
    assert is_far_off(1_600, 4_000, lambda: 1_000, 50)
    assert not is_far_off(1_600, 4_000, lambda: 1_000, 60)
