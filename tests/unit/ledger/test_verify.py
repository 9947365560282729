"""The proof finds what doesn't add up, in whichever table it was changed, and names the row."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.ledger.ledger_stand import (
    MODEL,
    POSTPAID,
    PREPAID,
    Asked,
    answered,
    budget,
    call,
    done,
    give,
    opened,
    problems,
    run,
)
from waystation.terms import Rung, Usage


def tamper(path: Path, statement: str) -> None:
    """With a tool that knows nothing of our rules, foreign keys not even."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE usage SET cost_nano = cost_nano + 1 WHERE request_id = 'req_1'", "entries 1: it charges"),
        ("UPDATE usage SET variance_nano = 5 WHERE request_id = 'req_1'", "entries 1: it posts 0 nano of provider"),
        ("UPDATE usage SET output_tokens = output_tokens + 1 WHERE request_id = 'req_1'", "usage_rollups 1/"),
        ("UPDATE usage SET cached_tokens = 1000 WHERE request_id = 'req_1'", "usage req_1: it has amounts"),
        ("UPDATE usage SET entry_id = 99 WHERE request_id = 'req_1'", "usage req_1: its entry 99 is missing"),
        ("UPDATE usage SET series_id = 99 WHERE request_id = 'req_1'", "usage req_1: its series 99 is missing"),
        ("UPDATE usage SET at = at + 900 WHERE request_id = 'req_1'", "usage_rollups 1/"),
        ("DELETE FROM usage WHERE request_id = 'req_1'", "entries 1: it charges"),
        ("UPDATE usage_rollups SET requests = requests + 1 WHERE series_id = 1", "usage_rollups 1/"),
        ("DELETE FROM usage_rollups WHERE series_id = 1", "usage_rollups 1/"),
        ("UPDATE usage_savings SET saved_nano = saved_nano + 1", "usage_savings 3/"),
        ("DELETE FROM usage_savings", "usage_savings 3/"),
        ("UPDATE usage SET extra = NULL WHERE request_id = 'req_4'", "usage_savings 3/"),
        ("UPDATE usage_series SET organization_id = 'org-9' WHERE id = 1", "usage req_1: its series 1 and its entry 1"),
        (
            "UPDATE postings SET amount_nano = amount_nano + 1 WHERE entry_id = 1 AND account_id = 1",
            "entries 1: its post",
        ),
        ("UPDATE postings SET currency = 'CNY' WHERE entry_id = 1", "postings 1/1: its currency differs"),
        ("DELETE FROM postings WHERE entry_id = 1", "entries 1: it charges 0 nano"),
        ("UPDATE entries SET organization_id = 'org-9' WHERE id = 1", "postings 1/1: its account is of another org"),
        ("UPDATE entries SET kind = 'grant' WHERE id = 1", "usage req_1: its series 1 and its entry 1"),
        ("DELETE FROM entries WHERE id = 1", "usage req_1: its entry 1 is missing"),
        ("UPDATE ledger_accounts SET currency = 'CNY' WHERE id = 1", "postings 1/1: its currency differs"),
        ("UPDATE ledger_accounts SET kind = 'revenue' || id WHERE kind = 'receivable'", "entries 1: it charges 0 nano"),
        ("DELETE FROM ledger_accounts WHERE id = 1", "postings 1/1: its account is missing"),
        ("DELETE FROM postings WHERE entry_id = 2", "ledger_accounts 4: the credit of org-2 is overdrawn"),
        ("UPDATE journal_marks SET position = 1", "journal_marks 1: entry 1 is posted up to"),
        ("DELETE FROM journal_marks", "journal_marks 1: entry 1 is posted up to"),
    ],
)
def test_a_changed_row_is_named(tmp_path: Path, tampering: str, found: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1")
            await ledger.flush()
            await give(database, ledger, 10**9)
            await answered(ledger, "req_2", PREPAID)
            await answered(ledger, "req_3", usage=Usage(1, 99_999))
            kept = call("req_4")
            kept.rung, kept.deployment = Rung.CACHE, "cache"
            async with ledger.hold(POSTPAID, MODEL, kept) as hold:
                hold.meter(done())
            await ledger.flush()
            assert await problems(database) == []
        tamper(tmp_path / "w.db", tampering)
        async with opened(tmp_path) as (database, _):
            after = await problems(database)
            assert any(problem.startswith(found) for problem in after), after

    run(story)


@pytest.mark.parametrize("window", ["day", "week", "month", "total"])
@pytest.mark.parametrize("project_id", [None, "proj_1"])
def test_what_each_end_user_spent_is_their_usage(tmp_path: Path, window: str, project_id: str | None) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            rule = {"scope": "end_user", "subject": "*", "window": window, "project_id": project_id}
            made = await budget(database, ledger, cap_nano=10**9, **rule)
            for number, user in enumerate(("ann", "bob", "ann")):
                async with ledger.hold(POSTPAID, MODEL, call(f"req_{number}", Asked(end_user=user))) as hold:
                    hold.meter(done())
            await ledger.flush()
            assert await problems(database) == []
            change = f"UPDATE funds SET spent_nano = spent_nano + 1 WHERE owner = '{made.id}' AND subject = 'ann'"
            await database.write(lambda c: c.exec_driver_sql(change))
            (found,) = await problems(database)
            assert f"the budget {made.id} counts" in found

    run(story)
