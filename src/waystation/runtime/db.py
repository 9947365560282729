"""The database: one writer thread, a few readers, and faults told as 503. The queries are the stores'."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import make_url

from waystation.errors import ServiceUnavailable
from waystation.runtime import upgrade

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000  # how long one process waits for another's transaction
READERS_MAX = 2
WAITING_MAX = (
    1_000  # transactions in the queue, of the writer and of the readers; past it the database is too slow: 503
)
_WAL_ATTEMPTS_MAX = 100
_WAL_PAUSE_S = 0.05


class Database:
    """Transactions on SQLite or PostgreSQL.

    `write` runs its function in the one writer thread, in a transaction that holds the write lock from its start;
    `read` in a reader thread, on one snapshot. The function gets a connection, uses it, and returns plain data. It
    must not block on anything else. The `_sync` variants run in the caller's own thread, for programs without a loop.
    All raise ServiceUnavailable when the storage fails; broken constraints come as sqlalchemy's IntegrityError.
    """

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self._writer = writer
        self._durable_writer = writer.execution_options(durable=True)
        self._reader = reader
        self._write_thread = ThreadPoolExecutor(1, "waystation-db-writer")
        self._read_threads = ThreadPoolExecutor(READERS_MAX, "waystation-db-reader")
        self._waiting = 0
        self._watch: sqlite3.Connection | None = None
        self._watching = threading.Lock()

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open the database at an SQLAlchemy URL and bring its schema up to date, whoever else does so."""
        with _storage_faults():
            if make_url(url).get_backend_name() == "sqlite":
                writer, reader = _sqlite(url, writes=True), _sqlite(url, writes=False)
            else:
                writer = create_engine(url, pool_size=1, max_overflow=0)
                reader = create_engine(url, pool_size=READERS_MAX, max_overflow=0, isolation_level="REPEATABLE READ")
            upgrade.bring_to_head(writer, reader)
        return cls(writer, reader)

    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T:
        """One transaction. `durable`: it survives a power cut too (SQLite: synchronous=FULL); for money, keys."""
        return await self._run(self._write_thread, lambda: self.write_sync(fn, durable=durable))

    async def read(self, fn: Callable[[Connection], T]) -> T:
        return await self._run(self._read_threads, lambda: self.read_sync(fn))

    def write_sync(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T:
        return _transact(self._durable_writer if durable else self._writer, fn)

    def read_sync(self, fn: Callable[[Connection], T]) -> T:
        return _transact(self._reader, fn)

    async def version(self) -> int | None:
        """A number that changes when anybody has committed; None where only asking the tables tells (PostgreSQL)."""
        return await self._run(self._read_threads, self._version)

    def close(self) -> None:
        """Wait for the transactions that run, then let go."""
        self._write_thread.shutdown()
        self._read_threads.shutdown()
        if self._watch is not None:
            self._watch.close()
        self._writer.dispose()
        self._reader.dispose()

    async def _run(self, threads: Executor, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise _unavailable(f"{self._waiting} transactions wait for the database")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        finally:
            self._waiting -= 1

    def _version(self) -> int | None:
        if self._reader.dialect.name != "sqlite":
            return None
        with _storage_faults(), self._watching:
            if self._watch is None:  # data_version counts for one connection, so this question has its own
                self._watch = sqlite3.connect(_path(self._reader.url), isolation_level=None, check_same_thread=False)
            try:
                return int(self._watch.execute("PRAGMA data_version").fetchone()[0])
            except sqlite3.Error as error:
                raise _unavailable(str(error)) from error


def _transact(engine: Engine, fn: Callable[[Connection], T]) -> T:
    with _storage_faults(), engine.begin() as connection:
        return fn(connection)


@contextmanager
def _storage_faults() -> Iterator[None]:
    """A database that is away, locked, full or broken is 503. What the caller did wrong keeps its own exception."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise _unavailable(str(error)) from error
    except exc.DatabaseError as error:
        if type(error) is not exc.DatabaseError:  # its subclasses: IntegrityError, ProgrammingError …
            raise
        raise _unavailable(str(error)) from error


def _unavailable(detail: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        "The server's database can't be used at the moment. Try again.", detail=detail, retry_after_ms=1_000
    )


# -- SQLite


def _path(url: URL) -> str:
    path = url.database
    if not path or path == ":memory:":
        raise ValueError("The SQLite database must be a file: its readers and its writer are separate connections.")
    return path


def _sqlite(url: str, *, writes: bool) -> Engine:
    _path(make_url(url))
    engine = create_engine(
        url,
        pool_size=1 if writes else READERS_MAX,
        max_overflow=0,
        # The driver's own transactions begin late and without the write lock: two writers would fail instead of
        # waiting.
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _record: Any) -> None:
        _use_wal(connection)
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if writes:
            # Synchronous can't change within a transaction, so one that wants it otherwise says so before it begins.
            wanted = "FULL" if connection.get_execution_options().get("durable", False) else "NORMAL"
            if connection.info.get("synchronous") != wanted:
                connection.exec_driver_sql(f"PRAGMA synchronous={wanted}")
                connection.info["synchronous"] = wanted
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log. It stays so: the first of several starters does it."""
    for attempt in range(_WAL_ATTEMPTS_MAX):
        try:
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError:  # SQLite does not wait for the lock here, whatever the busy time-out
            if attempt == _WAL_ATTEMPTS_MAX - 1:
                raise
        time.sleep(_WAL_PAUSE_S)
    raise sqlite3.OperationalError("the file system does not support SQLite's write-ahead log (a network share?)")
