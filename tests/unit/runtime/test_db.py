"""The database: transactions, faults, and who waits for whom."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, exc

from waystation.errors import ServiceUnavailable
from waystation.runtime import db as db_module
from waystation.runtime.db import Database


def insert(name: str) -> str:
    return f"INSERT INTO meta (name, value) VALUES ('{name}', 'x')"


def names(connection: Connection) -> list[str]:
    return [row[0] for row in connection.exec_driver_sql("SELECT name FROM meta ORDER BY name")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.db"


def open_database(path: Path) -> Database:
    return Database.open(f"sqlite:///{path}")


def test_what_is_written_is_read_and_a_failed_transaction_leaves_nothing(path: Path) -> None:
    async def story() -> None:
        database = open_database(path)

        def fails(connection: Connection) -> None:
            connection.exec_driver_sql(insert("lost"))
            raise RuntimeError("no")

        await database.write(lambda connection: connection.exec_driver_sql(insert("kept")) and None, durable=True)
        with pytest.raises(RuntimeError):
            await database.write(fails)
        assert await database.read(names) == ["kept"]
        assert database.read_sync(names) == ["kept"]
        database.close()

    asyncio.run(story())


def test_writes_run_in_one_thread_and_readers_cannot_write(path: Path) -> None:
    async def story() -> None:
        database = open_database(path)
        threads = await asyncio.gather(*(database.write(lambda _: threading.current_thread().name) for _ in range(20)))
        assert len(set(threads)) == 1
        assert threads[0].startswith("waystation-db-writer")
        with pytest.raises(ServiceUnavailable) as refused:
            await database.read(lambda connection: connection.exec_driver_sql(insert("a")) and None)
        assert "readonly" in refused.value.detail
        database.close()

    asyncio.run(story())


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_a_transaction_is_as_durable_as_it_asks(path: Path, durable: bool, synchronous: int) -> None:
    database = open_database(path)
    for asked, pragma in [(not durable, None), (durable, synchronous)]:
        found = database.write_sync(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar(), durable=asked)
        assert pragma is None or found == pragma
    database.close()


def test_foreign_keys_are_kept_and_a_broken_one_is_the_callers_fault(path: Path) -> None:
    database = open_database(path)
    orphan = "INSERT INTO projects (id, organization_id, name, created_at) VALUES ('p', 'none', 'n', 1)"
    with pytest.raises(exc.IntegrityError):
        database.write_sync(lambda connection: connection.exec_driver_sql(orphan) and None)
    database.close()


def test_a_database_that_is_locked_for_too_long_is_503(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_module, "BUSY_TIMEOUT_MS", 20)
    database = open_database(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceUnavailable) as refused:
        database.write_sync(lambda connection: connection.exec_driver_sql(insert("a")) and None)
    assert refused.value.status == 503
    assert "locked" in refused.value.detail
    assert "locked" not in refused.value.message, "what SQLite says is for the log"
    assert database.read_sync(names) == [], "readers don't wait for a writer"
    other.execute("ROLLBACK")
    database.write_sync(lambda connection: connection.exec_driver_sql(insert("a")) and None)
    other.close()
    database.close()


def test_a_file_that_is_no_database_is_503(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(ServiceUnavailable):
        open_database(path)


def test_a_queue_that_is_full_is_503(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_module, "WAITING_MAX", 3)

    async def story() -> None:
        database = open_database(path)
        go = threading.Event()
        waiting = [asyncio.create_task(database.write(lambda _: go.wait(10))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable):
            await database.read(names)
        go.set()
        assert await asyncio.gather(*waiting) == [True] * 3
        assert await database.read(names) == []
        database.close()

    asyncio.run(story())


def test_the_version_changes_when_anybody_commits(path: Path) -> None:
    async def story() -> None:
        database, other = open_database(path), open_database(path)
        first = await database.version()
        assert await database.version() == first
        other.write_sync(lambda connection: connection.exec_driver_sql(insert("a")) and None)
        second = await database.version()
        assert second != first
        await database.write(lambda connection: connection.exec_driver_sql(insert("b")) and None)
        assert await database.version() != second
        database.close()
        other.close()

    asyncio.run(story())


def test_a_warm_start_does_not_import_alembic(path: Path) -> None:
    program = (
        "import sys; from waystation.runtime.db import Database; "
        f"Database.open('sqlite:///{path}').close(); print('alembic' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(2)
    ]
    assert [one.stdout.strip() for one in said] == ["True", "False"]


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a file"):
        Database.open("sqlite://")
