"""How far a growing answer may go on what is held for it. Pure.

No token is shorter than a byte, so bytes say when it is surely paid; where that is not enough, a count says how much is left.
"""

MARGIN_TOKENS = 64  # what may come in one event, after the last that was let through


class Watch:
    """Of one stream whose hold covers `held_tokens` of output. `enough_bytes`: up to there nobody need look."""

    __slots__ = ("_counted_bytes", "enough_bytes", "held_tokens")

    def __init__(self, held_tokens: int) -> None:
        self.held_tokens = held_tokens
        self._counted_bytes = 0
        self.enough_bytes = max(0, held_tokens - MARGIN_TOKENS)

    def grow(self, held_tokens: int, text_bytes: int) -> None:
        """More is held. Each step covers at least its number of bytes of what comes next."""
        self.enough_bytes = max(self.enough_bytes, text_bytes) + held_tokens - self.held_tokens
        self.held_tokens = held_tokens

    def goes_on(self, counted_tokens: int, text_bytes: int) -> bool:
        """No more can be held: whether the answer may grow on what is held, its tokens having been counted."""
        left = self.held_tokens - counted_tokens - MARGIN_TOKENS
        self.enough_bytes = text_bytes + max(left, 0)
        return left > 0
