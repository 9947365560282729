"""Holds the gateway's books against what the driver saw: calls = journal records = usage rows, to the last one, and what
budgets say is spent = what the usage rows cost."""

import contextlib
import sqlite3
import time
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from bench.servers import Server, get

FLUSH_S = 1.2  # usage rows follow their settlement within a second
FLUSH_S_MAX = 3.0
REST_S_MAX = 15.0
POLL_S = 0.05
RECORDS = "waystation_ledger_records_total"
KINDS = ("hold", "settle", "void")


class BooksDiffer(Exception):
    """Calls, journal records and usage rows don't agree."""


@dataclass(frozen=True)
class Counts:
    rows: int  # of the usage table
    rollup: int  # requests in the roll-ups
    hold: int
    settle: int
    void: int

    def since(self, start: "Counts") -> "Counts":
        return Counts(
            self.rows - start.rows,
            self.rollup - start.rollup,
            self.hold - start.hold,
            self.settle - start.settle,
            self.void - start.void,
        )


@dataclass(frozen=True)
class Sums:
    """What all usage rows of a data folder add up to."""

    rows: int
    input_tokens: int
    output_tokens: int
    cost_nano: int
    variance_nano: int
    estimated: int
    not_ok: int


_SUMS = """SELECT count(*), coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
coalesce(sum(cost_nano), 0), coalesce(sum(variance_nano), 0),
coalesce(sum(estimated), 0), coalesce(sum(status <> 'ok'), 0) FROM usage"""


def records(metrics: str) -> dict[str, int]:
    """The journal's counts by kind, from the text of /metrics, summed over workers. Raises BooksDiffer without them."""
    found: dict[str, int] = {}
    for line in metrics.splitlines():
        if line.startswith(RECORDS + "{"):
            labels, _, value = line[len(RECORDS) :].rpartition(" ")
            for kind in KINDS:
                if f'kind="{kind}"' in labels:
                    found[kind] = found.get(kind, 0) + int(float(value))
    missing = [kind for kind in KINDS if kind not in found]
    if missing:
        raise BooksDiffer(f"/metrics does not tell {RECORDS} of kind {', '.join(missing)}")
    return found


def verdict(calls: int, seen: Counts) -> str:
    """What is wrong, in words; empty when nothing is."""
    wanted = Counts(rows=calls, rollup=calls, hold=calls, settle=calls, void=0)
    if seen == wanted:
        return ""
    return (
        f"calls answered {calls}, usage rows {seen.rows}, rolled up {seen.rollup}, holds {seen.hold}, "
        f"settlements {seen.settle}, voids {seen.void}: they must agree, with no void"
    )


_FUNDS = """SELECT sum(funds.spent_nano), (SELECT count(*) FROM allowances JOIN funds AS held ON held.id = fund_id
WHERE held.owner = funds.owner) FROM funds WHERE funds.owner = ? GROUP BY funds.owner"""
_COST = """SELECT coalesce(sum(cost_nano), 0) FROM usage JOIN usage_series ON usage_series.id = series_id
WHERE organization_id = ?"""


def funds_verdict(cost_nano: int, funds: list[tuple[int, int]], budgets: int) -> str:
    """What is wrong with the funds of a caller's budgets, in words; empty when each was asked and counted every call.

    `funds`: of each budget what is spent, and how many workers were allowed something.
    """
    if len(funds) != budgets:
        return f"{len(funds)} of {budgets} budgets have a fund"
    if any(spent_nano != cost_nano for spent_nano, _ in funds):
        return f"usage rows cost {cost_nano} nano, spent of the budgets is {[spent_nano for spent_nano, _ in funds]}"
    return "" if all(allowed for _, allowed in funds) else "no worker was allowed anything of a budget"


class Books:
    """Counts from the start of the run, so that a record written late or twice is found as well, in whatever window."""

    def __init__(self, server: Server, database: Path) -> None:
        self.server, self.database = server, database
        self.calls = self.streams = 0
        self.start = self._at_rest()
        self.start_sums = Sums(*self._ask(_SUMS))

    def read(self) -> Counts:
        status, body = get(self.server.host, self.server.port, "/metrics")
        if status != 200:
            raise BooksDiffer(f"/metrics answers {status}")
        rows = self._ask("SELECT count(*) FROM usage")[0]
        return Counts(rows=rows, rollup=self._posted(), **records(body.decode()))

    def settle(self, calls: int, *, streamed: bool) -> None:
        """Take in that many more answered calls, and wait until they are posted, for FLUSH_S_MAX at most."""
        self.calls += calls
        self.streams += calls if streamed else 0
        deadline = time.monotonic() + FLUSH_S_MAX
        while self._posted() - self.start.rollup < self.calls and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def check(self) -> Counts:
        """Compare everything since the start. Raises BooksDiffer."""
        seen = self.read().since(self.start)
        wrong = verdict(self.calls, seen)
        if wrong:
            raise BooksDiffer(wrong)
        return seen

    def check_funds(self, organization_id: str, budget_ids: tuple[str, ...]) -> None:
        """That each budget of an organization was asked, and has counted all that its calls cost. Raises BooksDiffer."""
        cost_nano = self._rows(_COST, organization_id)[0][0]
        funds = [row for budget_id in budget_ids for row in self._rows(_FUNDS, budget_id)]
        wrong = funds_verdict(cost_nano, funds, len(budget_ids))
        if wrong:
            raise BooksDiffer(wrong)

    def _at_rest(self) -> Counts:
        """The counts once nothing changes any more: rows of earlier calls may still be on their way."""
        deadline = time.monotonic() + REST_S_MAX
        counts = self.read()
        while time.monotonic() < deadline:
            time.sleep(FLUSH_S)
            before, counts = counts, self.read()
            if counts == before:
                return counts
        raise BooksDiffer(f"the server is not at rest after {REST_S_MAX:.0f} s: somebody else calls it")

    def sums(self) -> Sums:
        """What the usage rows since the start add up to."""
        return Sums(*(now - then for now, then in zip(self._ask(_SUMS), astuple(self.start_sums), strict=True)))

    def rows_of(self, end_users: str) -> Counter[str]:
        """How many usage rows each end user has whose name begins so."""
        sql = "SELECT end_user, count(*) FROM usage WHERE substr(end_user, 1, ?) = ? GROUP BY end_user"
        return Counter(dict(self._rows(sql, len(end_users), end_users)))

    def _posted(self) -> int:
        # Roll-ups are written in the transaction that writes the usage rows, and are few: cheap to ask again and again.
        return self._ask("SELECT coalesce(sum(requests), 0) FROM usage_rollups")[0]

    def _ask(self, sql: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self._rows(sql)[0]
        return row

    def _rows(self, sql: str, *values: object) -> list[Any]:
        # A connection for each question: an open reader would keep the write-ahead log from being folded back.
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(sql, values).fetchall()
