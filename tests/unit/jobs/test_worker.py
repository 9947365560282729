"""Workers on one real database: each job is one worker's at a time, and none is lost, whoever dies."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from waystation.errors import ServiceUnavailable
from waystation.jobs import store
from waystation.jobs.model import LEASE_MARGIN_MS, LEASE_MS, Job
from waystation.jobs.sweeps import EVERY_S, ROUND_AGAIN_S, ROWS_AT_ONCE, ROWS_MAX, SWEEP, SweepAll, sweep_job
from waystation.jobs.worker import Jobs, Lease
from waystation.runtime.db import Database
from waystation.tables import jobs
from waystation.testing.clock import FakeClock


def in_a_loop(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(story)
    def run(**fixtures: Any) -> None:
        asyncio.run(story(**fixtures))

    return run


class Work:
    """A kind whose jobs wait until they are let go."""

    attempts_max = 3

    def __init__(self) -> None:
        self.began: list[str] = []
        self.left: list[str] = []
        self.given_up: list[str] = []
        self.go = asyncio.Event()
        self.fails = False

    async def run(self, lease: Lease) -> None:
        self.began.append(lease.job.subject)
        if self.fails:
            raise RuntimeError("broken")
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.left.append(lease.job.subject)
            raise
        await lease.finish()

    def give_up(self, connection: Connection, job: Job) -> None:
        self.given_up.append(job.subject)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def enqueue(database: Database, clock: FakeClock, *subjects: str, project: str = "p") -> None:
    for subject in subjects:
        job = Job(
            id=f"job_{subject}",
            kind="work",
            subject=subject,
            project_id=project,
            payload=b"secret",
            run_at=clock.now_s(),
            created_at=clock.now_s(),
        )
        await database.write(partial(store.enqueue, job=job))


async def states(database: Database) -> dict[str, str]:
    def read(connection: Connection) -> dict[str, str]:
        return {row[0]: row[1] for row in connection.execute(select(jobs.c.subject, jobs.c.state))}

    return await database.read(read)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


@in_a_loop
async def test_a_job_is_done_once_and_what_it_carried_goes(database: Database, clock: FakeClock) -> None:
    work, other = Work(), Work()
    one, two = (Jobs(database, clock, name, {"work": kind}, 8) for name, kind in (("1", work), ("2", other)))
    await enqueue(database, clock, "a", "b", "c")
    await asyncio.gather(one.step(), two.step())
    work.go.set()
    other.go.set()
    await until(lambda: len(work.began) + len(other.began) == 3)
    await asyncio.gather(one.drain(5), two.drain(5))
    assert sorted(work.began + other.began) == ["a", "b", "c"]
    assert set((await states(database)).values()) == {"done"}
    assert await database.read(lambda connection: set(connection.execute(select(jobs.c.payload)).scalars())) == {b""}


@in_a_loop
async def test_no_more_than_its_bound_are_under_way(database: Database, clock: FakeClock) -> None:
    work = Work()
    worker = Jobs(database, clock, "1", {"work": work}, 2)
    await enqueue(database, clock, "a", "b", "c")
    await worker.step()
    await until(lambda: len(work.began) == 2)
    clock.advance(2)
    await worker.step()
    assert (worker.counts.queued, worker.counts.running) == (1, 2)
    work.go.set()
    await until(lambda: not worker._running)
    await worker.step()
    await until(lambda: len(work.began) == 3)
    await worker.drain(5)


@in_a_loop
async def test_who_is_cancelled_from_outside_is_left_at_the_next_look(database: Database, clock: FakeClock) -> None:
    work = Work()
    worker = Jobs(database, clock, "1", {"work": work}, 8)
    await enqueue(database, clock, "a")
    await worker.step()
    await until(lambda: work.began == ["a"])
    assert await database.write(lambda connection: store.end(connection, "work", "a"))
    assert not await database.write(lambda connection: store.end(connection, "work", "a"))
    await worker.step()
    await until(lambda: work.left == ["a"])
    assert await states(database) == {"a": "done"}


@in_a_loop
async def test_a_lease_that_is_not_renewed_ends_and_the_job_is_anothers(database: Database, clock: FakeClock) -> None:
    mine, others = Work(), Work()
    dead = Jobs(database, clock, "1", {"work": mine}, 8)
    heir = Jobs(database, clock, "2", {"work": others}, 8)
    await enqueue(database, clock, "a")
    await dead.step()
    await until(lambda: mine.began == ["a"])
    lease = dead._running["job_a"][0]
    clock.advance(LEASE_MS / 1000 - 1)
    await heir.step()
    assert others.began == []
    clock.advance(2)
    await heir.step()
    await until(lambda: others.began == ["a"])
    mine.go.set()  # the first one comes back to life and would end it: what it writes is not written
    await until(lambda: not dead._running)
    assert not lease.over
    assert await states(database) == {"a": "running"}
    others.go.set()
    await heir.drain(5)
    assert await states(database) == {"a": "done"}


@in_a_loop
async def test_a_dead_workers_jobs_are_free_as_soon_as_its_journal_is_finished(
    database: Database, clock: FakeClock
) -> None:
    mine, others = Work(), Work()
    dead = Jobs(database, clock, "1", {"work": mine}, 8)
    heir = Jobs(database, clock, "2", {"work": others}, 8)
    await enqueue(database, clock, "a")
    await dead.step()
    await database.write(lambda connection: store.release(connection, "1"))
    await heir.step()
    await until(lambda: others.began == ["a"])
    await asyncio.gather(dead.drain(0), heir.drain(0))


@in_a_loop
async def test_a_database_that_is_away_too_long_makes_a_worker_leave_its_jobs(
    database: Database, clock: FakeClock
) -> None:
    work = Work()
    away = Away(database)
    worker = Jobs(away, clock, "1", {"work": work}, 8)
    await enqueue(database, clock, "a")
    await worker.step()
    await until(lambda: work.began == ["a"])
    away.gone = True
    clock.advance((LEASE_MS - LEASE_MARGIN_MS) / 1000)
    with pytest.raises(ServiceUnavailable):
        await worker.step()
    worker._leave_late()
    await until(lambda: work.left == ["a"])


@in_a_loop
async def test_attempts_that_fail_wait_longer_and_end(database: Database, clock: FakeClock) -> None:
    work = Work()
    work.fails = True
    worker = Jobs(database, clock, "1", {"work": work}, 8)
    await enqueue(database, clock, "a")
    for _ in range(10):
        await worker.step()
        await until(lambda: not worker._running)
        clock.advance(60)
    assert work.began == ["a"] * Work.attempts_max
    assert work.given_up == ["a"]
    assert await states(database) == {"a": "done"}


@in_a_loop
async def test_jobs_that_are_done_are_forgotten_after_a_day(database: Database, clock: FakeClock) -> None:
    await enqueue(database, clock, "a", "b")
    await database.write(lambda connection: store.end(connection, "work", "a"))
    forget = store.forget_done
    assert await database.write(lambda connection: forget(connection, clock.now_s(), 10)) == 0
    assert await database.write(lambda connection: forget(connection, clock.now_s() + 1, 10)) == 1
    assert await states(database) == {"b": "queued"}


class Away:
    """A database that goes away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.gone = False

    async def read(self, fn: Callable[[Connection], Any]) -> Any:
        return await self._there().read(fn)

    async def write(self, fn: Callable[[Connection], Any], *, durable: bool = False) -> Any:
        return await self._there().write(fn, durable=durable)

    async def version(self) -> int | None:
        return await self._database.version()

    def _there(self) -> Database:
        if self.gone:
            raise ServiceUnavailable("gone")
        return self._database


@in_a_loop
async def test_a_round_of_sweeps_comes_again_and_one_that_fails_holds_up_no_other(
    database: Database, clock: FakeClock
) -> None:
    swept: list[str] = []
    full = ROWS_MAX // ROWS_AT_ONCE  # transactions of a round that finds enough

    async def broken(_most: int) -> int:
        raise RuntimeError("broken")

    async def files(most: int) -> int:
        assert most == ROWS_AT_ONCE
        swept.append("files")
        return most if len(swept) <= full else 0  # there was more at first

    worker = Jobs(database, clock, "1", {SWEEP: SweepAll({"responses": broken, "files": files})}, 8)
    for _ in range(2):  # every start makes sure that it is there
        await database.write(lambda connection: store.ensure(connection, sweep_job(clock.now_s())))
    for wait_s, rounds in ((0, full), (ROUND_AGAIN_S, full + 1), (ROUND_AGAIN_S, full + 1), (EVERY_S, full + 2)):
        clock.advance(wait_s)
        await worker.step()
        await until(lambda: not worker._running)
        assert len(swept) == rounds
