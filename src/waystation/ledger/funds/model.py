"""The rules of holding money from a fund: what a worker may hold of it, and what to do when that isn't enough. Pure.

A *fund* is a cap with what is spent of it and what workers are allowed: `spent + allowed` never passes the cap by an
allowance. A *purse* is one worker's allowance of a fund, in memory: free, held by open calls, or settled and on its way to
the database.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

NEVER = 1 << 62  # the end of what doesn't end

Key = tuple[str, str, int]  # of a fund: its owner (a budget or an organization), whose it is of the owner's, its period


class Purse:
    """What this worker knows of a fund, and what it may hold of it. All amounts in 10⁻⁹ of the fund's currency.

    Its allowance in the database = free + held + settled and not yet posted + on its way back. Only `Bank` changes what is
    about the database; a call only moves money between free, held and settled, all or nothing over its purses.
    """

    __slots__ = (
        "allowed",
        "asking",
        "at_least",
        "cap",
        "doubtful",
        "ends_at",
        "free",
        "fund_id",
        "held",
        "idle_ticks",
        "key",
        "kind",
        "recalled",
        "retired",
        "returning",
        "spent",
        "tight",
        "unposted",
        "used",
        "waiters",
        "want",
    )

    def __init__(self, kind: str, key: Key, cap: int, ends_at: int | None) -> None:
        self.kind = kind
        self.key = key
        self.fund_id = 0  # not opened yet
        self.ends_at = NEVER if ends_at is None else ends_at  # no hold is made from it after this
        # As the database last said, the allowances of all workers together.
        self.cap = cap
        self.spent = 0
        self.allowed = 0
        # This worker's.
        self.free = 0
        self.held = 0
        self.unposted = 0
        # How it is used.
        self.want = 0  # what calls have asked for since the last look at the database
        self.at_least = 0  # the smallest of what they asked for
        self.used = 0  # held since the last tick
        self.idle_ticks = 0
        self.tight = False  # near its cap: nothing is kept that others may want
        self.returning = 0  # no longer free; given back by the next tick
        self.asking = False  # the database is being asked for more
        # A transaction about it has failed, and may have been done all the same: then the database allows us more than
        # we know of, never less.
        self.doubtful = False
        self.recalled = (
            False  # its rule has changed: what comes free is given back, until the database says all is well
        )
        self.retired = False  # its period is over, or its budget is gone: nobody holds from it any more
        self.waiters: dict[Any, None] = {}  # who is to be told when something comes free

    @property
    def unspent(self) -> int:
        """What could be held if no call were open."""
        return self.cap - self.spent - self.unposted

    @property
    def reachable(self) -> int:
        """What could be held now: what is free here, and what nobody has taken."""
        return self.free + max(0, self.cap - self.spent - self.allowed)


def grab(purses: Sequence[Purse], amount: int, at: int = 0) -> bool:
    """Hold an amount from each purse; False, and nothing is changed, when one of them has less free or has ended by `at`."""
    for purse in purses:
        if purse.free < amount or purse.ends_at <= at:
            return False
    for purse in purses:
        purse.free -= amount
        purse.held += amount
        purse.used += amount
    return True


def settle(purses: Sequence[Purse], held: int, cost: int) -> None:
    """Turn what a call held into what it cost; the rest is free again. `cost` is never above `held`."""
    rest = held - cost
    for purse in purses:
        purse.held -= held
        purse.unposted += cost
        if purse.recalled:
            purse.returning += rest
        else:
            purse.free += rest


def recall(purse: Purse) -> None:
    """Hold nothing more on what was allowed so far: the database is to be asked again."""
    purse.returning += purse.free
    purse.free = 0
    purse.recalled = True


def is_used(purse: Purse) -> bool:
    """Whether calls have something of it, or a transaction is about it."""
    return bool(purse.held or purse.unposted or purse.asking)


def is_out(purse: Purse) -> bool:
    """Whether anything of it is in use, waited for, or not given back yet."""
    waited_for = purse.waiters or purse.want or purse.used
    return bool(is_used(purse) or waited_for or purse.free or purse.returning or purse.doubtful)


class Hold(NamedTuple):
    """Hold so much: less than the whole when no more than this is left to be spent."""

    amount: int


class Exhausted(NamedTuple):
    """Spent money alone is in the way: of the purse with this number."""

    purse: int


class Wait(NamedTuple):
    """Only open holds are in the way, and they will be settled for less: try again."""


class Later(NamedTuple):
    """They were in the way for as long as a call waits: the caller may try again."""


def verdict(purses: Sequence[Purse], full: int, least: int, *, waited: bool = False) -> Hold | Exhausted | Wait | Later:
    """What to do about a call that wants `full` and can do with `least`, as far as the purses know.

    They hear of what other workers have spent with up to a second's delay, and take it for open holds until then: so a
    caller may be told to wait in vain, but is never told that money is spent which is not.
    """
    for number, purse in enumerate(purses):
        if purse.unspent < least:
            return Exhausted(number)
    most = min(full, min(purse.unspent for purse in purses))
    reachable = min(purse.reachable for purse in purses)
    if reachable >= most:
        return Hold(most)
    if not waited:
        return Wait()
    # The answer can't be whole anyway: then rather a shorter one than none.
    return Hold(reachable) if most < full and reachable >= least else Later()


def grant(available: int, at_least: int, want: int, workers: int) -> int:
    """How much of what is available in a fund a worker is given.

    Nothing when not even the smallest call that waits could be paid with it. More than is wanted while there is plenty,
    so that the database is asked once for many calls: at most an eighth of a worker's share of the rest, so slices shrink
    as the cap comes near.
    """
    if available < at_least:
        return 0
    if available <= want:
        return available
    return want + min(want * SLICE_CALLS, (available - want) // (8 * workers))


SLICE_CALLS = 64
