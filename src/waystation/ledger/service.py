"""The ledger of one worker: opened with its journal, asked for a hold by every call, closed when all is posted."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.errors import ServiceUnavailable
from waystation.gateway.call import Call
from waystation.ledger import store
from waystation.ledger.budgets import store as budgets_store
from waystation.ledger.credit.service import Credit
from waystation.ledger.funds.bank import Bank
from waystation.ledger.hold import CallHold, Desk
from waystation.ledger.hold import Clock as HoldClock
from waystation.ledger.invoices.service import issue_due
from waystation.ledger.journal import Journal
from waystation.ledger.poster import Database, Poster
from waystation.ledger.rates.estimate import tokens_estimated
from waystation.ledger.rates.limiter import Limiter, Must
from waystation.ledger.rates.shared import SharedLimiter
from waystation.ledger.replay import Closed, Replayed, nothing_else, replay
from waystation.terms import Caller, Model

TEND_EVERY_S = 0.25  # what isn't needed of allowances is given back
INVOICE_EVERY_S = 3_600  # months that are over are invoiced
SWEEP_EVERY_TICKS = (
    20  # and so often: the journals of workers that died are finished, expired credit goes, old rows too
)
PRUNE_ROWS_MAX = 5_000  # usage rows in one transaction

log = logging.getLogger("waystation.ledger")


class Clock(HoldClock, Protocol):
    def monotonic_s(self) -> float: ...


class Counts(msgspec.Struct, frozen=True):
    """What a ledger has done since it was opened: holds = open + settled + voided, settled = pending + posted."""

    holds: int
    open: int
    settled: int
    voided: int
    pending: int  # settled, in the journal, not in the database yet
    posted: int


class Ledger:
    """Made by `Ledger.open`. One for a worker; used on its event loop only."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        desk: Desk,
        replayed: Replayed,
        retention_s: int | None,
        on_closed: Closed,
    ) -> None:
        self._database = database
        self._clock = clock
        self._desk = desk
        self._credit = Credit(clock, lambda prefix: prefix)
        self._retention_s = retention_s
        self._on_closed = on_closed
        self._invoice_at = 0  # when to look again for months to be invoiced
        self._rates = True
        self._tending: asyncio.Task[None] | None = None
        self.replayed = replayed

    @classmethod
    async def open(
        cls,
        database: Database,
        folder: Path,
        slot: int,
        clock: Clock,
        count_tokens: Callable[[str, str], int],
        *,
        workers: int = 1,
        rates: bool = True,
        retention_s: int | None = None,
        difference_percent: int = 50,
        on_closed: Closed = nothing_else,
    ) -> "Ledger":
        """Finish what crashed workers left in `folder`, begin a journal there, read the budgets, start posting.

        `count_tokens(text, model_name)` is asked when a provider gave no usage. `workers`: how many share the funds. `rates`:
        whether calls are held against the limits of rates here; those that were when they were taken need it not be again.
        `retention_s`: how long rows of single calls are kept. `difference_percent`: a provider's count of tokens that is
        further from ours is flagged. `on_closed` is told the epochs of workers that crashed, in
        the transaction that recovers their holds. Raises ServiceUnavailable, OSError.
        """
        replayed = await replay(folder, database, clock, on_closed)
        now = clock.now_s()
        epoch = await database.write(lambda connection: store.open_epoch(connection, slot, now), durable=True)
        journal = Journal(folder, slot, epoch)
        bank = Bank(database, clock, epoch, workers)
        bank.set_budgets(await database.read(budgets_store.budgets))
        poster = Poster(database, journal, clock, bank.posted)
        limiter = Limiter(database, clock) if workers == 1 else SharedLimiter(database, clock, epoch, workers)
        if rates:
            await limiter.load()
        desk = Desk(journal, poster, bank, limiter, clock, count_tokens, difference_percent)
        ledger = cls(database, clock, desk, replayed, retention_s, on_closed)
        ledger._rates = rates
        poster.start()
        limiter.start()
        ledger._tending = asyncio.create_task(ledger._tend(), name="waystation-tender")
        return ledger

    @property
    def epoch(self) -> int:
        """The number of this worker's journal: what is kept for as long as it lives is kept under it."""
        return self._desk.journal.epoch

    def hold(self, caller: Caller, model: Model, call: Call) -> CallHold:
        """Hold the most that this call may cost, when the result is entered."""
        return CallHold(self._desk, caller, model, call)

    async def take_rates(self, caller: Caller, model: Model, call: Call) -> None:
        """Take now what a call that is answered later counts as in the limits of rates. Raises RateLimitExceeded."""
        limiter, tokens = self._desk.limiter, tokens_estimated(call, model)
        if limiter.has_limits:
            admission = limiter.admit_now(caller, model.name, tokens)
            if isinstance(admission, Must):
                admission = await limiter.admit(caller, model.name, tokens)
            if admission is not None:
                call.limit_headers = admission.headers()

    async def flush(self) -> None:
        """Post everything that is settled by now. Raises ServiceUnavailable."""
        await self._desk.poster.flush()

    async def budgets_changed(self, budget_ids: Sequence[str]) -> None:
        """A listener for changes of budgets. Called without ids it reads all of them: once after the view is loaded."""
        ids = list(budget_ids) or None
        budgets = await self._database.read(partial(budgets_store.budgets, ids=ids))
        if ids is None:
            self._desk.bank.set_budgets(budgets)
        else:
            self._desk.bank.budgets_changed(ids, budgets)

    async def credit_changed(self, organization_ids: Sequence[str]) -> None:
        """A listener for changes of credit."""
        self._desk.bank.credit_changed(organization_ids)

    async def limits_changed(self, limit_ids: Sequence[str]) -> None:
        """A listener for changes of rate limits. Called without ids it reads all of them."""
        if not self._rates:
            return
        if limit_ids:
            await self._desk.limiter.changed(limit_ids)
        else:
            await self._desk.limiter.load()

    async def organizations_changed(self, _organization_ids: Sequence[str]) -> None:
        """A listener for changes of organizations: of whether they are prepaid."""
        self._desk.bank.callers_changed()

    async def tick(self) -> None:
        """Give back what isn't needed of this worker's allowances. Raises ServiceUnavailable."""
        await self._desk.bank.tick()

    async def sweep(self) -> None:
        """Finish the journals of workers that died, let credit expire, drop rows that are too old, invoice what is due."""
        await replay(self._desk.journal.folder, self._database, self._clock, self._on_closed)
        await self._database.write(self._credit.expire, durable=True)
        if self._retention_s is not None:
            before = self._clock.now_s() - self._retention_s
            prune: Callable[[Connection], int] = partial(store.prune_usage, before=before, rows_max=PRUNE_ROWS_MAX)
            await self._database.write(prune)
        await self._invoice()

    async def _invoice(self) -> None:
        now = self._clock.now_s()
        if self._desk.journal.slot != 0 or now < self._invoice_at:
            return
        folder = self._desk.journal.folder
        issued = await self._database.write(lambda connection: issue_due(connection, folder, now), durable=True)
        self._invoice_at = now if issued.more else now + INVOICE_EVERY_S

    async def _tend(self) -> None:
        fault: str | None = None
        for number in itertools.count(1):
            await asyncio.sleep(TEND_EVERY_S)
            try:
                await self.tick()
                if number % SWEEP_EVERY_TICKS == 0:
                    await self.sweep()
                fault = None
            except Exception as error:  # nobody is above this task, and without it allowances would never come back
                if fault != repr(error):
                    told = isinstance(error, ServiceUnavailable)
                    log.error("allowances can't be tended: %s", error, exc_info=None if told else error)
                fault = repr(error)

    def counts(self) -> Counts:
        desk = self._desk
        return Counts(
            desk.holds, len(desk.journal.open), desk.settled, desk.voided, desk.poster.pending, desk.poster.posted
        )

    @property
    def fault(self) -> str | None:
        """Why nothing is posted at the moment, for /ready and /metrics; None when all is well."""
        return self._desk.poster.fault or self._desk.limiter.fault

    async def close(self) -> None:
        """Post what is left and take the journal away; what can't be posted stays for the next start."""
        desk = self._desk
        epoch, now = desk.journal.epoch, self._clock.now_s()
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await desk.limiter.close()
        done = False
        try:
            if await desk.poster.stop() and not desk.journal.open:
                await self._database.write(lambda connection: store.close_epoch(connection, epoch, now), durable=True)
                done = True
        except ServiceUnavailable as error:
            log.warning("the journal stays for the next start: %s", error.detail or error.message)
        finally:
            desk.journal.close(remove=done)
