"""One call's cost, credit and budgets are told at once: what has settled counts before it is posted."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ledger.ledger_stand import (
    CLOCK,
    MODEL,
    POSTPAID,
    PREPAID,
    USED_NANO,
    Asked,
    answered,
    budget,
    call,
    done,
    give,
    opened,
    piece,
    run,
)
from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.reading import standing
from waystation.ledger.reading.requests import CallUsage, request
from waystation.runtime.db import Database
from waystation.terms import Usage
from waystation.testing.clock import FakeClock


async def told(database: Database, folder: Path, request_id: str, organization_id: str | None = None) -> CallUsage:
    return await database.read(lambda c: request(c, folder / "journal", request_id, organization_id))


def test_a_call_is_open_then_settled_then_posted(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            async with ledger.hold(POSTPAID, MODEL, call("req_1", Asked(stream=True, end_user="ann"))) as hold:
                hold.meter(piece("four"))
                now = await told(database, tmp_path, "req_1")
                assert (now.state, now.stream, now.end_user, now.cost_nano) == ("open", True, "ann", 0)
                assert now.held_nano is not None
                assert now.held_nano > USED_NANO
                hold.meter(done(Usage(10, 5, images=2, tier="flex")))
            now = await told(database, tmp_path, "req_1")
            assert (now.state, now.cost_nano, now.status, now.extra) == ("settled", USED_NANO, "ok", {"images": 2})
            await ledger.flush()
            after = await told(database, tmp_path, "req_1")
            assert (after.state, after.cost_nano, after.tier, after.extra) == (
                "posted",
                USED_NANO,
                "flex",
                {"images": 2},
            )

    run(story)


def test_a_void_call_is_told_while_its_journal_is_there(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            async with ledger.hold(POSTPAID, MODEL, call("req_1")):
                pass
            now = await told(database, tmp_path, "req_1")
            assert (now.state, now.held_nano, now.cost_nano) == ("void", None, 0)

    run(story)


@pytest.mark.parametrize("request_id", ["req_2", "", "req_", 'req_1"', "req_1\n", "*", "req_1" * 50, "请求", "h", "s"])
def test_what_is_not_there_is_not_found(tmp_path: Path, request_id: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1")
            with pytest.raises(NotFound):
                await told(database, tmp_path, request_id)

    run(story)


@pytest.mark.parametrize("posted", [False, True])
def test_the_calls_of_others_are_not_found(tmp_path: Path, posted: bool) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1")
            if posted:
                await ledger.flush()
            assert (await told(database, tmp_path, "req_1", "org-1")).cost_nano == USED_NANO
            with pytest.raises(NotFound):
                await told(database, tmp_path, "req_1", "org-2")

    run(story)


def test_credit_counts_what_is_not_posted_and_what_has_expired(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock=clock) as (database, ledger):
            await give(database, ledger, 10**9, clock=clock)
            await give(database, ledger, 10**8, clock=clock, expires_at=clock.now_s() + 100)

            async def stands(at: int) -> standing.CreditStanding:
                return await database.read(lambda c: standing.credit(c, tmp_path / "journal", "org-2", at))

            now = clock.now_s()
            await answered(ledger, "req_1", PREPAID)
            await answered(ledger, "req_2", POSTPAID)
            left = 10**9 + 10**8 - USED_NANO
            assert (await stands(now)).left_nano == left
            assert (await stands(now)).unposted_nano == USED_NANO
            later = await stands(now + 100)
            assert (later.left_nano, later.expired_nano) == (10**9, 10**8 - USED_NANO)
            await ledger.flush()
            assert ((await stands(now)).left_nano, (await stands(now)).unposted_nano) == (left, 0)
            assert await stands(now + 100) == standing.CreditStanding("org-2", "USD", 10**9, 0, 10**8 - USED_NANO, 0)

    run(story)


def test_postpaid_organizations_have_no_credit(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            with pytest.raises(InvalidRequest, match="postpaid"):
                await database.read(lambda c: standing.credit(c, tmp_path, "org-1", 1))
            with pytest.raises(NotFound):
                await database.read(lambda c: standing.credit(c, tmp_path, "org-9", 1))

    run(story)


@pytest.mark.parametrize(
    ("rule", "spent"),
    [
        ({}, {"": 4 * USED_NANO}),
        ({"scope": "project", "subject": "proj_1", "window": "month"}, {"": 4 * USED_NANO}),
        ({"model": "small", "window": "day"}, {"": 4 * USED_NANO}),
        ({"model": "other"}, {"": 0}),
        ({"scope": "end_user", "subject": "*"}, {"ann": 2 * USED_NANO, "bob": USED_NANO}),
        ({"scope": "end_user", "subject": "ann", "project_id": "proj_1"}, {"": 2 * USED_NANO}),
        ({"scope": "end_user", "subject": "cyd"}, {"": 0}),
        ({"hard": False}, {"": 4 * USED_NANO}),
    ],
)
@pytest.mark.parametrize("posted", [0, 2, 4])
def test_a_budget_counts_what_is_not_posted(
    tmp_path: Path, rule: dict[str, Any], spent: dict[str, int], posted: int
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9, **rule)
            for number, user in enumerate(("ann", None, "bob", "ann")):
                if number == posted:
                    await ledger.flush()
                async with ledger.hold(POSTPAID, MODEL, call(f"req_{number}", Asked(end_user=user))) as hold:
                    hold.meter(done())
            if posted == 4:
                await ledger.flush()
            now = CLOCK.now_s()
            found = await database.read(lambda c: standing.budget(c, tmp_path / "journal", "org-1", made.id, now))
            assert {each.subject: each.spent_nano for each in found} == spent
            assert all(each.left_nano == 10**9 - each.spent_nano for each in found)
            if posted == 4:
                assert not any(each.unposted_nano for each in found)
            with pytest.raises(NotFound):
                await database.read(lambda c: standing.budget(c, tmp_path / "journal", "org-2", made.id, now))

    run(story)


def test_accounts_are_told_as_they_are_posted(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 10**9)
            await answered(ledger, "req_1", PREPAID)
            await ledger.flush()
            told = await database.read(lambda c: standing.accounts(c, "org-2"))
            assert {each.kind: each.balance_nano for each in told} == {
                "grants": 10**9,
                "credit": USED_NANO - 10**9,
                "revenue": -USED_NANO,
            }
        with closing(sqlite3.connect(tmp_path / "w.db")) as connection:
            assert connection.execute("SELECT SUM(amount_nano) FROM postings").fetchone() == (0,)

    run(story)
