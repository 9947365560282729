"""The worked example of the guide to the books is what the books do, to the digit, in both languages."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.unit.ledger.ledger_stand import give, opened, problems, run
from tests.unit.ledger.reading.reading_stand import DAY_S, post, settlement
from waystation.ledger.credit.service import Credit
from waystation.ledger.model import split
from waystation.ledger.reading.amounts import decimal_of
from waystation.ledger.reading.standing import accounts, credit
from waystation.ledger.rerating.service import apply
from waystation.metering.cost import cost_nano
from waystation.runtime.db import Database
from waystation.terms import Price, Usage
from waystation.testing.clock import FakeClock

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
PAGES = ["books.md", "books.zh-CN.md"]
PRICE = Price("USD", 2_500_000_000, 10_000_000_000)
HALF = Price("USD", 1_250_000_000, 5_000_000_000)
MINE: dict[str, Any] = {"organization_id": "org-2", "project_id": "proj_2", "payer": "credit"}


def table(page: str, first_cells: list[str]) -> list[list[str]]:
    """The rows of a page's tables that begin with one of these cells."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    return [row for row in rows if row[0] in first_cells]


def last_entry(connection: Connection) -> tuple[str, str]:
    """The debits and the credits of the newest entry, as the page writes them."""
    rows = connection.exec_driver_sql(
        "SELECT a.kind, p.amount_nano FROM postings p JOIN ledger_accounts a ON a.id = p.account_id "
        "WHERE p.entry_id = (SELECT MAX(id) FROM entries) ORDER BY a.kind"
    ).fetchall()
    debits = [f"{kind} {decimal_of(amount)}" for kind, amount in rows if amount > 0]
    credits_ = [f"{kind} {decimal_of(-amount)}" for kind, amount in rows if amount < 0]
    return ", ".join(debits), ", ".join(credits_)


async def example(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """The five steps and the balances after them."""
    steps: list[list[str]] = []
    clock = FakeClock()
    now = clock.now_s()

    async def step(database: Database, at: int) -> None:
        debits, credits_ = await database.read(last_entry)
        left = (await database.read(lambda c: credit(c, folder / "journal", "org-2", at))).left_nano
        steps.append([str(len(steps) + 1), debits, credits_, decimal_of(left)])

    async with opened(folder, clock=clock) as (database, ledger):
        await give(database, ledger, 5 * 10**9, expires_at=now + 30 * DAY_S, clock=clock)
        await step(database, now)

        cost = cost_nano(Usage(6, 150), PRICE)
        await post(database, [settlement(now, cost, input_tokens=6, output_tokens=150, cached_tokens=0, **MINE)], now)
        await step(database, now)

        charged, variance = split(7_500_000, 5_000_000)
        await post(database, [settlement(now, charged, model="large", variance_nano=variance, **MINE)], now)
        await step(database, now)

        def reprice(connection: Connection) -> None:
            apply(
                connection,
                folder / "journal",
                id="half",
                reason="it should have been a half",
                model="small",
                from_at=now,
                until_at=now + 1,
                price=HALF,
                at=now + DAY_S,
            )

        await database.write(reprice)
        await step(database, now + DAY_S)

        clock.advance(30 * DAY_S)
        await database.write(Credit(clock, str).expire)
        await step(database, clock.now_s())
        told = await database.read(lambda c: accounts(c, "org-2"))
        assert await problems(database) == []
        assert sum(each.balance_nano for each in told) == 0
    return steps, [[each.kind, decimal_of(each.balance_nano)] for each in told]


@pytest.mark.parametrize("name", PAGES)
def test_the_worked_example_is_what_the_books_do(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        steps, balances = await example(tmp_path)
        page = (GUIDES / name).read_text(encoding="utf-8")
        said = table(page, [step[0] for step in steps])
        assert [[row[0], *row[2:]] for row in said] == steps
        assert table(page, [kind for kind, _ in balances]) == balances

    run(story)


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_name_all_accounts_and_show_their_drawing(name: str) -> None:
    page = (GUIDES / name).read_text(encoding="utf-8")
    for kind in ("receivable", "credit", "grants", "revenue", "provider_variance"):
        assert f"| `{kind}`" in page
    drawing = page.partition("](hold-states")[2].partition(")")[0]
    assert (GUIDES / f"hold-states{drawing}").read_text(encoding="utf-8").startswith("<svg")
