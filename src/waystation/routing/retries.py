"""Retry tokens: what keeps repeats from becoming a storm. A bucket for each provider, in integer thousandths.

A success there earns, a repeat there costs. While most calls succeed nobody notices; when all fail the bucket is soon
empty and every call is tried once. It belongs to the provider, because that is whom a storm would hit.
"""

EARNED_MILLI = 600  # by a call that succeeds
COST_MILLI = 1_000  # of a repeat
START_MILLI = 10_000  # so that a fresh server can repeat too
MOST_MILLI = 100_000


class RetryTokens:
    __slots__ = ("milli",)

    def __init__(self, milli: int = START_MILLI) -> None:
        self.milli = milli

    @property
    def allow(self) -> bool:
        return self.milli >= COST_MILLI

    def earn(self) -> None:
        if self.milli < MOST_MILLI:
            self.milli = min(MOST_MILLI, self.milli + EARNED_MILLI)

    def spend(self) -> None:
        """Pay for a repeat. One that nobody can pay is not made: see `allow`."""
        self.milli = max(0, self.milli - COST_MILLI)
