"""A worker's purses: which of them a call draws on, filled from the database and given back to it.

A call whose purses have enough free asks nobody. All others meet here: they share one transaction at a time, wait for
what open calls give back, and are told why when there is nothing to wait for. The rules are in `model.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from waystation.errors import InsufficientQuota, TemporarilyHeld
from waystation.ledger.budgets.model import Budget, period
from waystation.ledger.funds import store
from waystation.ledger.funds.model import (
    NEVER,
    Exhausted,
    Hold,
    Key,
    Later,
    Purse,
    grab,
    is_out,
    is_used,
    recall,
    settle,
    verdict,
)
from waystation.ledger.funds.store import BUDGET, CREDIT, Asked, Given
from waystation.terms import Caller

T = TypeVar("T")

WAIT_S = 2.0  # how long a call waits for open holds to be settled
LOOK_AGAIN_S = 0.1  # what other workers give back is found by looking
WAITERS_MAX = 2_000  # calls that wait at once; one more is told to come again
RETRY_MS = 1_000  # what they are told
FOUND_MAX = 200_000  # callers whose purses are remembered
IDLE_TICKS = 4  # without a hold: what is free is given back
ATTEMPTS_MAX = 256  # looks of one call; it waits between them, so time ends it first
WAKES_MAX = 8  # who waits and is told when something comes free; the others look by themselves soon


class Database(Protocol):
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_s(self) -> float: ...


class Drawer(NamedTuple):
    """Who draws: what decides which funds a call is held from."""

    caller: Caller
    model: str
    end_user: str | None
    at: int


class _Found(NamedTuple):
    """The purses of a caller and a model, and the budgets that each of its end users has for themselves."""

    purses: tuple[Purse, ...]
    of_end_users: tuple[Budget, ...]
    since: int
    until: int


class Bank:
    """One for a worker, on its event loop only."""

    def __init__(self, database: Database, clock: Clock, epoch: int, workers: int = 1) -> None:
        self._database = database
        self._clock = clock
        self._epoch = epoch
        self._workers = workers
        self._budgets: dict[tuple[str, str], tuple[Budget, ...]] = {}
        self._place_of: dict[str, tuple[str, str]] = {}
        self._purses: dict[Key, Purse] = {}
        self._by_fund: dict[int, Purse] = {}
        self._retired: list[Purse] = []
        self._found: dict[tuple[str, str], _Found] = {}
        self._wanting: dict[Purse, None] = {}
        self._gathering: asyncio.Task[None] | None = None  # a transaction that can still be joined
        self._running: asyncio.Task[None] | None = None
        self._waiting = 0
        self._recalls = 0

    # -- the rules in force

    def set_budgets(self, budgets: Iterable[Budget]) -> None:
        """All budgets in force, at the start."""
        self._budgets.clear()
        self._place_of.clear()
        self._found.clear()
        for budget in budgets:
            self._put(budget)

    def budgets_changed(self, ids: Iterable[str], budgets: Iterable[Budget]) -> None:
        """These budgets were made, changed or removed, and are now so. What is held under the old rule goes on."""
        changed = set(ids)
        for budget_id in changed:
            place = self._place_of.pop(budget_id, None)
            if place is not None:
                left = tuple(budget for budget in self._budgets[place] if budget.id != budget_id)
                self._budgets[place] = left
                if not left:
                    del self._budgets[place]
        for budget in budgets:
            self._put(budget)
        self._found.clear()
        for purse in [purse for purse in self._purses.values() if purse.key[0] in changed]:
            if purse.key[0] in self._place_of:
                self._recall(purse)
            else:
                self._retire(purse)

    def credit_changed(self, organization_ids: Iterable[str]) -> None:
        """These organizations have been given credit."""
        for organization_id in organization_ids:
            purse = self._purses.get((organization_id, "", 0))
            if purse is not None:
                self._recall(purse)

    def callers_changed(self) -> None:
        """What a caller draws on may be different now: whether it has credit to spend from, say."""
        self._found.clear()

    def _put(self, budget: Budget) -> None:
        if budget.hard and budget.removed_at is None:
            self._budgets[budget.place] = (*self._budgets.get(budget.place, ()), budget)
            self._place_of[budget.id] = budget.place

    def _recall(self, purse: Purse) -> None:
        self._recalls += 1
        recall(purse)
        if purse.kind == CREDIT:
            purse.ends_at = NEVER
        _wake(purse)

    def _retire(self, purse: Purse) -> None:
        """Nobody holds from this one any more."""
        recall(purse)
        purse.retired = True
        del self._purses[purse.key]
        self._retired.append(purse)
        _wake(purse)

    # -- which purses

    def find(self, caller: Caller, model: str, end_user: str | None, at: int) -> tuple[Purse, ...]:
        """The purses that a call draws on, each of which must pay for all of it. The arguments are a `Drawer`'s fields."""
        found = self._found.get((caller.key_id, model))
        if found is None or not found.since <= at < found.until:  # who has waited may be of the period before
            found = self._look(caller, model, at)
        if end_user is None or not found.of_end_users:
            return found.purses
        own = (self._of_end_user(budget, end_user, at) for budget in found.of_end_users)
        return found.purses + tuple(purse for purse in own if purse is not None)

    def _look(self, caller: Caller, model: str, at: int) -> _Found:
        places = (("organization", caller.organization_id), ("project", caller.project_id), ("key", caller.key_id))
        purses = [self._of(budget, "", at) for place in places for budget in self._at(place, model)]
        if not caller.postpaid:
            purses.append(self._purse(CREDIT, (caller.organization_id, "", 0), 0, None))
        users = (("end_user", caller.project_id), ("end_user", caller.organization_id))
        of_end_users = tuple(budget for place in users for budget in self._at(place, model))
        since = max((purse.key[2] for purse in purses), default=0)
        until = min((purse.ends_at for purse in purses), default=NEVER)
        if len(self._found) >= FOUND_MAX:
            self._found.clear()
        found = self._found[caller.key_id, model] = _Found(tuple(purses), of_end_users, since, until)
        return found

    def _at(self, place: tuple[str, str], model: str) -> Iterable[Budget]:
        return (budget for budget in self._budgets.get(place, ()) if budget.model in (None, model))

    def _of_end_user(self, budget: Budget, end_user: str, at: int) -> Purse | None:
        subject = budget.fund_subject(end_user)
        return None if subject is None else self._of(budget, subject, at)

    def _of(self, budget: Budget, subject: str, at: int) -> Purse:
        period_at, ends_at = period(budget.window, budget.time_zone, at)
        return self._purse(BUDGET, (budget.id, subject, period_at), budget.cap_nano, ends_at)

    def _purse(self, kind: str, key: Key, cap: int, ends_at: int | None) -> Purse:
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = self._revived(key) or Purse(kind, key, cap, ends_at)
        return purse

    def _revived(self, key: Key) -> Purse | None:
        """A purse that was retired, and whose budget limits again: with two of one fund, what is posted would be counted in
        the wrong one."""
        for purse in self._retired:
            if purse.key == key:
                self._retired.remove(purse)
                purse.retired = False
                return purse
        return None

    # -- holding

    async def hold(
        self, drawer: Drawer, full: int, least_of: Callable[[], Awaitable[int]]
    ) -> tuple[tuple[Purse, ...], int]:
        """Hold an amount from all purses of a call; returns them and what is held.

        That is less than `full` when no more is left to be spent; at least what `least_of` says, which is only asked when
        it matters. Raises InsufficientQuota; TemporarilyHeld when open calls kept it from us for WAIT_S;
        ServiceUnavailable.
        """
        least: int | None = None
        wanted = full
        until = self._clock.monotonic_s() + WAIT_S
        for attempt in range(ATTEMPTS_MAX):
            purses = self._current(drawer)
            await self._fill(purses, wanted)
            if not any(purse.retired for purse in purses) and grab(purses, wanted):
                return purses, wanted
            if least is None:
                least = min(await least_of(), full)
            waited = self._clock.monotonic_s() >= until or attempt == ATTEMPTS_MAX - 1
            told = verdict(purses, full, least, waited=waited)
            if isinstance(told, Exhausted):
                raise _exhausted(purses[told.purse])
            if isinstance(told, Hold) and wanted != told.amount:
                wanted = told.amount
                continue
            wanted = full
            if isinstance(told, Later) or waited:
                break
            await self._wait(purses)
        raise _later()

    def _current(self, drawer: Drawer) -> tuple[Purse, ...]:
        """The purses of a call; one whose time is over makes place for the next."""
        purses = self.find(*drawer)
        over = [purse for purse in purses if purse.ends_at <= drawer.at]
        for purse in over:
            if purse.kind == CREDIT:  # some of it has expired
                self._recall(purse)
            else:
                self._retire(purse)
        if over:
            self._found.pop((drawer.caller.key_id, drawer.model), None)
            purses = self.find(*drawer)
        return purses

    async def extend(self, purses: Sequence[Purse], amount: int) -> bool:
        """Hold so much more of a call that is under way, without waiting for others. Raises ServiceUnavailable."""
        if grab(purses, amount):
            return True
        await self._fill(purses, amount)
        return grab(purses, amount)

    def settle(self, purses: Sequence[Purse], held: int, cost: int) -> None:
        """A call has cost so much of what it held."""
        settle(purses, held, cost)
        for purse in purses:
            if purse.waiters:
                _wake(purse)

    def posted(self, costs: Mapping[int, int]) -> None:
        """So much of what was settled, by fund, is in the database now."""
        for fund_id, cost in costs.items():
            purse = self._by_fund.get(fund_id)
            if purse is not None:
                purse.unposted -= cost
                purse.spent += cost
                purse.allowed -= cost

    async def _wait(self, purses: Sequence[Purse]) -> None:
        """Until something comes free here, or it is time to look again. Raises TemporarilyHeld."""
        if self._waiting >= WAITERS_MAX:
            raise _later()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for purse in purses:
            purse.waiters[waiter] = None
        self._waiting += 1
        try:
            await asyncio.wait({waiter}, timeout=LOOK_AGAIN_S)
        finally:
            self._waiting -= 1
            for purse in purses:
                purse.waiters.pop(waiter, None)

    # -- the database

    async def _fill(self, purses: Sequence[Purse], amount: int) -> None:
        """Ask the database for what is missing, together with whoever else asks now. Raises ServiceUnavailable."""
        missing = False
        for purse in purses:
            short = amount - purse.free
            if short > 0:
                missing = True
                purse.want += short
                purse.at_least = min(purse.at_least or short, short)
                self._wanting[purse] = None
        if not missing:
            return
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._take(self._running), name="waystation-allowances")
        await asyncio.shield(self._gathering)

    async def _take(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        else:
            await asyncio.sleep(0)  # those who come in the same moment join
        self._running, self._gathering = self._gathering, None
        wanting, self._wanting = list(self._wanting), {}
        asked = [Asked(purse.fund_id, purse.kind, purse.key, purse.at_least, purse.want) for purse in wanting]
        for purse in wanting:
            purse.want = purse.at_least = 0
            purse.asking = True
        try:
            now, recalls = self._clock.now_s(), self._recalls
            take = partial(store.take, asked=asked, epoch=self._epoch, workers=self._workers, at=now)
            for purse, one, given in zip(wanting, asked, await self._database.write(take, durable=True), strict=True):
                self._apply(purse, one, given)
                if self._recalls != recalls:  # a rule may have changed after the database was asked
                    recall(purse)
        except BaseException:
            for purse in wanting:
                purse.doubtful = True
            raise
        finally:
            for purse in wanting:
                purse.asking = False
            self._running = None

    def _apply(self, purse: Purse, asked: Asked, given: Given | None) -> None:
        if given is None:  # no credit was ever given, or the budget has just been removed
            if purse.kind == CREDIT:
                purse.cap = 0
            else:
                self._found.clear()
            return
        purse.fund_id = given.fund_id
        self._by_fund[given.fund_id] = purse
        purse.free += given.granted
        purse.cap, purse.spent, purse.allowed = given.cap, given.spent, given.allowed
        purse.recalled = purse.retired or given.spent + given.allowed > given.cap
        purse.tight = given.cap - given.spent - given.allowed < 4 * asked.at_least * self._workers
        if given.until is not None:
            purse.ends_at = given.until

    async def tick(self) -> None:
        """Give back what isn't needed. To be called a few times a second. Raises ServiceUnavailable; nothing is lost."""
        await self._make_sure()
        amounts: dict[int, int] = {}
        returned: list[tuple[Purse, int]] = []
        for purse in (*self._purses.values(), *self._retired):
            purse.idle_ticks = 0 if purse.used else purse.idle_ticks + 1
            purse.used = 0
            if (purse.tight and self._workers > 1) or purse.idle_ticks >= IDLE_TICKS:
                purse.returning += purse.free
                purse.free = 0
            if purse.returning:
                returned.append((purse, purse.returning))
                amounts[purse.fund_id] = amounts.get(purse.fund_id, 0) + purse.returning
                purse.returning = 0
        if amounts:
            try:
                await self._database.write(partial(store.give_back, amounts=amounts, epoch=self._epoch))
            except BaseException:
                # Perhaps it was done all the same: given back once more, it would be money that others have by now.
                for purse, _ in returned:
                    purse.doubtful = True
                raise
            for purse, amount in returned:
                purse.allowed -= amount
        self._forget()

    async def _make_sure(self) -> None:
        """Whatever we may be allowed of purses that a failed transaction was about goes back, once nobody uses them."""
        quiet = [purse for purse in (*self._purses.values(), *self._retired) if purse.doubtful and not is_used(purse)]
        if not quiet:
            return
        for purse in quiet:
            purse.free = purse.returning = 0
        await self._database.write(partial(store.clear, keys=[purse.key for purse in quiet], epoch=self._epoch))
        for purse in quiet:
            purse.doubtful = False

    def _forget(self) -> None:
        """Let go of purses of which nothing is out any more."""
        for purse in [purse for purse in self._retired if not is_out(purse)]:
            self._retired.remove(purse)
            self._by_fund.pop(purse.fund_id, None)
        for purse in [purse for purse in self._purses.values() if purse.idle_ticks > IDLE_TICKS]:
            if not is_out(purse):
                del self._purses[purse.key]
                self._by_fund.pop(purse.fund_id, None)
                if not purse.key[1]:  # those of single end users are looked for each time
                    self._found.clear()

    @property
    def held(self) -> int:
        """How many funds something is held from, for figures and tests."""
        return sum(1 for purse in (*self._purses.values(), *self._retired) if purse.held)


def _wake(purse: Purse) -> None:
    """Tell those who have waited longest."""
    for waiter in list(islice(purse.waiters, WAKES_MAX)):
        del purse.waiters[waiter]
        if not waiter.done():
            waiter.set_result(None)


def _exhausted(purse: Purse) -> InsufficientQuota:
    what = "the credit" if purse.kind == CREDIT else f"the budget {purse.key[0]}"
    return InsufficientQuota(
        f"You exceeded your current quota, please check your plan and billing details: {what} is used up.",
        detail=f"{purse.kind} {purse.key[0]}: {purse.unspent} of {purse.cap} nano left",
    )


def _later() -> TemporarilyHeld:
    return TemporarilyHeld(
        "What is left of the budget is held by calls that are still being answered.",
        retry_after_ms=RETRY_MS,
    )
