"""A worker's view: loaded whole, then brought forward by numbered changes."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from waystation.accounts import follow as follow_module
from waystation.accounts import store
from waystation.accounts.follow import Follower
from waystation.accounts.model import digest
from waystation.accounts.service import LOCAL_MODELS, ORGANIZATIONS, Accounts
from waystation.errors import ServiceUnavailable
from waystation.gateway.view import View
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.testing.clock import FakeClock

ACCOUNTS = Accounts(FakeClock(), Ids().new)


def open_database(folder: Path) -> Database:
    return Database.open(f"sqlite:///{folder / 'w.db'}")


async def unheard(_subjects: Sequence[str]) -> None:
    raise AssertionError("nobody should be told")


def test_a_view_follows_keys_that_another_process_makes_and_revokes(tmp_path: Path) -> None:
    async def story() -> None:
        ours, theirs, view = open_database(tmp_path), open_database(tmp_path), View()
        _, project = theirs.write_sync(ACCOUNTS.ensure_first)
        first = theirs.write_sync(lambda c: ACCOUNTS.create_key(c, project.id, "first"))
        keys = view.keys
        told: list[int] = []
        follower = Follower(ours, view, {LOCAL_MODELS: unheard}, applied=lambda: told.append(view.number))
        await follower.load()
        assert [caller.key_id for caller in view.keys.values()] == [first.key.id]
        assert await follower.step() == 0

        second = theirs.write_sync(lambda c: ACCOUNTS.create_key(c, project.id, "second"))
        theirs.write_sync(lambda c: ACCOUNTS.revoke_key(c, first.key.id))
        assert await follower.step() == 2
        assert view.keys[digest(first.secret)].revoked
        assert not view.keys[digest(second.secret)].revoked
        assert view.keys is keys, "others hold on to the dict"
        assert await follower.step() == 0
        assert told == [view.number]
        ours.close()
        theirs.close()

    asyncio.run(story())


def test_an_organization_that_becomes_prepaid_changes_all_its_keys(tmp_path: Path) -> None:
    async def story() -> None:
        database, view = open_database(tmp_path), View()
        organization, project = database.write_sync(ACCOUNTS.ensure_first)
        for _ in range(3):
            database.write_sync(lambda c: ACCOUNTS.create_key(c, project.id, "key"))
        follower = Follower(database, view, {})
        await follower.load()

        def become_prepaid(connection: Connection) -> None:
            connection.exec_driver_sql("UPDATE organizations SET postpaid = 0")
            store.record_change(connection, ORGANIZATIONS, organization.id, 1)

        database.write_sync(become_prepaid)
        await follower.step()
        assert [caller.postpaid for caller in view.keys.values()] == [False] * 3
        database.close()

    asyncio.run(story())


def test_listeners_hear_their_topic_in_order_and_again_when_they_failed(tmp_path: Path) -> None:
    async def story() -> None:
        database, view = open_database(tmp_path), View()
        heard: list[list[str]] = []

        async def listen(subjects: Sequence[str]) -> None:
            heard.append(list(subjects))
            if len(heard) == 1:
                raise ServiceUnavailable("not now")

        follower = Follower(database, view, {LOCAL_MODELS: listen})
        await follower.load()
        for name in ("b", "a"):
            database.write_sync(partial(ACCOUNTS.add_local_model, name=name, path="/m", kind="chat", price=None))
        with pytest.raises(ServiceUnavailable):
            await follower.step()
        assert view.number == 0
        await follower.step()
        assert heard == [["b", "a"], ["b", "a"]]
        database.close()

    asyncio.run(story())


def test_more_changes_than_a_batch_are_all_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "CHANGES_PER_BATCH_MAX", 3)
    monkeypatch.setattr(follow_module, "CALLERS_PER_BATCH_MAX", 2)

    async def story() -> None:
        database, view = open_database(tmp_path), View()
        follower = Follower(database, view, {})
        await follower.load()
        _, project = database.write_sync(ACCOUNTS.ensure_first)
        for _ in range(10):
            database.write_sync(lambda c: ACCOUNTS.create_key(c, project.id, "key"))
        assert await follower.step() == 12
        assert len(view.keys) == 10
        database.close()

    asyncio.run(story())


class Breaking:
    """A database that can break."""

    def __init__(self, database: Database) -> None:
        self.read = database.read
        self._version = database.version
        self.broken = False

    async def version(self) -> int | None:
        if self.broken:
            raise ServiceUnavailable("no", detail="disk I/O error")
        return await self._version()


def test_a_storage_fault_leaves_the_view_is_told_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "POLL_S", 0.001)

    async def until(wanted: str | None, follower: Follower) -> None:
        async with asyncio.timeout(10):
            while follower.fault != wanted:
                await asyncio.sleep(0.001)

    async def story() -> None:
        database, view = open_database(tmp_path), View()
        breaking = Breaking(database)
        _, project = database.write_sync(ACCOUNTS.ensure_first)
        first = database.write_sync(lambda c: ACCOUNTS.create_key(c, project.id, "first"))
        follower = Follower(breaking, view, {})
        await follower.load()
        task = asyncio.create_task(follower.run())
        breaking.broken = True
        await until("disk I/O error", follower)
        database.write_sync(lambda c: ACCOUNTS.revoke_key(c, first.key.id))
        assert not view.keys[digest(first.secret)].revoked
        breaking.broken = False
        await until(None, follower)
        assert view.keys[digest(first.secret)].revoked
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        database.close()

    asyncio.run(story())


def test_a_hundred_thousand_keys_are_loaded(tmp_path: Path) -> None:
    async def story() -> None:
        database, view = open_database(tmp_path), View()
        organization, project = database.write_sync(ACCOUNTS.ensure_first)
        rows = [
            (f"key_{number}", number.to_bytes(32, "big"), "sk-..", "n", organization.id, project.id, 0, 1)
            for number in range(100_000)
        ]
        columns = "id, digest, redacted, name, organization_id, project_id, admin, created_at"
        statement = f"INSERT INTO api_keys ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        database.write_sync(lambda c: c.exec_driver_sql(statement, rows) and None)
        began = time.perf_counter()
        await Follower(database, view, {}).load()
        print(f"100 000 keys loaded in {time.perf_counter() - began:.2f} s")
        assert len(view.keys) == 100_000
        database.close()

    asyncio.run(story())
