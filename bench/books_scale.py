"""How long the books take to be read when they are large: a million usage rows and postings, ten million calls rolled up.

`python bench/books_scale.py` fills a database of its own (kept, so the next run only measures), proves it, and prints
milliseconds. A part of the rows is posted as a worker posts; the mass is plain SQL of the same shape.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from sqlalchemy import Connection, insert

from waystation import tables
from waystation.accounts import store as accounts_store
from waystation.accounts.model import Organization, Project
from waystation.ledger import store
from waystation.ledger.credit.service import Credit
from waystation.ledger.invoices import service as invoices
from waystation.ledger.model import Problem
from waystation.ledger.reading import standing
from waystation.ledger.reading.usage import usage
from waystation.ledger.records import SETTLE, SETTLE_FIELDS, Record
from waystation.ledger.verify import verify
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.testing.clock import FakeClock

ROWS = 1_000_000  # usage rows, an entry for nearly each of them, with two postings
ROLLED_UP = 10_000_000  # calls of a second organization that only roll-ups know
BATCH = 2_000
KEYS, MODELS = 20, 5  # of each organization: 100 series
QUARTERS = 2_880  # of the month of 30 days that everything lies in
MONTH_AT = 1_793_491_200  # 2026-11-01 UTC
MONTH_S = QUARTERS * 900
DAY_S, ZONE, ZONE_S = 86_400, "Asia/Shanghai", 8 * 3_600
TOKENS, COST_NANO = (100, 50), 25_000
END_USERS = 500
TARGET_MS = 300
REPEATS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rolled-up", type=int, default=ROLLED_UP)
    parser.add_argument("--data", type=Path, help="where the databases are kept; default: made and thrown away")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = asked.data or Path(thrown_away)
        folder.mkdir(parents=True, exist_ok=True)
        with opened(folder / "rows.db", lambda database: fill(database, asked.rows)) as database:
            problems = measure_rows(database, folder)
        with opened(folder / "rolled_up.db", lambda database: fill_old(database, asked.rolled_up)) as database:
            measure_rollups(database, folder)
    return 1 if problems else 0


@contextmanager
def opened(path: Path, fill: Callable[[Database], None]) -> Iterator[Database]:
    """A database, filled if it is new."""
    is_new = not path.exists()
    database = Database.open(f"sqlite:///{path}")
    try:
        if is_new:
            started = time.monotonic()
            database.write_sync(found)
            fill(database)
            print(f"{path.name} filled in {time.monotonic() - started:.0f} s", file=sys.stderr)
        yield database
    finally:
        database.close()


# -- filling


def fill(database: Database, rows: int) -> None:
    """A month of calls with their rows."""
    write = database.write_sync
    write(lambda c: post(c, [settlement(number, rows, who) for number in range(KEYS * MODELS) for who in (0, 2)]))
    write(lambda c: fill_rows(c, rows))
    write(budgets)
    # The rest, through the product's own hands: every tenth call of org-0, and as many of org-2, which is prepaid.
    numbers = range(KEYS * MODELS, rows, 10)
    for start in range(0, len(numbers), BATCH // 2):
        some = [settlement(number, rows, who) for number in numbers[start : start + BATCH // 2] for who in (0, 2)]
        write(lambda c, some=some: post(c, some))  # type: ignore[misc]


def fill_old(database: Database, calls: int) -> None:
    """A month of calls whose rows are no longer kept."""
    database.write_sync(
        lambda c: post(c, [settlement(number, ROWS, who) for number in range(KEYS * MODELS) for who in (0, 2)])
    )
    database.write_sync(lambda c: fill_rollups(c, calls))


def found(connection: Connection) -> None:
    for number, postpaid in enumerate((True, True, False)):
        organization = Organization(f"org-{number}", f"Number {number}", "USD", postpaid, ZONE, MONTH_AT)
        accounts_store.add_organization(connection, organization)
        accounts_store.add_project(connection, Project(f"proj_{number}", organization.id, "first", MONTH_AT))
    Credit(FakeClock(), Ids().new).grant(connection, "org-2", 10**15)


def budgets(connection: Connection) -> None:
    for scope, subject, window in (
        ("organization", "org-0", "month"),
        ("project", "proj_0", "day"),
        ("key", "key_0_7", "week"),
        ("end_user", "*", "day"),
    ):
        connection.execute(
            insert(tables.budgets).values(
                id=f"bdg_{scope}",
                organization_id="org-0",
                scope=scope,
                subject=subject,
                window=window,
                currency="USD",
                cap_nano=10**17,
                hard=True,
                thresholds="[50,80,100]",
                created_at=MONTH_AT,
                updated_at=MONTH_AT,
            )
        )


def settlement(number: int, rows: int, who: int) -> Record:
    at = MONTH_AT + number * MONTH_S // rows
    values: dict[str, Any] = {
        "kind": SETTLE,
        "request_id": f"req_{at:08x}{who}{number:023x}",
        "at": at,
        "organization_id": f"org-{who}",
        "project_id": f"proj_{who}",
        "key_id": f"key_{who}_{number % KEYS}",
        "operation": "chat",
        "model": f"model-{number // KEYS % MODELS}",
        "currency": "USD",
        "deployment": "provider/model",
        "end_user": None if number % 20 else f"user-{number // 20 % END_USERS}",
        "input_tokens": TOKENS[0],
        "output_tokens": TOKENS[1],
        "status": "ok",
        "cost_nano": COST_NANO,
        "payer": "credit" if who == 2 else "receivable",
        "funds": (),
    }
    return tuple(values.get(name, None if name in ("tier", "extra") else 0) for name in SETTLE_FIELDS)


def post(connection: Connection, records: list[Record]) -> None:
    epoch, at = store.open_epoch(connection, 0, MONTH_AT), int(records[-1][2])
    store.post(connection, records, epoch, 0, at)
    store.close_epoch(connection, epoch, at)


def fill_rows(connection: Connection, rows: int) -> None:
    """The mass: calls of org-0, an entry with two postings for each; then roll-ups and end users as the rows say."""
    run = connection.exec_driver_sql
    entry = run("SELECT MAX(id) FROM entries").scalar_one()
    first, last = KEYS * MODELS, rows - 1
    numbers = f"WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"
    which = f"i % 10 <> {first % 10}"
    at = f"({MONTH_AT} + i * {MONTH_S} / {rows})"
    run(
        f"INSERT INTO entries (id, at, kind, organization_id, currency) {numbers} "
        f"SELECT {entry} + i, {at}, 'usage', 'org-0', 'USD' FROM n WHERE {which}"
    )
    for kind, sign in (("receivable", ""), ("revenue", "-")):
        account = run(
            f"SELECT id FROM ledger_accounts WHERE organization_id = 'org-0' AND kind = '{kind}'"
        ).scalar_one()
        run(
            f"INSERT INTO postings (entry_id, account_id, amount_nano, currency) {numbers} "
            f"SELECT {entry} + i, {account}, {sign}{COST_NANO}, 'USD' FROM n WHERE {which}"
        )
    run(
        "INSERT INTO usage (request_id, at, series_id, end_user, input_tokens, output_tokens, cached_tokens, "
        "reasoning_tokens, estimated, status, cost_nano, variance_nano, duration_ms, stream, entry_id, flagged) "
        f"{numbers} SELECT 'req_' || printf('%08x0%023x', {at}, i), {at}, s.id, "
        f"CASE WHEN i % 20 = 0 THEN 'user-' || (i / 20 % {END_USERS}) END, {TOKENS[0]}, {TOKENS[1]}, 0, 0, 0, 'ok', "
        f"{COST_NANO}, 0, 100, 0, {entry} + i, 0 FROM n JOIN usage_series s ON s.organization_id = 'org-0' "
        f"AND s.key_id = 'key_0_' || (i % {KEYS}) AND s.model = 'model-' || (i / {KEYS} % {MODELS}) WHERE {which}"
    )
    run("DELETE FROM usage_rollups")
    run(
        "INSERT INTO usage_rollups SELECT series_id, at - at % 900, COUNT(*), SUM(input_tokens), SUM(output_tokens), "
        "0, 0, SUM(cost_nano) FROM usage GROUP BY series_id, at - at % 900"
    )
    run("DELETE FROM usage_end_users")
    run(
        "INSERT INTO usage_end_users (project_id, end_user, day_at, model, currency, organization_id, requests, "
        "input_tokens, output_tokens, cost_nano) "
        f"SELECT s.project_id, u.end_user, u.at - (u.at + {ZONE_S}) % {DAY_S} AS day_at, s.model, 'USD', "
        "s.organization_id, COUNT(*), SUM(u.input_tokens), SUM(u.output_tokens), SUM(u.cost_nano) "
        "FROM usage u JOIN usage_series s ON s.id = u.series_id WHERE u.end_user IS NOT NULL "
        "GROUP BY s.project_id, u.end_user, day_at, s.model, s.organization_id"
    )


def fill_rollups(connection: Connection, calls: int) -> None:
    """Calls of org-1 whose rows are no longer kept: every series has some in every quarter of an hour."""
    run = connection.exec_driver_sql
    a_quarter = max(1, calls // (QUARTERS * KEYS * MODELS))
    run(
        "INSERT INTO usage_series (organization_id, project_id, key_id, operation, model, currency, deployment) "
        "SELECT 'org-1', 'proj_1', 'key_1_' || key_id, operation, model, currency, deployment FROM usage_series "
        "WHERE organization_id = 'org-0'"
    )
    run(
        f"INSERT INTO usage_rollups WITH RECURSIVE q(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM q WHERE i < {QUARTERS - 1}) "
        f"SELECT s.id, {MONTH_AT} + i * 900, {a_quarter}, {a_quarter * TOKENS[0]}, {a_quarter * TOKENS[1]}, 0, 0, "
        f"{a_quarter * COST_NANO} FROM usage_series s, q WHERE s.organization_id = 'org-1'"
    )


# -- measuring


Question = Callable[[Connection], Any]


def timed(
    database: Database,
    name: str,
    question: Question,
    repeats: int = REPEATS,
    target: int | None = None,
    *,
    writes: bool = False,
) -> Any:
    """Ask, and print how long the answer took: the median."""
    took: list[float] = []
    for _ in range(repeats):
        started = time.monotonic()
        answer = database.write_sync(question) if writes else database.read_sync(question)
        took.append((time.monotonic() - started) * 1000)
    ms = statistics.median(took)
    verdict = "" if target is None else f"target {target}{'  MISSED' if ms > target else ''}"
    print(f"{name:44} {ms:9.1f} ms  {verdict}")
    return answer


def issued(connection: Connection, folder: Path) -> None:
    """Issue an invoice, and take it back: the next run measures the same."""
    taken_back = connection.begin_nested()
    invoices.issue(connection, folder / "journal", "org-0", "2026-11", MONTH_AT + 40 * DAY_S)
    taken_back.rollback()


def month(folder: Path, organization: str, **asked: Any) -> Question:
    return lambda c: usage(c, folder / "journal", organization, from_at=MONTH_AT, until_at=MONTH_AT + MONTH_S, **asked)


def measure_rows(database: Database, folder: Path) -> list[Problem]:
    (rows,) = database.read_sync(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM usage").one())
    (postings,) = database.read_sync(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM postings").one())
    print(f"{rows} usage rows, {postings} postings")
    until_at = MONTH_AT + MONTH_S
    timed(
        database,
        "credit of a prepaid organization",
        lambda c: standing.credit(c, folder, "org-2", until_at),
        target=TARGET_MS,
    )
    timed(database, "balances of its accounts", lambda c: standing.accounts(c, "org-2"), target=TARGET_MS)
    timed(
        database, "balances of the accounts of the largest", lambda c: standing.accounts(c, "org-0"), target=TARGET_MS
    )
    timed(database, "a month's usage by model", month(folder, "org-0", by=["model"]), target=TARGET_MS)
    timed(database, "… by end user", month(folder, "org-0", by=["end_user"]), target=TARGET_MS)
    timed(database, "… by tier, from single rows", month(folder, "org-0", by=["tier"]))
    timed(database, "the invoice of a month", partial(issued, folder=folder), 1, writes=True)
    problems: list[Problem] = timed(database, "verify", verify, 1)
    for problem in problems[:5]:
        print(f"the books don't add up: {problem}", file=sys.stderr)
    return problems


def measure_rollups(database: Database, folder: Path) -> None:
    (rows, calls) = database.read_sync(
        lambda c: c.exec_driver_sql("SELECT COUNT(*), SUM(requests) FROM usage_rollups").one()
    )
    print(f"{calls} calls in {rows} roll-ups")
    for name, asked, target in (
        ("a month's usage by model", {"by": ["model"]}, TARGET_MS),
        ("… by model and day", {"by": ["model"], "bucket": "day"}, TARGET_MS),
        ("… by key and day", {"by": ["key"], "bucket": "day"}, TARGET_MS),
        ("… by hour", {"bucket": "hour"}, None),
    ):
        timed(database, name, month(folder, "org-1", **asked), target=target)


if __name__ == "__main__":
    sys.exit(main())
