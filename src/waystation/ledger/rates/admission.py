"""A call that its limits have let pass: what was taken for it, what its answer's headers say, what comes back of it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from waystation.ledger.rates.bucket import Bucket
from waystation.ledger.rates.model import REQUESTS, STREAMS, TOKENS, Amounts, duration


class Plan:
    """All the limits that apply to a key's calls of a model."""

    __slots__ = ("buckets", "requests", "tokens")

    def __init__(self, buckets: Sequence[Bucket]) -> None:
        self.buckets = tuple(buckets)
        self.requests = tuple(bucket for bucket in buckets if bucket.counts == REQUESTS)
        self.tokens = tuple(bucket for bucket in buckets if bucket.counts == TOKENS)

    def headers(self) -> bytes:
        """The encoded x-ratelimit-* lines: of each kind, of the limit that has the least left."""
        lines = ""
        if self.requests:
            lines = _lines("requests", self.requests)
        if self.tokens:
            lines += _lines("tokens", self.tokens)
        return lines.encode()


def _lines(kind: str, buckets: Sequence[Bucket]) -> str:
    """Of two that have as many whole units left the first one counts, which is the narrower scope's."""
    bucket = buckets[0]
    left = (bucket.capacity - bucket.used) // bucket.size
    for other in buckets:  # a loop, since every answer says this: `min` with a key takes four times as long
        has = (other.capacity - other.used) // other.size
        if has < left:
            bucket, left = other, has
    reset = duration(-(-bucket.used // bucket.rate) if bucket.rate else 0)
    return (
        f"x-ratelimit-limit-{kind}: {bucket.limit}\r\nx-ratelimit-remaining-{kind}: "
        f"{left if left > 0 else 0}\r\nx-ratelimit-reset-{kind}: {reset}\r\n"
    )


class Known(Protocol):
    """What an admission needs of its limiter."""

    def now_ms(self) -> int: ...
    def current(self, bucket: Bucket) -> Bucket | None:
        """The bucket itself or the one that has taken its place; None when there is no such limit any more."""


class Admission(msgspec.Struct, gc=False):
    """Ends with `correct` (what was used), or `undo` (the call never was); a stream also with `release`. Each counts once."""

    known: Known  # the limiter that let it pass
    plan: Plan
    amounts: Amounts | None  # None: corrected or undone
    at_ms: int
    streams: int  # 1 until it is released

    def headers(self) -> bytes:
        """The encoded x-ratelimit-* lines, as it stands since the last take: ask right after admission."""
        return self.plan.headers()

    def correct(self, tokens_used: int) -> None:
        """The call has ended: what was used beyond the estimate is charged, what was not used comes back.

        0 for a call that was voided: its tokens come back, its request stays counted.
        """
        amounts, self.amounts = self.amounts, None
        if amounts is None or not self.plan.tokens:
            return
        amount = tokens_used - amounts[TOKENS]
        if amount:
            self._move(self.plan.tokens, amount)

    def release(self) -> None:
        """The stream is over."""
        if self.streams:
            self.streams = 0
            self._move([bucket for bucket in self.plan.buckets if bucket.counts == STREAMS], -1)

    def undo(self) -> None:
        """The call was refused afterwards, for another reason than its rate: everything comes back."""
        self.release()
        amounts, self.amounts = self.amounts, None
        if amounts is None:
            return
        for bucket in self.plan.buckets:
            amount = amounts[bucket.counts]
            if amount and bucket.counts != STREAMS:
                self._move([bucket], -amount)

    def _move(self, buckets: Sequence[Bucket], amount: int) -> None:
        now_ms = self.known.now_ms()
        for bucket in buckets:
            if amount < 0:
                if (
                    bucket.alive
                ):  # else it has been empty since, or the limit is gone: nothing of this call is left in it
                    bucket.give(-amount, self.at_ms, now_ms)
            elif (current := bucket if bucket.alive else self.known.current(bucket)) is not None:
                current.charge(amount, now_ms)
