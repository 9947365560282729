"""What one worker of several has in hand of a limit, and what it last saw of the rest. No database."""

from waystation.ledger.rates.admission import Plan
from waystation.ledger.rates.bucket import Bucket, Key, Slots, drained
from waystation.ledger.rates.model import STREAMS, Unit
from waystation.ledger.rates.share import EXPIRY_MS, Got, Wish

FULL = 2**62  # what is used of a slice when nothing is in hand; so that calls take from it as from any bucket


class Slice(Bucket):
    """A bucket that does not drain and has room for just what is in hand."""

    __slots__ = ("asked_at", "others", "recorded", "shared_at", "shared_used", "spent_at_round", "touched")

    def __init__(self, key: Key, unit: Unit, limit: int, now_ms: int, touched: "set[Slice]") -> None:
        super().__init__(key, unit, limit, now_ms, FULL)
        self.one = unit.window_ms or 1
        self.size = self.one * unit.scale
        self.touched = touched
        self.recorded = 0  # what the table says that this worker has
        self.shared_used = self.others = 0
        self.shared_at = now_ms
        self.asked_at: int | None = None  # when the three were so
        self.spent_at_round = FULL

    def _set(self, limit: int) -> None:
        self.limit = limit
        self.rate, self.capacity = 0, FULL

    def settle(self, now_ms: int) -> None:
        self.at = now_ms

    @property
    def have(self) -> int:
        """Parts in hand; negative: so much more was spent than taken."""
        return FULL - self.used

    @property
    def streams(self) -> bool:
        return self.counts == STREAMS

    @property
    def shared_rate(self) -> int:
        return 0 if self.streams else self.limit * self.unit.scale

    @property
    def shared_capacity(self) -> int:
        return self.limit * self.size

    def charge(self, amount: int, now_ms: int) -> None:
        self.used += amount * self.one
        self.touched.add(self)

    def give(self, amount: int, since_ms: int, now_ms: int) -> None:
        """Nobody knows how low the limit was everywhere since then: only what can't have drained comes back."""
        self.used -= max(0, amount * self.one - max(0, now_ms - since_ms) * self.shared_rate)
        self.touched.add(self)

    def idle(self, now_ms: int) -> bool:
        return self.used == FULL and not self.recorded and self not in self.touched

    def void(self) -> None:
        """It was not renewed in time: what is in hand counts as spent."""
        if not self.streams and self.have > 0:
            self.used = FULL

    def seen(self, now_ms: int) -> Bucket:
        """All that this worker could have of the limit, as far as it knows, as a bucket to be told of."""
        if self.streams:
            seen: Bucket = Slots(self.key, self.unit, self.limit, now_ms, self.others + self.recorded - self.have)
        else:
            used, _ = drained(self.shared_used, self.shared_at, now_ms, self.shared_rate, self.others + self.recorded)
            seen = Seen(self.key, self.unit, self.limit, now_ms, used - self.have)
            seen.others = self.others
        seen.name = self.name
        return seen

    def cover(self) -> Wish:
        """Ask for what is in debt."""
        held = self.recorded if self.streams else 0
        return Wish(self.key, self.shared_rate, self.shared_capacity, self.streams, -self.have, 0, running=held)

    def tell(self, *, give: bool) -> Wish:
        """What the table is to hear. What is given is out of hand from here on, a debt too; `untold` takes that back."""
        have = self.have
        giving = have if have < 0 or give else 0
        self.used += giving
        running = self.recorded - have if self.streams else 0
        return Wish(self.key, self.shared_rate, self.shared_capacity, self.streams, 0, have - giving, giving, running)

    def untold(self, wish: Wish) -> None:
        """The table could not be told. What was given stays given, since perhaps it was; what is owed is still owed."""
        self.used -= min(0, wish.give)

    def accept(self, got: Got, now_ms: int) -> None:
        """What was asked for is in hand."""
        self.see(got, now_ms)
        self.used -= got.more
        self.shared_used += got.more
        self.recorded = got.mine

    def see(self, got: Got, now_ms: int) -> None:
        """Remember what the table says, without what was asked of it."""
        self.shared_used, self.shared_at = got.used - got.more, got.at_ms
        self.others, self.asked_at = got.others, now_ms


class Seen(Bucket):
    """What a worker knows of a shared limit, to tell a caller."""

    __slots__ = ("others",)

    others: int

    def wait_ms(self, amount: int, now_ms: int) -> int | None:
        """As long as others have so much of it in hand, it does not drain: they give it back, or it expires."""
        wait_ms = super().wait_ms(amount, now_ms)
        return max(wait_ms, EXPIRY_MS) if wait_ms and self.others + amount * self.one > self.capacity else wait_ms


class SharedPlan(Plan):
    """Its headers tell of the limits, not of the slices."""

    __slots__ = ()

    def headers(self) -> bytes:
        return Plan([bucket.seen(bucket.at) for bucket in self.buckets if isinstance(bucket, Slice)]).headers()
