"""A database that answers late, while the worker tends its purses: no allowance gets lost on the way."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from tests.unit.ledger.ledger_stand import (
    MODEL,
    POSTPAID,
    USED_NANO,
    budget,
    call,
    done,
    opened,
    problems,
    run,
    standing,
)
from waystation.ledger.funds.bank import IDLE_TICKS
from waystation.runtime.db import Database

T = TypeVar("T")


@pytest.mark.parametrize("removed", [False, True], ids=["idle", "removed"])
def test_what_is_granted_late_is_used_or_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    """The purse has been idle for long, or its budget is removed, while the database thinks about its next allowance."""

    async def story() -> None:
        async with opened(tmp_path, workers=2) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**12)
            asked, answers = asyncio.Event(), asyncio.Event()
            write = Database.write

            async def late(self: Database, fn: Callable[[Connection], T], *, durable: bool = False) -> T:
                asked.set()
                await answers.wait()
                return await write(self, fn, durable=durable)

            async def one_call() -> None:
                async with ledger.hold(POSTPAID, MODEL, call("req_1")) as hold:
                    hold.meter(done())

            with monkeypatch.context() as slowed:
                slowed.setattr(Database, "write", late)
                calling = asyncio.create_task(one_call())
                await asked.wait()
                if removed:
                    ledger._desk.bank.budgets_changed([made.id], [])
                for _ in range(IDLE_TICKS + 2):
                    await ledger.tick()
                answers.set()
                await calling
            await ledger.flush()
            for _ in range(IDLE_TICKS + 2):
                await ledger.tick()
            stands = await standing(database, made.id)
            assert (stands.spent_nano, stands.allowed_nano) == (USED_NANO, 0)
            assert await problems(database) == []

    run(story)
