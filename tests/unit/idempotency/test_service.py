"""Calls that are answered once, on real files: by two at once, on two workers, after crashes and faults."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select

from waystation.errors import ApiError, ServiceUnavailable
from waystation.idempotency import store
from waystation.idempotency.model import read_asked
from waystation.idempotency.service import RUNNING_S_MAX, SWEEP_ROWS_MAX, WAIT_S_MAX, Answers
from waystation.idempotency.tape import Room, Tape
from waystation.runtime.db import Database
from waystation.storage.vault import Vault
from waystation.tables import idempotent_answers
from waystation.terms import Secret
from waystation.testing.clock import FakeClock

T = TypeVar("T")
TTL_S = 3600
BODY = b"the answer"


class Worker:
    """A worker's answers, and how often it was asked to play."""

    def __init__(self, path: Path, clock: FakeClock, epoch: int = 1, **bounds: Any) -> None:
        self.database = Faulty(path)
        self.clock = clock
        self.answers = Answers(self.database, epoch, clock, TTL_S, **bounds)
        self.plays = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    def ask(
        self, key: bytes = b"k", body: bytes = b"{}", project: str = "proj", status: int = 200, answer: bytes = BODY
    ) -> "asyncio.Task[tuple[int, bytes, bool, str]]":
        """Ask, and read the whole answer."""

        async def play(tape: Tape) -> None:
            self.plays += 1
            tape.begin(status, b"x-first: 1\r\n", stream=False)
            tape.write(answer[:4])
            try:
                await self.go_on.wait()
            finally:
                tape.end(answer[4:])

        async def asked() -> tuple[int, bytes, bool, str]:
            with self.answers.open(project, key, "chat", body, request_id, False, play) as reader:
                await reader.begun()
                return reader.status, await reader.whole(), reader.replayed, reader.request_id

        request_id = f"req_{self.plays}_{id(self)}"
        return asyncio.create_task(asked())

    async def written_down(self) -> None:
        while self.answers._running:
            await asyncio.sleep(0.001)

    async def close(self) -> None:
        await self.answers.close()
        self.database.close()


class Faulty:
    """A database that can be told to fail."""

    def __init__(self, path: Path) -> None:
        self._database = Database.open(f"sqlite:///{path}")
        self.away = False

    async def read(self, fn: Callable[[Connection], T]) -> T:
        return await self._database.read(fn)

    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T:
        if self.away:
            raise ServiceUnavailable("The database is away.")
        return await self._database.write(fn, durable=durable)

    def close(self) -> None:
        self._database.close()


def story(scenario: Callable[[FakeClock, Path], Awaitable[None]], folder: Path) -> None:
    async def run() -> None:
        async with asyncio.timeout(20):
            await scenario(FakeClock(), folder / "w.db")

    asyncio.run(run())


async def refused(asking: "asyncio.Task[Any]") -> tuple[int, str | None]:
    with pytest.raises(ApiError) as caught:
        await asking
    return caught.value.status, caught.value.code


async def turn(clock: FakeClock, *waiting: "asyncio.Task[Any]", step_s: float = 0.25) -> None:
    """Let time pass until these are done."""
    while not all(task.done() for task in waiting):
        clock.advance(step_s)
        await asyncio.sleep(0.001)


def states(connection: Connection) -> list[str]:
    return list(connection.execute(select(idempotent_answers.c.state)).scalars())


def test_a_repeat_gets_the_first_answer(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        one, other = Worker(path, clock, 1), Worker(path, clock, 2)
        first = await one.ask()
        assert first[:3] == (200, BODY, False)
        await one.written_down()
        for worker in (one, other):
            assert await worker.ask() == (200, BODY, True, first[3])
        assert one.plays + other.plays == 1
        for worker in (one, other):
            await worker.close()

    story(scenario, tmp_path)


def test_two_at_once_on_one_worker_are_one_call(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        answers = await asyncio.gather(*(worker.ask() for _ in range(20)))
        assert worker.plays == 1
        assert [answer[:2] for answer in answers] == [(200, BODY)] * 20
        assert [answer[2] for answer in answers] == [False] + [True] * 19
        assert len({answer[3] for answer in answers}) == 1
        await worker.close()

    story(scenario, tmp_path)


def test_two_at_once_on_two_workers_are_one_call(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        one, other = Worker(path, clock, 1), Worker(path, clock, 2)
        asking = [worker.ask() for _ in range(3) for worker in (one, other)]
        await turn(clock, *asking)
        assert one.plays + other.plays == 1
        assert {(task.result()[0], task.result()[1], task.result()[3]) for task in asking} == {
            (200, BODY, asking[0].result()[3])
        }
        for worker in (one, other):
            await worker.close()

    story(scenario, tmp_path)


def test_who_waits_too_long_for_another_worker_is_told_to_ask_again(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        one, other = Worker(path, clock, 1), Worker(path, clock, 2)
        one.go_on.clear()
        first = one.ask()
        while not one.plays:
            await asyncio.sleep(0.001)
        began_s, repeat = clock.now_s(), other.ask()
        await turn(clock, repeat)
        assert await refused(repeat) == (409, "idempotency_in_progress")
        assert WAIT_S_MAX <= clock.now_s() - began_s <= WAIT_S_MAX + 5
        one.go_on.set()
        assert (await first)[1] == BODY
        again = other.ask()
        await turn(clock, again)
        assert (await again)[1:3] == (BODY, True)
        for worker in (one, other):
            await worker.close()

    story(scenario, tmp_path)


def test_who_leaves_and_comes_back_finds_the_answer(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        worker.go_on.clear()
        first = worker.ask()
        while not worker.plays:
            await asyncio.sleep(0.001)
        first.cancel()
        again = worker.ask()
        await asyncio.sleep(0)
        worker.go_on.set()
        assert (await again)[1:3] == (BODY, True)
        assert worker.plays == 1
        await worker.close()

    story(scenario, tmp_path)


def test_another_body_is_refused_and_another_project_or_key_is_another_call(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        worker.go_on.clear()
        first = worker.ask()
        while not worker.plays:
            await asyncio.sleep(0.001)
        assert await refused(worker.ask(body=b"{ }")) == (409, "idempotency_key_reused"), "while it runs"
        worker.go_on.set()
        await first
        assert await refused(worker.ask(body=b"{ }")) == (409, "idempotency_key_reused")
        assert not (await worker.ask(project="proj_2", body=b"{ }"))[2]
        assert not (await worker.ask(key=b"k2", body=b"{ }"))[2]
        assert worker.plays == 3
        await worker.close()

    story(scenario, tmp_path)


def test_an_error_is_forgotten_so_a_retry_runs_anew(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        assert (await worker.ask(status=503))[0] == 503
        assert (await worker.ask(status=503))[0] == 503, "as soon as it is told, it is forgotten"
        assert (await worker.ask())[:3] == (200, BODY, False)
        assert worker.plays == 3
        await worker.close()

    story(scenario, tmp_path)


def test_what_a_crashed_worker_was_running_is_lost(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock, 2)
        asked = read_asked("proj", b"k", "chat", b"{}", "req_crashed", False)
        now, until = clock.now_s(), clock.now_s() + TTL_S
        assert await worker.database.write(lambda connection: store.claim(connection, asked, 1, now, until)) is None
        waiting = worker.ask()
        await turn(clock, waiting)
        assert await refused(waiting) == (409, "idempotency_in_progress"), "its journal is not recovered yet"
        assert await worker.database.write(lambda connection: store.mark_lost(connection, 1)) == 1
        assert await refused(worker.ask()) == (409, "idempotency_answer_lost")
        assert worker.plays == 0
        assert not (await worker.ask(key=b"new"))[2]
        await worker.written_down()
        assert await worker.database.write(lambda connection: store.mark_lost(connection, 2)) == 0, "what is done stays"
        await worker.close()

    story(scenario, tmp_path)


@pytest.mark.parametrize("bounds", [{"kept_bytes_max": 8}, {"room": Room(8)}])
def test_an_answer_that_is_too_large_is_given_once(tmp_path: Path, bounds: dict[str, Any]) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        one, other = Worker(path, clock, 1, **bounds), Worker(path, clock, 2)
        assert (await one.ask())[:2] == (200, BODY)
        assert await refused(one.ask()) == (409, "idempotency_answer_too_large"), "at once"
        await one.written_down()
        for worker in (one, other):
            assert await refused(worker.ask()) == (409, "idempotency_answer_too_large")
        assert (one.plays, other.plays) == (1, 0)
        for worker in (one, other):
            await worker.close()

    story(scenario, tmp_path)


def test_an_answer_is_kept_for_its_time_and_deleted_in_small_batches(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        await worker.ask()
        await worker.written_down()
        now = clock.now_s()

        def many(connection: Connection) -> None:
            for number in range(SWEEP_ROWS_MAX + 5):
                asked = read_asked("proj", b"key %d" % number, "chat", b"{}", "req", False)
                store.claim(connection, asked, 9, now, now + 10)

        await worker.database.write(many)
        clock.advance(TTL_S - 1)
        assert (await worker.ask())[2], "still there"
        assert await worker.answers.sweep() == SWEEP_ROWS_MAX + 5
        assert await worker.database.read(states) == ["done"]
        clock.advance(2)
        assert not (await worker.ask())[2], "expired, though nobody has deleted it"
        assert worker.plays == 2
        await worker.written_down()
        clock.advance(TTL_S + 1)
        assert await worker.answers.sweep() == 1
        await worker.close()

    story(scenario, tmp_path)


def test_one_that_runs_longer_than_answers_are_kept_is_not_run_twice(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        one, other = Worker(path, clock, 1), Worker(path, clock, 2)
        one.go_on.clear()
        first = one.ask()
        while not one.plays:
            await asyncio.sleep(0.001)
        clock.advance(TTL_S + 1)
        assert TTL_S < RUNNING_S_MAX
        assert await one.answers.sweep() == 0
        repeat = other.ask()
        await turn(clock, repeat)
        assert await refused(repeat) == (409, "idempotency_in_progress")
        one.go_on.set()
        await first
        for worker in (one, other):
            await worker.close()

    story(scenario, tmp_path)


def test_without_the_database_nothing_is_dispatched(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        worker.database.away = True
        assert (await refused(worker.ask()))[0] == 503
        assert worker.plays == 0
        worker.database.away = False
        assert (await worker.ask())[:3] == (200, BODY, False)
        await worker.close()

    story(scenario, tmp_path)


@pytest.mark.parametrize("status", [200, 429])
def test_an_end_that_cannot_be_written_down_is_told_all_the_same_and_tried_again(tmp_path: Path, status: int) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        worker.go_on.clear()
        first = worker.ask(status=status)
        while not worker.plays:
            await asyncio.sleep(0.001)
        worker.database.away = True
        worker.go_on.set()
        assert (await first)[:2] == (status, BODY)
        assert (await worker.ask())[1:3] == (BODY, True), "it is still here"
        worker.database.away = False
        while await worker.database.read(states) != (["done"] if status == 200 else []):
            clock.advance(0.5)
            await asyncio.sleep(0.001)
        await worker.close()

    story(scenario, tmp_path)


def test_an_end_that_can_never_be_written_down_leaves_a_lost_answer_not_a_second_call(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        worker.go_on.clear()
        first = worker.ask()
        while not worker.plays:
            await asyncio.sleep(0.001)
        worker.database.away = True
        worker.go_on.set()
        assert (await first)[:2] == (200, BODY)
        while worker.answers._running:
            clock.advance(10)
            await asyncio.sleep(0.001)
        worker.database.away = False
        assert await refused(worker.ask()) == (409, "idempotency_answer_lost")
        assert worker.plays == 1
        await worker.close()

    story(scenario, tmp_path)


def test_a_worker_that_ends_leaves_nothing_running(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        worker.go_on.clear()
        gone = worker.ask()
        while not worker.plays:
            await asyncio.sleep(0.001)
        gone.cancel()
        await worker.answers.close()
        assert worker.answers.playing == set()
        assert "running" not in await worker.database.read(states)
        worker.database.close()

    story(scenario, tmp_path)


def test_calls_that_run_at_once_are_bounded(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock, running_max=1)
        first, repeat = worker.ask(), worker.ask()
        assert (await refused(worker.ask(key=b"another")))[0] == 503
        assert (await first)[:2] == (await repeat)[:2] == (200, BODY)
        await worker.close()

    story(scenario, tmp_path)


def test_nothing_of_the_key_is_kept(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        worker = Worker(path, clock)
        await worker.ask(key=b"customer-4711-secret")
        await worker.close()

    story(scenario, tmp_path)
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert BODY in files
    assert b"4711" not in files


def test_at_rest_an_answer_is_encrypted_where_a_key_is_set(tmp_path: Path) -> None:
    async def scenario(clock: FakeClock, path: Path) -> None:
        one = Worker(path, clock, sealer=Vault(Secret("k" * 32)))
        assert (await one.ask(answer=b"kept-marker"))[1] == b"kept-marker"
        await one.written_down()
        other = Worker(path, clock, epoch=2, sealer=Vault(Secret("k" * 32)))
        assert (await other.ask())[1:3] == (b"kept-marker", True)
        lost = Worker(path, clock, epoch=3, sealer=Vault(Secret("l" * 32)))
        assert (await refused(lost.ask()))[0] == 503
        for worker in (one, other, lost):
            await worker.written_down()
            await worker.close()

    story(scenario, tmp_path)
    assert b"kept-marker" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
