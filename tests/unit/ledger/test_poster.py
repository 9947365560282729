"""Posting: soon, many at once, each exactly once, whatever the database does meanwhile."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from tests.unit.ledger.ledger_stand import (
    MODEL,
    POSTPAID,
    USED_NANO,
    answered,
    budget,
    call,
    done,
    killed,
    opened,
    problems,
    run,
    standing,
    usage_rows,
)
from waystation.errors import ServiceUnavailable
from waystation.ledger import journal as journal_module
from waystation.ledger import poster as poster_module
from waystation.ledger import store
from waystation.ledger.service import Ledger
from waystation.runtime.db import Database
from waystation.terms import Caller


class Away:
    """A database that can be switched off."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away = False
        self.after: Callable[[], None] = lambda: None  # what happens after each transaction

    async def write(self, fn: Callable[[Connection], Any], *, durable: bool = False) -> Any:
        if self.away:
            raise ServiceUnavailable("away", detail="switched off")
        result = await self._database.write(fn, durable=durable)
        self.after()
        return result

    async def read(self, fn: Callable[[Connection], Any]) -> Any:
        return await self._database.read(fn)


def between(ledger: Ledger, database: Database) -> Away:
    away = Away(database)
    ledger._desk.poster._database = away
    return away


def test_a_settled_call_is_posted_within_a_second_without_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poster_module, "POST_EVERY_S", 0.01)

    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1")
            async with asyncio.timeout(10):
                while ledger.counts().posted == 0:
                    await asyncio.sleep(0.005)
            assert sorted(await usage_rows(database)) == ["req_1"]

    run(story)


def test_while_the_database_is_away_calls_go_on_and_are_posted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poster_module, "PENDING_RECORDS_MAX", 20)
    monkeypatch.setattr(poster_module, "REREAD_RECORDS_MAX", 7)

    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            away = between(ledger, database)
            away.away = True
            await answered(ledger, "req_first")
            with pytest.raises(ServiceUnavailable):
                await ledger.flush()
            for number in range(100):
                await answered(ledger, f"req_{number}")
            poster = ledger._desk.poster
            assert len(poster._pending) == 20, "memory is bounded"
            assert ledger.counts().pending == 101
            away.away = False
            await ledger.flush()
            await ledger.flush()
            await answered(ledger, "req_last")
            await ledger.flush()
            assert len(await usage_rows(database)) == 102
            assert (ledger.counts().pending, ledger.counts().posted) == (0, 102)
            assert await problems(database) == []

    run(story)


def test_a_kill_while_a_long_outage_is_made_up_for_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poster_module, "PENDING_RECORDS_MAX", 3)
    monkeypatch.setattr(poster_module, "REREAD_RECORDS_MAX", 2)
    answers = [f"req_{number}" for number in range(9)]
    folder = tmp_path / "data"
    folder.mkdir()
    crashes: list[Path] = []

    async def story() -> None:
        async with opened(folder) as (database, ledger):
            away = between(ledger, database)
            away.away = True
            await answered(ledger, answers[0])
            with pytest.raises(ServiceUnavailable):
                await ledger.flush()  # this one waits to be tried again; others fill the memory, and more than that
            for request_id in answers[1:]:
                await answered(ledger, request_id)
            away.away = False
            away.after = lambda: crashes.append(killed(folder, tmp_path / f"crash{len(crashes)}"))
            await ledger.flush()
        assert len(crashes) > 3, "after each transaction"
        for crash in crashes:
            async with opened(crash) as (database, _):
                assert sorted(await usage_rows(database)) == answers
                assert await problems(database) == []

    run(story)


def test_an_end_that_the_disk_refuses_while_memory_is_full_is_posted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poster_module, "PENDING_RECORDS_MAX", 3)

    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            away = between(ledger, database)
            away.away = True
            for number in range(5):
                await answered(ledger, f"req_{number}")
            async with ledger.hold(POSTPAID, MODEL, call("req_refused")) as hold:
                with monkeypatch.context() as patch:
                    patch.setattr(journal_module, "pwrite", lambda *_: 0)
                    hold.meter(done())
            away.away = False
            await ledger.flush()
            await answered(ledger, "req_last")  # and with it the end that was refused is written
            await ledger.flush()
            assert sorted(await usage_rows(database)) == [*(f"req_{n}" for n in range(5)), "req_last", "req_refused"]
            assert (await standing(database, made.id)).spent_nano == 7 * USED_NANO
            (purse,) = ledger._desk.bank._purses.values()
            assert purse.unposted == 0, "each was counted once"
            assert await problems(database) == []

    run(story)


def test_a_request_that_was_posted_before_is_not_posted_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1")
            await ledger.flush()
            await answered(ledger, "req_1")
            await answered(ledger, "req_2")
            await answered(ledger, "req_2")
            await ledger.flush()
            assert sorted(await usage_rows(database)) == ["req_1", "req_2"]
            assert await problems(database) == []

    run(story)
    assert "2 of 3 settlements had been posted before" in caplog.text


def test_when_the_server_stops_without_its_database_the_next_start_posts(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            between(ledger, database).away = True
            await answered(ledger, "req_1")
        async with opened(tmp_path) as (database, again):
            assert again.replayed.posted == 1
            assert sorted(await usage_rows(database)) == ["req_1"]
            assert await problems(database) == []

    run(story)


def test_one_entry_for_each_organization_in_a_flush_and_a_thousand_rows_are_cheap(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            callers = [POSTPAID, Caller("key_3", "proj_3", "org-3"), Caller("key_4", "proj_3", "org-3")]
            for _ in range(2):
                wave = await database.read(store.posted_calls)
                for number in range(1_000):
                    await answered(ledger, f"req_{wave + number:06}", callers[number % 3])
                began = time.process_time()
                await ledger.flush()
                print(f"posting 1000 calls: {(time.process_time() - began) * 1e3:.1f} µs of CPU each")

            def read(connection: Connection) -> tuple[Any, Any]:
                entries = connection.exec_driver_sql(
                    "SELECT e.organization_id, SUM(p.amount_nano) FROM entries e JOIN postings p ON p.entry_id = e.id "
                    "WHERE p.amount_nano > 0 GROUP BY e.id ORDER BY e.id"
                ).fetchall()
                rollups = connection.exec_driver_sql(
                    "SELECT s.key_id, r.requests FROM usage_rollups r JOIN usage_series s ON s.id = r.series_id "
                    "ORDER BY s.key_id"
                ).fetchall()
                return [tuple(row) for row in entries], [tuple(row) for row in rollups]

            entries, rollups = await database.read(read)
            assert entries == [("org-1", 334 * USED_NANO), ("org-3", 666 * USED_NANO)] * 2
            assert rollups == [("key_1", 668), ("key_3", 666), ("key_4", 666)]
            assert await problems(database) == []

    run(story)


def test_two_who_flush_at_once_never_set_a_mark_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            posted_on = asyncio.Event()

            class Late(Away):
                """Who finds that a batch is posted already hears of it late."""

                async def write(self, fn: Callable[[Connection], Any], *, durable: bool = False) -> Any:
                    try:
                        return await super().write(fn, durable=durable)
                    except IntegrityError:
                        await posted_on.wait()
                        raise

            ledger._desk.poster._database = Late(database)
            await answered(ledger, "req_1")
            first, second = (asyncio.create_task(ledger.flush()) for _ in range(2))
            await first
            await answered(ledger, "req_2")
            await ledger.flush()
            mark = await database.read(lambda c: store.mark(c, ledger.epoch))
            posted_on.set()
            await second
            assert await database.read(lambda c: store.mark(c, ledger.epoch)) == mark
            assert len(await usage_rows(database)) == 2
            assert await problems(database) == []

    run(story)
