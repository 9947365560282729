"""A month is invoiced once, when all of it is in the books; what was corrected since is on the next one."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ledger.ledger_stand import opened, problems, run
from tests.unit.ledger.reading.reading_stand import DAY_S, HOUR_S, MONTH_AT, post, settlement, write_journal
from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.invoices import service
from waystation.ledger.invoices.model import (
    CSV_COLUMNS,
    Invoice,
    InvoiceNotReady,
    as_csv,
    as_json,
    cell,
    month_of,
    number_after,
)
from waystation.ledger.reading.amounts import decimal_of
from waystation.ledger.reading.unposted import ENDED_S
from waystation.ledger.records import HOLD, Record
from waystation.ledger.rerating.service import apply
from waystation.runtime.db import Database
from waystation.terms import Price
from waystation.testing.clock import FakeClock

MONTH_END = MONTH_AT + 30 * DAY_S
ISSUED_AT = MONTH_END + ENDED_S
DECEMBER_END = MONTH_END + 31 * DAY_S


async def issue(
    database: Database, folder: Path, month: str = "2026-11", at: int = ISSUED_AT, organization_id: str = "org-1"
) -> Invoice:
    return await database.write(lambda c: service.issue(c, folder / "journal", organization_id, month, at))


async def sweep(database: Database, folder: Path, at: int) -> service.Issued:
    return await database.write(lambda c: service.issue_due(c, folder / "journal", at))


async def double_the_price(database: Database, folder: Path, at: int, model: str = "small") -> None:
    """Calls of 10 + 5 tokens that were charged 1000 cost 2000."""
    price = Price("USD", 100_000_000, 200_000_000)
    await database.write(
        lambda c: apply(
            c,
            folder / "journal",
            id=f"r-{at}",
            reason="it was a half",
            model=model,
            from_at=0,
            until_at=at - ENDED_S,
            price=price,
            at=at,
        )
    )


def test_an_invoice_has_a_line_for_each_project_and_model(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            calls = [
                settlement(MONTH_AT, 1),
                settlement(MONTH_AT, 20, key_id="key_2"),
                settlement(MONTH_END - 1, 300, model="large"),
                settlement(MONTH_AT, 4_000, project_id="proj_gone"),
                settlement(MONTH_AT - 1, 50_000),
                settlement(MONTH_END, 600_000),
                settlement(MONTH_AT, 7_000_000, organization_id="org-2"),
                settlement(MONTH_AT, 80_000_000, currency="CNY"),
            ]
            await post(database, calls)
            made = await issue(database, tmp_path)
            assert (made.id, made.month, made.currency, made.terms) == ("INV-2026-000001", "2026-11", "USD", "postpaid")
            assert (made.from_at, made.until_at, made.issued_at) == (MONTH_AT, MONTH_END, ISSUED_AT)
            assert [
                (each.project, each.project_id, each.model, each.requests, each.amount_nano) for each in made.lines
            ] == [
                ("1", "proj_1", "large", 1, 300),
                ("1", "proj_1", "small", 2, 21),
                ("", "proj_gone", "small", 1, 4_000),
            ]
            line = made.lines[1]
            assert (line.input_tokens, line.cached_tokens, line.output_tokens, line.reasoning_tokens) == (20, 4, 10, 2)
            assert (made.total_nano, made.corrections) == (4_321, [])
            assert made.other_currencies == {"CNY": 80_000_000}, "not on it, and said"
            assert await problems(database) == []

    run(story)


def test_it_is_issued_once_and_never_changes(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT)])
            made = await asyncio.gather(*(issue(database, tmp_path, at=ISSUED_AT + n) for n in range(5)))
            assert len({each.id for each in made}) == 1
            await database.write(lambda c: c.exec_driver_sql("UPDATE projects SET name = 'renamed'"))
            assert await issue(database, tmp_path, at=ISSUED_AT + DAY_S) == made[0]
            read = await database.read(lambda c: service.invoice(c, "org-1", made[0].id))
            assert read == made[0]

    run(story)


def held(at: int) -> Record:
    return (HOLD, f"req_{at:08x}{'0' * 24}", at, "org-1", "proj_1", "key_1", "chat", "small", "USD", "local/small",
            None, 10, 5_000, 0, "receivable", 1, 1, 0, ())  # fmt: skip


@pytest.mark.parametrize(
    ("records", "at", "reason", "retry_s"),
    [
        ([], MONTH_END - DAY_S, "not over", DAY_S + ENDED_S),
        ([], ISSUED_AT - 1, "not over", 1),
        ([held(MONTH_END - 1)], ISSUED_AT, "1 calls that were begun in it are still being answered", 60),
        ([settlement(MONTH_END - 1)], ISSUED_AT, "1 calls of it are settled and not posted", 2),
        ([held(MONTH_END), settlement(MONTH_END)], ISSUED_AT, None, 0),
    ],
)
def test_a_month_is_invoiced_when_all_of_it_is_posted(
    tmp_path: Path, records: list[Record], at: int, reason: str | None, retry_s: int
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT)])
            write_journal(tmp_path / "journal", 77, records)
            if reason is None:
                assert (await issue(database, tmp_path, at=at)).total_nano == 1_000
                return
            with pytest.raises(InvoiceNotReady, match=reason) as caught:
                await issue(database, tmp_path, at=at)
            assert caught.value.retry_after_ms == retry_s * 1_000
            swept = await sweep(database, tmp_path, at)
            assert swept.invoices == []
            assert [each.month for each in swept.late] == (["2026-11"] if at >= ISSUED_AT else [])

    run(story)


def test_what_was_corrected_since_is_on_the_next_invoice(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(
                database, [settlement(MONTH_AT), settlement(MONTH_END + 5), settlement(MONTH_END + 6, model="b")]
            )
            first = await issue(database, tmp_path)
            await double_the_price(database, tmp_path, ISSUED_AT + DAY_S)
            second = await issue(database, tmp_path, "2026-12", DECEMBER_END + ENDED_S)
            assert (first.total_nano, second.total_nano) == (1_000, 2_000 + 2 * 1_000)
            assert [(each.month, each.model, each.requests, each.amount_nano) for each in second.corrections] == [
                ("2026-11", "small", 1, 1_000),
                ("2026-12", "small", 1, 1_000),
            ]
            assert (await database.read(lambda c: service.invoice(c, "org-1", first.id))) == first
            await double_the_price(database, tmp_path, DECEMBER_END + DAY_S, "b")
            third = await issue(database, tmp_path, "2027-01", DECEMBER_END + 31 * DAY_S + ENDED_S)
            assert (third.lines, third.total_nano, len(third.corrections)) == ([], 1_000, 1), (
                "a correction alone is due too"
            )
            assert [each.id for each in (first, second, third)] == [
                "INV-2026-000001",
                "INV-2027-000001",
                "INV-2027-000002",
            ]
            assert await problems(database) == []

    run(story)


def test_a_sweep_issues_what_is_due_and_leaves_out_empty_months(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(
                database,
                [
                    settlement(MONTH_AT - 70 * DAY_S),
                    settlement(MONTH_AT),
                    settlement(MONTH_AT, organization_id="org-2"),
                ],
            )
            swept = await sweep(database, tmp_path, ISSUED_AT)
            assert [(each.organization_id, each.month, each.terms) for each in swept.invoices] == [
                ("org-1", "2026-08", "postpaid"),
                ("org-1", "2026-11", "postpaid"),
                ("org-2", "2026-11", "prepaid"),
            ]
            assert [each.id[-1] for each in swept.invoices] == ["1", "2", "3"], "no gap in the numbers"
            again = await sweep(database, tmp_path, ISSUED_AT + DAY_S)
            assert (again.invoices, again.late, again.more) == ([], [], False)
            with pytest.raises(InvalidRequest, match="Nothing was used"):
                await issue(database, tmp_path, "2026-09")
            listed = await database.read(lambda c: service.invoices(c, "org-1"))
            assert [each.month for each in listed] == ["2026-11", "2026-08"]
            after = await database.read(lambda c: service.invoices(c, "org-1", before_month="2026-11", limit=1))
            assert [each.month for each in after] == ["2026-08"]

    run(story)


def test_a_sweep_is_bounded_and_says_that_there_is_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "ISSUED_PER_SWEEP_MAX", 2)

    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT - months * 30 * DAY_S) for months in range(5)])
            counts = []
            more = True
            while more:
                swept = await sweep(database, tmp_path, ISSUED_AT)
                counts.append(len(swept.invoices))
                more = swept.more
            assert counts == [2, 2, 1]

    run(story)


def test_months_are_those_of_the_organization_even_when_it_moves(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            move = "UPDATE organizations SET time_zone = '{}'"
            await database.write(lambda c: c.exec_driver_sql(move.format("Asia/Kathmandu")))
            ahead_s = 5 * HOUR_S + 45 * 60
            calls = [
                MONTH_AT - ahead_s - 1,
                MONTH_AT - ahead_s,
                MONTH_END - ahead_s - 1,
                MONTH_END - ahead_s,
                MONTH_END,
            ]
            await post(database, [settlement(at, 10**number) for number, at in enumerate(calls)])
            first = await issue(database, tmp_path)
            assert (first.from_at, first.until_at, first.total_nano) == (MONTH_AT - ahead_s, MONTH_END - ahead_s, 110)
            await database.write(lambda c: c.exec_driver_sql(move.format("UTC")))
            second = await issue(database, tmp_path, "2026-12", DECEMBER_END + ENDED_S)
            assert (second.from_at, second.total_nano) == (first.until_at, 11_000), "nothing falls between two months"
            assert await problems(database) == []

    run(story)


@pytest.mark.parametrize(
    "month", ["", "2026", "2026-13", "2026-00", "26-11", "2026-11-01", "1970-01", "٢٠٢٦-11", "2026-11\n"]
)
def test_what_is_no_month_is_refused(tmp_path: Path, month: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            with pytest.raises(InvalidRequest) as caught:
                await issue(database, tmp_path, month)
            assert caught.value.param == "month"

    run(story)


def test_invoices_of_others_are_not_found(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await post(database, [settlement(MONTH_AT)])
            made = await issue(database, tmp_path)
            for organization_id, number, error in (
                ("org-2", made.id, NotFound),
                ("org-1", "INV-2026-000002", NotFound),
                ("org-1", "INV-1", InvalidRequest),
                ("org-1", "' OR 1=1", InvalidRequest),
            ):
                with pytest.raises(error):
                    await database.read(lambda c, o=organization_id, n=number: service.invoice(c, o, n))  # type: ignore[misc]
            with pytest.raises(NotFound):
                await issue(database, tmp_path, organization_id="org-9")
            with pytest.raises(InvalidRequest, match="limit"):
                await database.read(lambda c: service.invoices(c, "org-1", limit=0))

    run(story)


def test_the_amounts_of_a_rendered_invoice_add_up_exactly(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, _):
            await database.write(
                lambda c: c.exec_driver_sql("UPDATE projects SET name = '=HYPERLINK(1)' WHERE id = 'proj_1'")
            )
            await post(database, [settlement(MONTH_AT, 1), settlement(MONTH_AT, 12_345_678_901, model="b")])
            made = await issue(database, tmp_path)
            rendered: Any = as_json(made)
            assert rendered["total"] == "12.345678902"
            assert [each["amount"] for each in rendered["lines"]] == ["12.345678901", "0.000000001"]
            assert (rendered["from"], rendered["until"]) == ("2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00")
            rows = list(csv.reader(io.StringIO(as_csv(made))))
            assert rows[0] == list(CSV_COLUMNS)
            assert all(len(row) == len(CSV_COLUMNS) for row in rows)
            assert [row[3] for row in rows[1:]] == ["usage", "usage", "total"]
            assert [row[13] for row in rows[1:]] == ["12.345678901", "0.000000001", "12.345678902"]
            assert rows[1][5] == "'=HYPERLINK(1)", "no spreadsheet runs what somebody named a project"

    run(story)


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (1_515_000, "0.001515"),
        (12_500_000_000, "12.50"),
        (-12_000_000_000, "-12.00"),
        (10**18, "1000000000.00"),
    ],
)
def test_amounts_are_exact(nano: int, text: str) -> None:
    assert decimal_of(nano) == text


@pytest.mark.parametrize(
    ("text", "safe"), [("a-b", "a-b"), ("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("", "")]
)
def test_cells_are_no_formulas(text: str, safe: str) -> None:
    assert cell(text) == safe


def test_numbers_count_through_a_year() -> None:
    assert number_after(None, MONTH_AT) == "INV-2026-000001"
    assert number_after("INV-2026-000041", MONTH_AT) == "INV-2026-000042"
    assert month_of(MONTH_AT - 1, "UTC") == "2026-10"
    assert month_of(MONTH_AT - 1, "Asia/Shanghai") == "2026-11"


def test_a_running_ledger_invoices_what_is_due_by_itself(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(MONTH_AT)
        async with opened(tmp_path, clock=clock) as (database, ledger):
            await post(database, [settlement(MONTH_AT + HOUR_S)])
            await ledger.sweep()
            assert await database.read(lambda c: service.invoices(c, "org-1")) == []
            clock.advance(ISSUED_AT - MONTH_AT)
            await ledger.sweep()
            (invoice,) = await database.read(lambda c: service.invoices(c, "org-1"))
            assert invoice.month == "2026-11"

    run(story)
