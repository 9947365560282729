"""What a worker knows of its allowances when the database is slow, or fails without saying how far it came.

Each of these stories was found by the simulator (`tests/sim`).
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.unit.ledger.ledger_stand import (
    CLOCK,
    MODEL,
    POSTPAID,
    answered,
    budget,
    call,
    done,
    new_id,
    opened,
    problems,
    run,
    standing,
)
from waystation.errors import ServiceUnavailable
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.funds.bank import IDLE_TICKS
from waystation.ledger.service import Ledger
from waystation.runtime.db import Database


class Between:
    """A database whose answers get lost, or wait until they are let through."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.loses_answers = False
        self.opened = asyncio.Event()
        self.opened.set()

    async def write(self, fn: Callable[[Connection], Any], *, durable: bool = False) -> Any:
        await self.opened.wait()
        result = await self._database.write(fn, durable=durable)
        if self.loses_answers:
            raise ServiceUnavailable("away", detail="the answer was lost")
        return result


def between(database: Database, ledger: Ledger) -> Between:
    """Between a worker's purses and the database."""
    made = Between(database)
    ledger._desk.bank._database = made
    return made


async def idle(ledger: Ledger) -> None:
    for _ in range(IDLE_TICKS + 1):
        await ledger.tick()


def test_what_was_given_back_without_an_answer_is_not_given_back_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            await answered(ledger, "req_1")
            await ledger.flush()
            faulty = between(database, ledger)
            faulty.loses_answers = True
            with pytest.raises(ServiceUnavailable):
                await idle(ledger)
            with pytest.raises(ServiceUnavailable):
                await idle(ledger)
            faulty.loses_answers = False
            assert (await standing(database, made.id)).allowed_nano == 0
            await answered(ledger, "req_2")
            await ledger.flush()
            await idle(ledger)
            assert (await standing(database, made.id)).allowed_nano == 0
            assert await problems(database) == []

    run(story)


def test_what_was_taken_without_an_answer_comes_back_when_nobody_uses_the_rest(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            faulty = between(database, ledger)
            faulty.loses_answers = True
            with pytest.raises(ServiceUnavailable):
                await answered(ledger, "req_1")
            faulty.loses_answers = False
            assert (await standing(database, made.id)).allowed_nano > 0
            async with ledger.hold(POSTPAID, MODEL, call("req_2")) as hold:
                await ledger.tick()
                assert (await standing(database, made.id)).allowed_nano > 0, "a call is under way"
                hold.meter(done())
            await ledger.flush()
            await ledger.tick()
            assert (await standing(database, made.id)).allowed_nano == 0
            await answered(ledger, "req_3")
            await ledger.flush()
            assert await problems(database) == []

    run(story)


def test_a_purse_is_not_forgotten_while_a_slow_database_fills_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            slow = between(database, ledger)
            slow.opened.clear()
            asking = asyncio.create_task(answered(ledger, "req_1"))
            await asyncio.sleep(0)
            for _ in range(2 * IDLE_TICKS):
                await asyncio.sleep(0)
                await ledger.tick()
            slow.opened.set()
            await asking
            await ledger.flush()
            await idle(ledger)
            assert (await standing(database, made.id)).allowed_nano == 0
            assert await problems(database) == []

    run(story)


def test_a_budget_that_limits_again_has_the_purse_that_it_had(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            budgets = Budgets(CLOCK, new_id)
            await answered(ledger, "req_1")
            for hard in (False, True):
                await database.write(lambda c, hard=hard: budgets.update(c, "org-1", made.id, hard=hard))  # type: ignore[misc]
                await ledger.budgets_changed([made.id])
            await answered(ledger, "req_2")
            await ledger.flush()
            bank = ledger._desk.bank
            assert [purse.unposted for purse in (*bank._purses.values(), *bank._retired)] == [0]
            await idle(ledger)
            assert (await standing(database, made.id)).allowed_nano == 0
            assert await problems(database) == []

    run(story)
