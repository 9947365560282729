"""The rule of a limit: a bucket that fills as it is used and drains evenly, so that its window slides. Pure, integers only.

A unit has as many parts as the window has milliseconds; so a limit of L drains by exactly L parts a millisecond, and nothing is
ever rounded. It is the token bucket seen from below: what is used, instead of what is left, so that changing a limit leaves
what was used as it is.
"""

from bisect import bisect_right
from collections.abc import Sequence

from waystation.ledger.rates.model import Amounts, Unit

SET_BACK_MS = (
    60_000  # a clock that is behind by less has been read earlier; by more: it was set back, or the machine restarted
)
LOWS_MAX = 64  # remembered of a bucket; of more, two become one
STREAM_RETRY_MS = 1_000  # nobody knows when a stream ends

Key = tuple[str, str]  # the limit's id, and the unit's name


def drained(used: int, at_ms: int, now_ms: int, limit: int, floor: int = 0) -> tuple[int, int]:
    """What is still used `now_ms`, never below `floor` by draining, and the time for which that is so.

    A clock set back drains nothing: a little, and the bucket waits for it; far, and it begins anew from there.
    """
    elapsed = now_ms - at_ms
    if elapsed > 0:
        return max(used - elapsed * limit, min(used, floor)), now_ms
    return used, (now_ms if elapsed < -SET_BACK_MS else at_ms)


class Bucket:
    """One limit on one worker; calls take from all of theirs by `take_all`. Amounts are whole units of what calls count."""

    __slots__ = (
        "alive",
        "at",
        "capacity",
        "counts",
        "key",
        "limit",
        "lows",
        "name",
        "one",
        "rate",
        "size",
        "unit",
        "used",
    )

    def __init__(self, key: Key, unit: Unit, limit: int, at_ms: int, used: int = 0) -> None:
        self.key = key
        self.unit = unit
        self.counts = unit.counts
        self.one = unit.window_ms  # parts of one of what calls count
        self.size = unit.window_ms * unit.scale  # parts of one of what the limit says
        self.name = ""  # whose limit it is, in an error's words
        self.at = at_ms
        self.used = used
        self.lows: list[tuple[int, int]] = []  # times of takes, and what was used before each; both rising
        self.alive = True  # the limiter knows it
        self._set(limit)

    def _set(self, limit: int) -> None:
        self.limit = limit  # as its administrator said it
        self.rate = limit * self.unit.scale  # parts that drain in a millisecond
        self.capacity = self.rate * self.one

    def change(self, limit: int, now_ms: int) -> None:
        """Another limit from now on; what was used stays used."""
        self.settle(now_ms)
        self._set(limit)

    def settle(self, now_ms: int) -> None:
        self.used, self.at = drained(self.used, self.at, now_ms, self.rate)

    def missing(self, amount: int, now_ms: int) -> int:
        """How many parts are missing for it; it fits when none are (0 or fewer). Nothing fits always."""
        self.settle(now_ms)
        return self.used + amount * self.one - self.capacity if amount else 0

    def note(self, used: int, at_ms: int) -> None:
        """Remember how low it was before a take, and forget what was higher before."""
        lows = self.lows
        while lows and lows[-1][1] >= used:
            lows.pop()
        lows.append((at_ms, used))
        if len(lows) > LOWS_MAX:
            self.lows = _halved(lows)

    def charge(self, amount: int, now_ms: int) -> None:
        """More was used than was taken. It may go beyond the limit: that is drained before anything else passes."""
        self.settle(now_ms)
        self.used += amount * self.one

    def give(self, amount: int, since_ms: int, now_ms: int) -> None:
        """Less was used than was taken at `since_ms`.

        Had it not been taken, the bucket would have been empty sooner, and what drains out of an empty bucket is lost: so no
        more comes back than there was in it at its lowest since then, and those lows are lower from now on. With that no
        window ever has more than the limit.
        """
        self.settle(now_ms)
        if not self.used:  # all of it has drained already, as mostly where the limit is far: what follows comes to this
            self.lows = [(self.at, 0)]
            return
        self.note(self.used, self.at)
        lows = self.lows
        first = bisect_right(lows, since_ms, key=_time)  # rising, so the first since then is the lowest since then
        back = min(amount * self.one, lows[first][1] if first < len(lows) else self.used)
        self.used -= back
        later = [(at_ms, used - back) for at_ms, used in lows[first:]]
        while first and later and lows[first - 1][1] >= later[0][1]:
            first -= 1
        self.lows = lows[:first] + later

    def wait_ms(self, amount: int, now_ms: int) -> int | None:
        """How long until it fits, to the millisecond, when nobody else calls; None: never."""
        if amount > self.rate:
            return None
        missing = self.missing(amount, now_ms)
        return -(-missing // self.rate) + max(0, self.at - now_ms) if missing > 0 else 0

    def idle(self, now_ms: int) -> bool:
        """It is as if it had just been made."""
        self.settle(now_ms)
        return self.used == 0

    # -- what is told of it, as of the last time that it was asked

    def units_used(self) -> int:
        """Rounded up, so that it and what is asked are always more than the limit when that is refused."""
        return -(-self.used // self.size)


def _time(low: tuple[int, int]) -> int:
    return low[0]


def _halved(lows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each two as one, that has the later time and the lower level: what is given back by it is less, never more."""
    return [(later[0], lower[1]) for lower, later in zip(lows[::2], lows[1::2], strict=False)] + lows[len(lows) & ~1 :]


def take_all(buckets: Sequence[Bucket], amounts: Amounts, now_ms: int) -> bool:
    """Use what a call asks of every bucket; False: one has no room for it, and nothing is used of any.

    Written out, with `drained` and `note` in the middle, since every call comes this way.
    """
    for bucket in buckets:
        amount = amounts[bucket.counts]
        used = bucket.used
        elapsed = now_ms - bucket.at
        if elapsed > 0:
            used -= elapsed * bucket.rate
            if used < 0:
                used = 0
            bucket.at = now_ms
        elif elapsed < 0:
            used, bucket.at = drained(used, bucket.at, now_ms, bucket.rate)
        lows = bucket.lows
        while lows and lows[-1][1] >= used:
            lows.pop()
        lows.append((bucket.at, used))
        if len(lows) > LOWS_MAX:
            bucket.lows = _halved(lows)
        after = used + amount * bucket.one
        if after > bucket.capacity and amount:
            bucket.used = used
            _untake(buckets, bucket, amounts)
            return False
        bucket.used = after
    return True


def _untake(buckets: Sequence[Bucket], until: Bucket, amounts: Amounts) -> None:
    """Nothing has drained since they were taken from, so it comes back whole."""
    for bucket in buckets:
        if bucket is until:
            return
        bucket.used -= amounts[bucket.counts] * bucket.one


class Slots(Bucket):
    """Open streams: nothing drains, each gives its own place back."""

    __slots__ = ()

    def __init__(self, key: Key, unit: Unit, limit: int, at_ms: int, used: int = 0) -> None:
        super().__init__(key, unit, limit, at_ms, used)
        self.one = self.size = 1
        self.change(limit, at_ms)

    def change(self, limit: int, now_ms: int) -> None:
        self.limit = self.capacity = limit
        self.rate = 0  # nothing drains

    def give(self, amount: int, since_ms: int, now_ms: int) -> None:
        self.used = max(0, self.used - amount)

    def wait_ms(self, amount: int, now_ms: int) -> int | None:
        if amount > self.capacity:
            return None
        return STREAM_RETRY_MS if self.missing(amount, now_ms) > 0 else 0
