"""An answer is kept, found again to the byte, by its own project alone, and nothing fails when the storage does."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.unit.providers.cache.cache_stand import (
    CALLER,
    MODEL,
    OTHER,
    USED,
    answer,
    cache_on,
    call,
    drained,
    find,
    keep,
    opened,
    routed,
    rows,
)
from waystation.errors import ServiceUnavailable, UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers.cache import shelf
from waystation.providers.cache.service import TOPIC, Cache
from waystation.runtime.db import Database
from waystation.storage.vault import Vault
from waystation.terms import Caller, Done, Model, Operation, Piece, Secret, Usage
from waystation.testing.clock import FakeClock

STREAM = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\ndata: [DONE]\n\n")
Story = Callable[[Cache, Database, FakeClock], Coroutine[Any, Any, None]]


def tell(folder: Path, story: Story, **bounds: int) -> None:
    async def told() -> None:
        clock = FakeClock()
        async with opened(folder) as database:
            await story(cache_on(database, clock, **bounds), database, clock)

    asyncio.run(told())


def test_a_repeat_is_answered_to_the_byte_and_says_how_old_it_is(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, clock: FakeClock) -> None:
        assert await find(cache, call()) is None
        first = call()
        first.ignored, first.mapped = ("seed",), ("max_tokens>max_completion_tokens",)
        assert await keep(cache, first, b'{"id":"a"}') == [b'{"id":"a"}']
        clock.advance(59)
        repeat = call(user="somebody else")
        events = await cache.find(repeat, MODEL, stale=False)
        assert events is not None
        (end,) = [event async for event in events]
        assert end == Done(b'{"id":"a"}', USED)
        assert (repeat.notes, repeat.ignored, repeat.mapped) == (b"age: 59\r\n", first.ignored, first.mapped)
        clock.advance(1)
        assert await find(cache, call()) is None
        stats = cache.stats()
        assert (stats.hits, stats.misses, stats.kept, stats.entries) == (1, 2, 1, 1)

    tell(tmp_path, story)


def test_a_stream_comes_back_as_a_stream_in_its_pieces(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        assert await keep(cache, call(stream=True), *STREAM) == list(STREAM)
        events = await cache.find(call(stream=True), MODEL, stale=False)
        assert events is not None
        found = [event async for event in events]
        assert found == [Piece(STREAM[0]), Piece(STREAM[1]), Done(STREAM[2], USED)]
        assert await find(cache, call()) is None  # who wants it whole does not get events
        assert await find(cache, call(stream=True, stream_options={"include_usage": True})) is None

    tell(tmp_path, story)


def test_the_usage_that_only_the_ledger_knows_is_kept_too(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        async def counted() -> Any:
            yield Piece(b"data: 1\n\n", "word")
            yield Done(b"", None, tail=lambda usage: b"used: %d\n\n" % usage.output_tokens)

        sent = await drained(cache.keep(call(stream=True), MODEL, counted()), Usage(3, 7, estimated=True))
        assert sent == [b"data: 1\n\n", b"used: 7\n\n"]
        assert await find(cache, call(stream=True)) == sent

    tell(tmp_path, story)


def test_embeddings_are_kept(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        def made(text: str) -> Call:
            return call({"model": "small", "input": text}, operation=Operation.EMBEDDINGS)

        await keep(cache, made("a"), b'{"data":[1]}')
        assert await find(cache, made("a")) == [b'{"data":[1]}']
        assert await find(cache, made("b")) is None

    tell(tmp_path, story)


def test_no_project_ever_sees_anothers_answer(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        await keep(cache, call(), b"mine")
        await cache.step()
        for one in (cache, cache_on(database, clock)):
            assert await find(one, call(caller=OTHER)) is None
            assert await find(one, call()) == [b"mine"]
        await keep(cache, call(caller=OTHER), b"theirs")
        assert await find(cache, call()) == [b"mine"]
        assert await find(cache, call(caller=OTHER)) == [b"theirs"]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("caller", "model", "wanted"),
    [
        (CALLER, MODEL, True),
        (Caller("k", "p", "o"), MODEL, False),
        (Caller("k", "p", "o"), routed(), False),
        (Caller("k", "p", "o"), routed(cache=True), True),
        (Caller("k", "p", "o"), routed(stale_s=1), True),
    ],
)
def test_nothing_is_kept_where_nobody_asked_for_it(tmp_path: Path, caller: Caller, model: Model, wanted: bool) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        assert cache.wants(call(caller=caller), model) == wanted
        await keep(cache, call(caller=caller), b"x", model=model)
        assert cache.stats().entries == int(wanted)

    tell(tmp_path, story)


def test_one_that_is_no_longer_fresh_is_only_found_when_that_will_do(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, clock: FakeClock) -> None:
        model = routed(stale_s=100)
        await keep(cache, call(), b"old", model=model)
        clock.advance(60)
        assert await find(cache, call(), model=model) is None
        assert await find(cache, call(), model=model, stale=True) == [b"old"]
        assert await find(cache, call(), stale=True) is None  # the route does not say so any more
        clock.advance(100)
        assert await find(cache, call(), model=model, stale=True) is None
        assert cache.stats().stale_hits == 1

    tell(tmp_path, story)


def test_a_cache_that_is_switched_off_answers_no_more(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        await keep(cache, call(), b"x", model=routed(stale_s=900))
        off = Caller("key_1", "proj_1", "org-1")
        assert await find(cache, call(caller=off), model=routed(stale_s=900)) is None
        assert await find(cache, call(caller=off), model=routed(stale_s=900), stale=True) == [b"x"]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("control", "found", "kept"),
    [
        (None, b"first", b"first"),
        ("no-cache", None, b"second"),
        ("no-store", None, b"first"),
        ("max-age=100", b"first", b"first"),
        ("max-age=5", None, b"second"),
    ],
)
def test_a_header_can_ask_for_less(tmp_path: Path, control: str | None, found: bytes | None, kept: bytes) -> None:
    async def story(cache: Cache, _: Database, clock: FakeClock) -> None:
        await keep(cache, call(), b"first")
        clock.advance(10)
        told = await find(cache, call(control=control))
        assert told == (None if found is None else [found])
        if found is None:
            await keep(cache, call(control=control), b"second")
        assert await find(cache, call()) == [kept]

    tell(tmp_path, story)


def test_what_did_not_come_to_its_end_is_not_kept(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        broken = cache.keep(call(stream=True), MODEL, answer(STREAM, error=UpstreamFailed("broken off")))
        with pytest.raises(UpstreamFailed):
            await drained(broken)
        left = cache.keep(call(stream=True), MODEL, answer(STREAM))
        await anext(left)
        await left.aclose()  # the client has gone
        assert cache.stats().kept == 0

    tell(tmp_path, story)


def test_what_is_too_large_passes_and_is_not_kept(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        large = (b"x" * 600, b"y" * 600, b"z")
        assert await keep(cache, call(stream=True), *large) == list(large)
        assert await keep(cache, call(), b"w" * 1_001) == [b"w" * 1_001]
        assert cache.stats().kept == 0

    tell(tmp_path, story, entry_bytes_max=1_000)


def test_equal_calls_at_once_are_both_answered_right(tmp_path: Path) -> None:
    async def story(cache: Cache, _: Database, __: FakeClock) -> None:
        one, other = call(stream=True), call(stream=True)
        assert await find(cache, one) is await find(cache, other) is None
        first = cache.keep(one, MODEL, answer((b"a1", b"a2")))
        second = cache.keep(other, MODEL, answer((b"b1", b"b2")))
        sent = [await anext(first), await anext(second), await anext(first), await anext(second)]
        assert [event.data for event in sent] == [b"a1", b"b1", b"a2", b"b2"]
        assert await drained(first) == await drained(second) == []
        assert await find(cache, call(stream=True)) == [b"b1", b"b2"]  # whole, and one of them
        assert cache.stats().entries == 1

    tell(tmp_path, story)


def test_other_workers_and_a_restart_find_it(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        await keep(cache, call(stream=True), *STREAM)
        other = cache_on(database, clock)
        assert await find(other, call(stream=True)) is None  # not written yet
        await cache.step()
        assert await find(other, call(stream=True)) == list(STREAM)
        assert await find(other, call(stream=True)) == list(STREAM)  # from its memory now
        clock.advance(61)
        await keep(other, call(stream=True), b"newer", b"end")
        await other.close()  # which writes what waits
        assert await find(cache, call(stream=True)) == [b"newer", b"end"]
        assert await rows(database) == 1

    tell(tmp_path, story)


def test_at_rest_it_is_encrypted_where_a_key_is_set(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        sealed = cache_on(database, clock, sealer=Vault(Secret("k" * 32)))
        await keep(sealed, call(), b"kept-marker")
        await sealed.step()
        again = cache_on(database, clock, sealer=Vault(Secret("k" * 32)))
        assert await find(again, call()) == [b"kept-marker"]
        another = cache_on(database, clock, sealer=Vault(Secret("l" * 32)))
        assert await find(another, call()) is None

    tell(tmp_path, story)
    assert b"kept-marker" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_of_two_workers_the_younger_answer_stays(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        other = cache_on(database, clock)
        await keep(cache, call(), b"older")
        clock.advance(1)
        await keep(other, call(), b"younger")
        await other.step()
        await cache.step()
        assert await find(cache_on(database, clock), call()) == [b"younger"]

    tell(tmp_path, story)


def test_a_projects_answers_are_forgotten_everywhere(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        other = cache_on(database, clock)
        for number in range(shelf.SWEEP_ROWS_MAX + 3):  # more than one transaction deletes
            await keep(cache, call(seed=number), b"mine")
        await keep(cache, call(caller=OTHER), b"theirs")
        await cache.step()
        assert await find(other, call(seed=0)) == [b"mine"]
        await keep(other, call(seed=-1), b"unwritten")
        assert await cache.purge("proj_1") == shelf.SWEEP_ROWS_MAX + 3
        told = await database.read(lambda c: c.exec_driver_sql("SELECT topic, subject FROM changes").fetchall())
        assert [tuple(row) for row in told] == [(TOPIC, "proj_1")]  # which all workers follow
        await other.forget(["proj_1"])
        await other.step()
        for one in (cache, other):
            assert await find(one, call(seed=0)) is await find(one, call(seed=-1)) is None
        assert await find(other, call(caller=OTHER)) == [b"theirs"]
        assert await rows(database) == 1

    tell(tmp_path, story)


def test_what_a_worker_wrote_before_it_heard_is_forgotten_too(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        other = cache_on(database, clock)
        await keep(other, call(), b"late")
        await cache.purge("proj_1")
        await other.step()
        assert await rows(database) == 1
        await other.forget(["proj_1"])
        assert await rows(database) == 0
        assert await find(cache_on(database, clock), call()) is None

    tell(tmp_path, story)


def test_what_has_expired_and_what_is_too_much_is_swept(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        for number in range(10):
            await keep(cache, call(seed=number), b"x" * 1_000)
            clock.advance(1)
        await cache.step()  # its first: writes and sweeps
        assert await rows(database) == 3  # of 1764 bytes each: those that live longest
        assert [await find(cache_on(database, clock), call(seed=number)) is not None for number in (6, 7, 9)] == [
            False,
            True,
            True,
        ]
        clock.advance(58)  # all but the last are over
        await cache.step()
        assert cache.stats().entries == 1
        clock.advance(shelf.SWEEP_EVERY_S)
        await cache.step()
        assert (await rows(database), cache.stats().size_bytes) == (0, 0)

    tell(tmp_path, story, shelf_bytes_max=6_000)


class Moody:
    """A database that can be away, or slow."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.asked = 0
        self.mood: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self, fn: Callable[[Connection], Any]) -> Any:
        await self._pass()
        return await self.database.read(fn)

    async def write(self, fn: Callable[[Connection], Any]) -> Any:
        await self._pass()
        return await self.database.write(fn)

    async def _pass(self) -> None:
        self.asked += 1
        await self.answers.wait()
        if self.mood is not None:
            raise self.mood


@pytest.mark.parametrize(
    "mood",
    [ServiceUnavailable("away", detail="disk I/O error"), ValueError("a fault of ours")],
    ids=["the storage is away", "a fault of ours"],
)
def test_a_storage_that_fails_leaves_memory(tmp_path: Path, mood: Exception) -> None:
    async def story(_: Cache, database: Database, clock: FakeClock) -> None:
        moody = Moody(database)
        cache = Cache(moody.read, moody.write, clock)
        moody.mood = mood
        assert await find(cache, call()) is None
        await keep(cache, call(), b"x")
        assert await find(cache, call()) == [b"x"]
        asked = moody.asked
        await cache.step()
        assert await find(cache, call(seed=1)) is None
        assert moody.asked == asked  # it is left alone for a while
        assert cache.stats().fault is not None
        clock.advance(shelf.REST_S)
        await cache.step()
        assert cache.stats().dropped == 1
        moody.mood = None
        clock.advance(shelf.REST_S)
        await keep(cache, call(seed=2), b"y")
        await cache.step()
        assert cache.stats().fault is None
        assert await find(cache_on(database, clock), call(seed=2)) == [b"y"]

    tell(tmp_path, story)


def test_a_storage_that_hangs_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "LOOK_TIMEOUT_S", 0.0)

    async def story(_: Cache, database: Database, clock: FakeClock) -> None:
        moody = Moody(database)
        cache = Cache(moody.read, moody.write, clock)
        moody.answers.clear()
        assert await find(cache, call()) is None
        assert "Timeout" in (cache.stats().fault or "")

    tell(tmp_path, story)


def test_what_is_kept_for_when_nobody_answers_is_not_looked_for_before(tmp_path: Path) -> None:
    async def story(_: Cache, database: Database, clock: FakeClock) -> None:
        moody, model = Moody(database), routed(stale_s=900)
        cache = Cache(moody.read, moody.write, clock)
        off = Caller("key_1", "proj_1", "org-1")
        assert await find(cache, call(caller=off), model=model) is None
        assert (moody.asked, cache.stats().misses) == (0, 0)
        assert await find(cache, call(caller=off), model=model, stale=True) is None
        assert (moody.asked, cache.stats().misses) == (1, 1)

    tell(tmp_path, story)


def test_what_waits_to_be_written_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "WAITING_MAX", 3)

    async def story(cache: Cache, database: Database, _: FakeClock) -> None:
        for number in range(5):
            await keep(cache, call(seed=number), b"x")
        await keep(cache, call(seed=0), b"again")  # one that waits already may change
        assert (cache.stats().dropped, cache.stats().entries) == (2, 5)
        await cache.step()
        assert await rows(database) == 3
        assert await find(cache, call(seed=4)) == [b"x"]

    tell(tmp_path, story)


def test_a_row_that_can_not_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        await keep(cache, call(), b"x")
        await cache.step()
        for column in ("pieces = x'ff'", "usage = 'nonsense'"):
            await database.write(lambda c, change=column: c.exec_driver_sql(f"UPDATE kept_answers SET {change}"))  # type: ignore[misc]
            assert await find(cache_on(database, clock), call()) is None

    tell(tmp_path, story)


def test_the_task_writes_and_sweeps_while_the_worker_serves(tmp_path: Path) -> None:
    async def story(cache: Cache, database: Database, clock: FakeClock) -> None:
        task = asyncio.create_task(cache.run())
        await asyncio.sleep(0)
        await keep(cache, call(), b"x")
        clock.advance(1)
        while not await rows(database):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    tell(tmp_path, story)
