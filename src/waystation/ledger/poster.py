"""Move settled calls from the journal into the database: within a second, many at a time, each exactly once."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from waystation.errors import ServiceUnavailable
from waystation.ledger import store
from waystation.ledger.journal import Journal, read_settlements
from waystation.ledger.records import Record

T = TypeVar("T")

POST_EVERY_S = 1.0
POST_AT_RECORDS = 2_000  # waiting: then sooner
PENDING_RECORDS_MAX = 50_000  # in memory while the database is away; what comes after is read from the journal again
REREAD_RECORDS_MAX = 10_000  # in one transaction
SERIES_KNOWN_MAX = 200_000  # numbers of series in memory, about 300 bytes each
RETRY_S = 1.0
LAST_ATTEMPTS_MAX = 3  # when the server stops; what is left then is posted at the next start

log = logging.getLogger("waystation.ledger")


class Database(Protocol):
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...
    async def read(self, fn: Callable[[Connection], T]) -> T: ...


class Now(Protocol):
    def now_s(self) -> int: ...


class Poster:
    """The task that posts. `add` is called by each settlement; everything else happens in `run` and `stop`."""

    def __init__(
        self, database: Database, journal: Journal, clock: Now, on_posted: Callable[[dict[int, int]], None]
    ) -> None:
        """`on_posted` is told what each fund was charged by a transaction that is done."""
        self._on_posted = on_posted
        self._database = database
        self._journal = journal
        self._clock = clock
        self._pending: list[Record] = []
        self._reread_from: int | None = None  # where in the journal the records begin that memory had no room for
        self._reread_count = 0
        self._unwritten: set[str] = set()  # requests of which the journal gets to know later than memory
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._flushing = asyncio.Lock()  # one batch at a time, or a mark would go back to where the slower one began
        self._posting: tuple[list[Record], int] | None = None  # a batch on its way, and the position that it reaches
        self._series: dict[store.Series, int] = {}
        self.posted = 0
        self.fault: str | None = None  # why nothing is posted, while that is so

    @property
    def pending(self) -> int:
        """Settled, not yet posted."""
        return len(self._pending) + self._reread_count + (len(self._posting[0]) if self._posting else 0)

    def add(self, record: Record, *, written: bool = True) -> None:
        """A settlement that has just been written to the journal; one that the disk did not take stays in memory."""
        if not written:
            self._unwritten.add(record[1])
        elif self._reread_from is not None:
            self._reread_count += 1
            return
        pending = self._pending
        pending.append(record)
        waiting = len(pending)
        if waiting == 1:
            self._wake.set()
        elif waiting == POST_AT_RECORDS:
            self._full.set()
        elif waiting >= PENDING_RECORDS_MAX and self._reread_from is None:
            self._reread_from = self._journal.position

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="waystation-poster")

    async def stop(self) -> bool:
        """Post what is left, if the database lets us; True when nothing is."""
        if self._task is not None:
            self._task.cancel()  # a transaction that runs is finished by its thread: the batch is then found posted
            await asyncio.gather(self._task, return_exceptions=True)
        for _ in range(LAST_ATTEMPTS_MAX):
            if not self.pending:
                break
            try:
                await self.flush()
            except ServiceUnavailable as error:
                self._failed(error)
        return not self.pending

    async def flush(self) -> None:
        """Post everything that is settled by now. Raises ServiceUnavailable; nothing is lost then: try again."""
        async with self._flushing:
            if self._posting is None:
                self._posting = self._take()
            while self._posting is not None:
                records, position = self._posting
                await self._post(records, position)
                self._posting = None
                self._journal.prune(position)
                self._on_posted(store.settled_of(records))
                self.posted += len(records)
                if self._reread_from is not None:
                    # What is in memory comes before what it had no room for: a crash loses what the mark has passed.
                    self._posting = self._take() if self._pending else await self._take_again(self._reread_from)

    def _take(self) -> tuple[list[Record], int]:
        records, self._pending = self._pending, []
        self._wake.clear()
        self._full.clear()
        if self._reread_from is not None:
            return records, self._reread_from
        if not self._journal.is_behind:
            self._unwritten.clear()  # by now they are written, before anything that will ever be read again
        return records, self._journal.position

    async def _take_again(self, start: int) -> tuple[list[Record], int] | None:
        """The next records that memory had no room for; None when there are no more: memory takes over again."""
        until = self._journal.position
        if start == until:
            self._reread_from, self._reread_count = None, 0
            return None
        folder, epoch = self._journal.folder, self._journal.epoch
        records, position = await asyncio.to_thread(read_settlements, folder, epoch, start, until, REREAD_RECORDS_MAX)
        self._reread_from = position
        self._reread_count = max(0, self._reread_count - len(records))
        return [record for record in records if record[1] not in self._unwritten], position

    async def _post(self, records: list[Record], position: int) -> None:
        try:
            # Durable, because the journal that could bring these back after a power cut is pruned next.
            found = await self._database.write(partial(self._post_all, records, position), durable=True)
        except IntegrityError:
            found = await self._database.write(partial(self._post_new, records, position), durable=True)
        if len(self._series) + len(found) > SERIES_KNOWN_MAX:
            self._series.clear()
        self._series.update(found)

    def _post_all(self, records: list[Record], position: int, connection: Connection) -> dict[store.Series, int]:
        return store.post(connection, records, self._journal.epoch, position, self._clock.now_s(), self._series)

    def _post_new(self, records: list[Record], position: int, connection: Connection) -> dict[store.Series, int]:
        new = store.not_posted(connection, records)
        log.warning("%d of %d settlements had been posted before", len(records) - len(new), len(records))
        return self._post_all(new, position, connection)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await _wait_at_most(self._full, POST_EVERY_S)
            try:
                await self.flush()
            except Exception as error:  # nobody is above this task, and without it nothing would be posted any more
                self._failed(error)
                self._wake.set()
                await asyncio.sleep(RETRY_S)
            else:
                if self.fault is not None:
                    log.info("usage is posted again")
                self.fault = None

    def _failed(self, error: Exception) -> None:
        told = isinstance(error, ServiceUnavailable)
        why = (error.detail or error.message) if isinstance(error, ServiceUnavailable) else repr(error)
        if self.fault != why:
            log.error("usage can't be posted, it stays in the journal: %s", why, exc_info=None if told else error)
        self.fault = why


async def _wait_at_most(event: asyncio.Event, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return None
