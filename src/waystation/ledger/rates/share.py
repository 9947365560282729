"""The rule by which workers share a limit: each has a slice of it in hand, and all slices and all use are within the limit. Pure.

The shared row counts a slice as used from the moment it is taken. Its holder spends it without asking anybody, and gives back what
it doesn't need. As long as a slice is in hand, the row does not drain below it: else what is in hand and what is left would
together be more than the limit.
"""

import msgspec

from waystation.ledger.rates.bucket import Key, drained

SLICES = 4  # a worker takes at most a quarter of its share of what is left: slices shrink as the limit comes near
LEASE_MS = 1_000  # a holder that could not renew its slice for so long does not spend it any more
EXPIRY_MS = 2_000  # the others don't count a slice that was not renewed for so long: its holder is gone. Not of streams


class Row(msgspec.Struct, frozen=True):
    """What the tables say of one limit."""

    used: int
    at_ms: int
    mine: int  # the slice of the worker that asks
    others: int  # those of all others that have not expired


class Wish(msgspec.Struct, frozen=True):
    """What a worker wants of one limit, in parts."""

    key: Key
    rate: int
    capacity: int
    streams: bool
    need: int  # more than it has; 0: it only tells
    have: int  # unspent in hand, after giving
    give: int = 0  # negative: it has spent more than it took
    running: int = 0  # streams that are open


class Got(msgspec.Struct, frozen=True):
    """What becomes of it: the row as it is then, and by how much the slice grows."""

    used: int
    at_ms: int
    others: int
    mine: int
    more: int
    fits: bool  # who only tells something always does


def exchange(row: Row, wish: Wish, workers: int, now_ms: int) -> Got:
    """Settle the row, take back what is given, and grant what is needed if it is there, with something to spare."""
    if wish.streams:
        mine = wish.running + wish.have
        fits = not wish.need or row.others + mine + wish.need <= wish.capacity
        more = wish.need if fits else 0
        return Got(0, now_ms, row.others, mine + more, more, fits)
    floor = row.others + row.mine
    used, at_ms = drained(row.used, row.at_ms, now_ms, wish.rate, floor)
    used = max(used - wish.give, row.others + wish.have)
    left = wish.capacity - used - wish.need
    fits = not wish.need or left >= 0
    more = 0
    if fits and wish.need:
        spare = left // (SLICES * workers)
        more = wish.need + spare - spare % wish.need
    return Got(used + more, at_ms, row.others, wish.have + more, more, fits)
