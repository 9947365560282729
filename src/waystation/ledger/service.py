"""The ledger of one worker: opened with its journal, asked for a hold by every call, closed when all is posted."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from waystation.errors import ServiceUnavailable
from waystation.gateway.call import Call
from waystation.ledger import store
from waystation.ledger.hold import CallHold, Clock, Desk
from waystation.ledger.journal import Journal
from waystation.ledger.model import Books
from waystation.ledger.poster import Database, Poster
from waystation.ledger.replay import Replayed, replay
from waystation.terms import Caller, Model

log = logging.getLogger("waystation.ledger")


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

    def __init__(self, database: Database, clock: Clock, desk: Desk, replayed: Replayed, last_entry: int) -> None:
        self._database = database
        self._clock = clock
        self._desk = desk
        self._last_entry = last_entry  # grants up to here are in the wallets
        self._looking = asyncio.Lock()  # two looks at once would find the same grant
        self.replayed = replayed

    @classmethod
    async def open(
        cls, database: Database, folder: Path, slot: int, clock: Clock, count_tokens: Callable[[str, str], int]
    ) -> "Ledger":
        """Finish what crashed workers left in `folder`, begin a journal there, read the balances, start posting.

        `count_tokens(text, model_name)` is asked when a provider gave no usage. Raises ServiceUnavailable, OSError.
        """
        replayed = await replay(folder, database, clock)
        now = clock.now_s()
        epoch = await database.write(lambda connection: store.open_epoch(connection, slot, now), durable=True)
        credit, last_entry = await database.read(store.credit)
        journal = Journal(folder, slot, epoch)
        poster = Poster(database, journal, clock)
        desk = Desk(journal, poster, clock, count_tokens)
        desk.wallets.update({key: Books(left) for key, left in credit.items()})
        poster.start()
        return cls(database, clock, desk, replayed, last_entry)

    def hold(self, caller: Caller, model: Model, call: Call) -> CallHold:
        """Hold the most that this call may cost, when the result is entered."""
        return CallHold(self._desk, caller, model, call)

    async def flush(self) -> None:
        """Post everything that is settled by now. Raises ServiceUnavailable."""
        await self._desk.poster.flush()

    async def credit_changed(self, _entry_ids: Sequence[str] = ()) -> None:
        """A listener for changes of `store.CREDIT_TOPIC`: put what was granted since the last look into the wallets.

        To be called once after the view is loaded too: what came between opening and loading is in nobody's changes.
        """
        async with self._looking:
            after = self._last_entry
            granted, last = await self._database.read(lambda connection: store.grants_after(connection, after))
            self._last_entry = last
            for organization_id, currency, amount in granted:
                self._desk.wallets.setdefault((organization_id, currency), Books()).grant(amount)

    def available_nano(self, organization_id: str, currency: str) -> int:
        """What a prepaid organization may still hold."""
        books = self._desk.wallets.get((organization_id, currency))
        return 0 if books is None else books.available_nano()

    def counts(self) -> Counts:
        desk = self._desk
        return Counts(
            desk.holds, len(desk.journal.open), desk.settled, desk.voided, desk.poster.pending, desk.poster.posted
        )

    @property
    def fault(self) -> str | None:
        """Why nothing is posted at the moment, for /ready and /metrics; None when all is well."""
        return self._desk.poster.fault

    async def close(self) -> None:
        """Post what is left and take the journal away; what can't be posted stays for the next start."""
        desk = self._desk
        epoch, now = desk.journal.epoch, self._clock.now_s()
        done = False
        try:
            if await desk.poster.stop() and not desk.journal.open:
                await self._database.write(lambda connection: store.close_epoch(connection, epoch, now), durable=True)
                done = True
        except ServiceUnavailable as error:
            log.warning("the journal stays for the next start: %s", error.detail or error.message)
        finally:
            desk.journal.close(remove=done)
