"""The database of the simulated world: the real SQL on SQLite in memory, with faults at the edges of transactions."""

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from tests.sim.process import BEFORE, Killed, Process
from tests.unit.ledger.ledger_stand import found_accounts
from waystation.errors import ServiceUnavailable
from waystation.runtime.db import Database

T = TypeVar("T")

BUSY_S = 5.0  # how long a transaction waits for its turn
SNAPSHOTS_MAX = 64


class Books:
    """The one database that all workers share. One set of tables and one engine serve all seeds."""

    def __init__(self) -> None:
        self._raw, self._template = _made()
        engine = create_engine("sqlite://", creator=lambda: self._raw, poolclass=StaticPool)
        event.listen(engine, "begin", lambda _: self._raw.execute("BEGIN") and None)
        self._connection = engine.connect()
        self._kept: list[bytes] = []
        self.power_may_fail = False

    def begin(self, *, power_may_fail: bool) -> None:
        """A new world."""
        self._raw.deserialize(self._template)
        self._kept = [self._template]
        self.power_may_fail = power_may_fail

    def transact(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T:
        with self._connection.begin():
            result = fn(self._connection)
        if self.power_may_fail:
            if durable or len(self._kept) >= SNAPSHOTS_MAX:
                self._kept.clear()  # it carries those before it to the disk, too
            self._kept.append(self._raw.serialize())
        return result

    def power_cut(self, chance: Random) -> None:
        """Lose the last of what was not durable."""
        kept = chance.choice(self._kept)
        self._raw.deserialize(kept)
        self._kept = [kept]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """For whoever watches; no transaction runs between two turns of the loop."""
        return self._raw.execute(query).fetchall()


def _made() -> tuple[sqlite3.Connection, bytes]:
    """A database as the migrations make it, and its bytes."""
    raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        database = Database.open(f"sqlite:///{path}")
        database.write_sync(found_accounts)
        database.close()
        source = sqlite3.connect(path)
        source.execute("PRAGMA journal_mode=DELETE")  # a write-ahead log can't live in memory
        source.backup(raw)
        source.close()
    raw.execute("PRAGMA foreign_keys=ON")
    return raw, raw.serialize()


@cache
def books() -> Books:
    return Books()


class SimDatabase:
    """One process's way to the books. Writes are done one after the other, as the writer's thread does them."""

    def __init__(
        self, books: Books, process: Process, faults: "Faults", on_commit: Callable[[], None], note: Callable[..., None]
    ) -> None:
        self._books = books
        self._process = process
        self._faults = faults
        self._on_commit = on_commit
        self._note = note
        self._turn = asyncio.Lock()

    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T:
        """Whoever waits for it may be cancelled: the thread finishes all the same."""
        return await asyncio.shield(self._process.spawn(self._write(fn, durable)))

    async def read(self, fn: Callable[[Connection], T]) -> T:
        await asyncio.sleep(self._faults.latency_s())
        if self._faults.is_away():
            raise _unavailable("away")
        return self._books.transact(fn)

    async def _write(self, fn: Callable[[Connection], T], durable: bool) -> T:
        async with self._turn:
            await asyncio.sleep(self._faults.latency_s())
            fate = self._process.step("commit")
            if fate == BEFORE:
                self._die()
            if self._faults.is_away():
                self._note(self._process.name, "transaction refused")
                raise _unavailable("away")
            result = self._books.transact(fn, durable=durable)
            self._note(self._process.name, "committed", _name_of(fn), result)
            self._on_commit()
            if fate:
                self._die()
            if self._faults.loses_the_answer():
                self._note(self._process.name, "its answer is lost")
                raise _unavailable("the answer of the database was lost")
            await asyncio.sleep(self._faults.latency_s())
            return result

    def _die(self) -> None:
        self._process.die()
        raise Killed


class Faults:
    """How well the database is at the moment."""

    def __init__(self, chance: Random, clock: Callable[[], float]) -> None:
        self._chance = chance
        self._clock = clock
        # The chance of a transaction to be refused, to be done without saying so, to take long.
        self.away = 0.0
        self.answer_lost = 0.0
        self.slow = 0.0
        self.away_until = 0.0

    def latency_s(self) -> float:
        if self.slow and self._chance.random() < self.slow:
            return self._chance.random() * BUSY_S
        return self._chance.random() * 0.004

    def is_away(self) -> bool:
        return self._clock() < self.away_until or bool(self.away and self._chance.random() < self.away)

    def loses_the_answer(self) -> bool:
        return bool(self.answer_lost and self._chance.random() < self.answer_lost)

    def heal(self) -> None:
        self.away = self.answer_lost = self.slow = self.away_until = 0.0


def _unavailable(detail: str) -> ServiceUnavailable:
    return ServiceUnavailable("The database can't be used at the moment.", detail=detail, retry_after_ms=1_000)


def _name_of(fn: Any) -> str:
    return str(getattr(getattr(fn, "func", fn), "__qualname__", fn))
