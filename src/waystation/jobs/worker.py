"""The loop that does jobs: looks for them, has a bounded number under way, renews their leases, leaves what it lost.

What a job is about is its kind's business (a file beside this one). A fault of the database ends nothing: it is told once, and
tried again; a job whose lease could not be renewed in time is left alone before anybody else may take it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from waystation.errors import ServiceUnavailable
from waystation.jobs import store
from waystation.jobs.model import LEASE_MARGIN_MS, LEASE_MS, RENEW_EVERY_S, Counts, Job, back_off_s

T = TypeVar("T")

POLL_S = 0.15
LOOK_ANYWAY_S = 1.0  # jobs become due without anybody writing
FAULT_PAUSE_S = 1.0
WRITE_AGAIN_S = 0.25

log = logging.getLogger("waystation.jobs")


class Database(Protocol):
    async def read(self, fn: Callable[[Connection], T]) -> T: ...
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...
    async def version(self) -> int | None: ...


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_s(self) -> float: ...


class LeaseLost(Exception):
    """The job is somebody else's by now, or nobody wants it any more: what was to be written is not."""


class Kind(Protocol):
    """What jobs of one kind do."""

    attempts_max: int

    async def run(self, lease: "Lease") -> None:
        """Do it. Ends with `lease.finish` or `lease.put_back`; an exception is an attempt that failed.

        It is cancelled when the lease is lost, and when the server stops (`lease.stopping`): then it may still finish.
        """

    def give_up(self, connection: Connection, job: Job) -> None:
        """It failed as often as it may: leave things as they shall be. In the transaction that ends the job."""


class Lease:
    """A job under way: the one way to write about it."""

    def __init__(self, database: Database, clock: Clock, worker: str, job: Job) -> None:
        self.job = job
        self.over = False
        self.stopping = False  # the server stops and has waited long enough
        self._database = database
        self._clock = clock
        self._worker = worker

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """One transaction, in which the job is surely ours. Raises LeaseLost, ServiceUnavailable."""

        def mine(connection: Connection) -> T:
            if not store.is_held(connection, self._worker, self.job.id):
                raise LeaseLost
            return fn(connection)

        return await self._database.write(mine)

    async def finish(self, fn: Callable[[Connection], object] | None = None) -> None:
        """The job is done: with what `fn` writes, or not at all. A fault of the database is waited out."""

        def done(connection: Connection) -> None:
            if fn is not None:
                fn(connection)
            store.finish(connection, self.job.id)

        await self._surely(done)

    async def put_back(
        self, after_s: int, fn: Callable[[Connection], object] | None = None, *, counts: bool = True
    ) -> None:
        """It waits again, for so long. `counts`: whether this was one of the attempts that it has."""
        run_at = self._clock.now_s() + after_s

        def back(connection: Connection) -> None:
            if fn is not None:
                fn(connection)
            store.put_back(connection, self.job.id, run_at, counts=counts)

        await self._surely(back)

    async def _surely(self, fn: Callable[[Connection], None]) -> None:
        """In the end the lease is lost, and somebody else ends the job."""
        while True:
            try:
                await self.write(fn)
            except ServiceUnavailable:
                await asyncio.sleep(WRITE_AGAIN_S)
            else:
                self.over = True
                return


class Jobs:
    """One process's. `worker` is the number of its journal as a text."""

    def __init__(
        self, database: Database, clock: Clock, worker: str, kinds: Mapping[str, Kind], concurrency_max: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker = worker
        self._kinds = kinds
        self._concurrency_max = concurrency_max
        self._running: dict[str, tuple[Lease, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._version: int | None = None
        self._looked_at = self._renewed_at = -LOOK_ANYWAY_S
        self._draining = False
        self.fault: str | None = None
        self.counts = Counts(0, 0)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            pause_s = POLL_S
            try:
                await self.step()
                self.fault = None
            except Exception as error:  # nobody is above this task, and without it nothing would ever be done
                if self.fault is None:
                    told = isinstance(error, ServiceUnavailable)
                    log.error("jobs can't be looked for: %s", error, exc_info=None if told else error)
                self.fault = repr(error)
                pause_s = FAULT_PAUSE_S
            self._leave_late()
            await asyncio.sleep(pause_s)

    async def step(self) -> None:
        """Look once: leave what was lost, take what is due. Raises ServiceUnavailable."""
        now = self._clock.monotonic_s()
        if self._running and now - self._renewed_at >= RENEW_EVERY_S:
            self._leave_lost(await self._renew())
        version = await self._database.version()
        if version is not None and version == self._version and now - self._looked_at < LOOK_ANYWAY_S:
            return
        if self._running:
            self._leave_lost(await self._database.read(lambda connection: store.held(connection, self._worker)))
        room = 0 if self._draining else self._concurrency_max - len(self._running)
        now_ms, kinds = self._clock.now_s() * 1_000, self._kinds.keys()

        def look(connection: Connection) -> tuple[Counts, bool]:
            return store.counts(connection), room > 0 and store.is_due(connection, kinds, now_ms)

        self.counts, due = await self._database.read(look)
        if due:
            taken = await self._database.write(
                lambda connection: store.lease(connection, self._worker, kinds, room, now_ms)
            )
            for job in taken:
                self._start(job)
        # What was written between the question and now is looked for again, as the version is the older one.
        self._version, self._looked_at = version, now

    async def drain(self, seconds: float) -> None:
        """Take nothing more; what runs has this long, then it is told to end. `run` goes on meanwhile, for the leases."""
        self._draining = True
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for lease, task in list(self._running.values()):
            lease.stopping = True
            task.cancel()
        await asyncio.gather(*[task for _, task in self._running.values()], *self._leaving, return_exceptions=True)

    # -- one job

    def _start(self, job: Job) -> None:
        lease = Lease(self._database, self._clock, self._worker, job)
        task = asyncio.create_task(self._do(lease), name=f"waystation-{job.id}")
        self._running[job.id] = lease, task
        if len(self._running) == 1:
            self._renewed_at = self._clock.monotonic_s()
        task.add_done_callback(lambda done: self._ended(job.id, done))

    def _ended(self, job_id: str, task: "asyncio.Task[None]") -> None:
        if job_id in self._running and self._running[job_id][1] is task:
            del self._running[job_id]
        self._leaving.discard(task)
        self._version = None  # there is room again

    async def _do(self, lease: Lease) -> None:
        job = lease.job
        kind = self._kinds[job.kind]
        try:
            if job.attempts > kind.attempts_max:
                await lease.finish(lambda connection: kind.give_up(connection, job))
                return
            await kind.run(lease)
        except LeaseLost:
            return
        except Exception as error:
            log.exception("job %s (%s of %s) failed", job.id, job.kind, job.subject, exc_info=error)
            with contextlib.suppress(LeaseLost):
                await lease.put_back(back_off_s(job.attempts))

    # -- leases

    async def _renew(self) -> set[str]:
        began = self._clock.monotonic_s()
        now_ms = self._clock.now_s() * 1_000
        held = await self._database.write(lambda connection: store.renew(connection, self._worker, now_ms))
        self._renewed_at = began
        return held

    def _leave_lost(self, held: set[str]) -> None:
        """Cancelled by the caller, deleted, or taken by somebody else."""
        for job_id in [each for each in self._running if each not in held]:
            self._leave(job_id)

    def _leave_late(self) -> None:
        """The database did not let the leases be renewed: leave the jobs before others may take them."""
        late_s = (LEASE_MS - LEASE_MARGIN_MS) / 1_000
        if self._running and self._clock.monotonic_s() - self._renewed_at >= late_s:
            log.error("the leases of %d jobs could not be renewed: they are left to whoever can", len(self._running))
            for job_id in list(self._running):
                self._leave(job_id)

    def _leave(self, job_id: str) -> None:
        lease, task = self._running.pop(job_id)
        if lease.over:
            return  # it has just ended by itself
        self._leaving.add(task)
        task.cancel()
