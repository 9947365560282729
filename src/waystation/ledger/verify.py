"""Prove that the books add up, or name the rows that don't. Reads everything and changes nothing.

Its queries are here and not in `store.py`, because each of them is the check itself.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Text, bindparam, text

from waystation.ledger.budgets import store as budgets_store
from waystation.ledger.budgets.model import EACH, Budget
from waystation.ledger.funds.store import spent_of
from waystation.ledger.model import Problem
from waystation.ledger.serving import saved_nano
from waystation.ledger.store import usage_pruned_before

LONGEST_CALL_S = 86_400  # between a call's hold and its posting

_Found = Iterator[Problem]


def verify(connection: Connection) -> list[Problem]:
    """Everything that doesn't add up; empty when the books are right. Call it in one read transaction."""
    return [problem for check in _CHECKS for problem in check(connection)]


def _rows(connection: Connection, query: str, kept_from: int | None = None) -> Iterator[Any]:
    return iter(connection.execute(text(query), {} if kept_from is None else {"kept_from": kept_from}))


def _kept_from(connection: Connection) -> int:
    """From when on every call has its row: what is older may have lost some, so it can't be held against them."""
    pruned_before = usage_pruned_before(connection)
    return pruned_before + LONGEST_CALL_S if pruned_before else 0


def _entries_add_up_to_zero(connection: Connection) -> _Found:
    query = """
    SELECT entry_id, SUM(amount_nano) FROM postings GROUP BY entry_id HAVING SUM(amount_nano) <> 0 ORDER BY entry_id
    """
    for entry_id, total in _rows(connection, query):
        yield Problem("entries", str(entry_id), f"its postings add up to {total} nano instead of zero")


def _postings_belong(connection: Connection) -> _Found:
    query = """
    SELECT p.entry_id, p.account_id, e.id IS NULL, a.id IS NULL,
           p.currency <> e.currency OR p.currency <> a.currency, e.organization_id <> a.organization_id
    FROM postings p LEFT JOIN entries e ON e.id = p.entry_id LEFT JOIN ledger_accounts a ON a.id = p.account_id
    WHERE e.id IS NULL OR a.id IS NULL OR p.currency <> e.currency OR p.currency <> a.currency
          OR e.organization_id <> a.organization_id
    ORDER BY p.entry_id, p.account_id
    """
    messages = (
        "its entry is missing",
        "its account is missing",
        "its currency differs",
        "its account is of another organization",
    )
    for entry_id, account_id, *wrong in _rows(connection, query):
        found = ", ".join(message for message, is_wrong in zip(messages, wrong, strict=True) if is_wrong)
        yield Problem("postings", f"{entry_id}/{account_id}", found)


def _usage_is_posted(connection: Connection) -> _Found:
    query = """
    WITH used AS (
        SELECT entry_id, SUM(cost_nano) AS cost, SUM(variance_nano) AS variance FROM usage GROUP BY entry_id
    ), charged AS (
        SELECT p.entry_id,
               SUM(CASE WHEN a.kind IN ('receivable', 'credit') THEN p.amount_nano ELSE 0 END) AS cost,
               SUM(CASE WHEN a.kind = 'provider_variance' THEN p.amount_nano ELSE 0 END) AS variance
        FROM postings p JOIN ledger_accounts a ON a.id = p.account_id GROUP BY p.entry_id
    )
    SELECT e.id, COALESCE(used.cost, 0), COALESCE(charged.cost, 0), COALESCE(used.variance, 0),
           COALESCE(charged.variance, 0)
    FROM entries e LEFT JOIN used ON used.entry_id = e.id LEFT JOIN charged ON charged.entry_id = e.id
    WHERE e.kind = 'usage' AND e.at >= :kept_from
          AND (COALESCE(used.cost, 0) <> COALESCE(charged.cost, 0)
               OR COALESCE(used.variance, 0) <> COALESCE(charged.variance, 0))
    ORDER BY e.id
    """
    for entry_id, used, charged, used_variance, charged_variance in _rows(connection, query, _kept_from(connection)):
        if used != charged:
            yield Problem("entries", str(entry_id), f"it charges {charged} nano, its usage rows say {used}")
        if used_variance != charged_variance:
            message = f"it posts {charged_variance} nano of provider variance, its usage rows say {used_variance}"
            yield Problem("entries", str(entry_id), message)


def _usage_has_its_entry(connection: Connection) -> _Found:
    query = """
    SELECT u.request_id, u.entry_id, u.series_id, e.id IS NULL, s.id IS NULL
    FROM usage u LEFT JOIN entries e ON e.id = u.entry_id LEFT JOIN usage_series s ON s.id = u.series_id
    WHERE e.id IS NULL OR s.id IS NULL OR e.kind <> 'usage' OR e.organization_id <> s.organization_id
          OR e.currency <> s.currency
    ORDER BY u.request_id
    """
    for request_id, entry_id, series_id, no_entry, no_series in _rows(connection, query):
        if no_entry or no_series:
            what = f"its entry {entry_id}" if no_entry else f"its series {series_id}"
            yield Problem("usage", str(request_id), f"{what} is missing")
        else:
            message = f"its series {series_id} and its entry {entry_id} differ in organization or currency"
            yield Problem("usage", str(request_id), message)


def _amounts_are_possible(connection: Connection) -> _Found:
    query = """
    SELECT request_id FROM usage
    WHERE cost_nano < 0 OR variance_nano < 0 OR input_tokens < 0 OR output_tokens < 0
          OR cached_tokens NOT BETWEEN 0 AND input_tokens OR reasoning_tokens NOT BETWEEN 0 AND output_tokens
    ORDER BY request_id
    """
    for (request_id,) in _rows(connection, query):
        yield Problem("usage", str(request_id), "it has amounts that can't be")


_ROLLUP_SUMS = ("requests", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nano")


def _rollups_are_the_usage(connection: Connection) -> _Found:
    sums = ", ".join(f"SUM({name})" for name in _ROLLUP_SUMS)
    differ = " OR ".join(f"SUM({name}) <> 0" for name in _ROLLUP_SUMS)
    minus = ", ".join(f"-{name}" for name in _ROLLUP_SUMS[1:])
    query = f"""
    SELECT series_id, quarter_at, {sums} FROM (
        SELECT series_id, quarter_at, {", ".join(_ROLLUP_SUMS)} FROM usage_rollups
        UNION ALL SELECT series_id, at - at % 900 AS quarter_at, -1, {minus} FROM usage
    ) AS both_sides WHERE quarter_at >= :kept_from GROUP BY series_id, quarter_at HAVING {differ} ORDER BY series_id, quarter_at
    """
    for series_id, quarter_at, *off in _rows(connection, query, _kept_from(connection)):
        wrong = ", ".join(f"{name} by {by}" for name, by in zip(_ROLLUP_SUMS, off, strict=True) if by)
        yield Problem("usage_rollups", f"{series_id}/{quarter_at}", f"it differs from the usage rows: {wrong}")


def _savings_are_the_usage(connection: Connection) -> _Found:
    kept_from = _kept_from(connection)
    off: dict[tuple[int, int], list[int]] = {}
    query = "SELECT series_id, at - at % 900, extra FROM usage WHERE extra LIKE '%saved_nano%' AND at >= :kept_from"
    rows = (
        (series_id, at, -1, -(saved_nano(extra) or 0)) for series_id, at, extra in _rows(connection, query, kept_from)
    )
    query = "SELECT series_id, quarter_at, requests, saved_nano FROM usage_savings WHERE quarter_at >= :kept_from"
    for series_id, quarter_at, requests, saved in chain(rows, _rows(connection, query, kept_from)):
        if quarter_at >= kept_from:
            sums = off.setdefault((series_id, quarter_at), [0, 0])
            sums[0] += requests
            sums[1] += saved
    for (series_id, quarter_at), (requests, saved) in sorted(off.items()):
        if requests or saved:
            message = f"it differs from the usage rows by {requests} kept answers, {saved} nano saved"
            yield Problem("usage_savings", f"{series_id}/{quarter_at}", message)


def _corrections_are_posted(connection: Connection) -> _Found:
    query = """
    WITH corrected AS (SELECT entry_id, SUM(delta_nano) AS delta FROM usage_corrections GROUP BY entry_id),
    charged AS (
        SELECT p.entry_id, SUM(p.amount_nano) AS delta FROM postings p JOIN ledger_accounts a ON a.id = p.account_id
        WHERE a.kind IN ('receivable', 'credit') GROUP BY p.entry_id
    )
    SELECT e.id, COALESCE(corrected.delta, 0), COALESCE(charged.delta, 0) FROM entries e
    LEFT JOIN corrected ON corrected.entry_id = e.id LEFT JOIN charged ON charged.entry_id = e.id
    WHERE e.kind = 'rerating' AND COALESCE(corrected.delta, 0) <> COALESCE(charged.delta, 0) ORDER BY e.id
    """
    for entry_id, corrected, charged in _rows(connection, query):
        yield Problem("entries", str(entry_id), f"it charges {charged} nano, its corrections say {corrected}")


def _credit_is_not_overdrawn(connection: Connection) -> _Found:
    query = """
    SELECT a.id, a.organization_id, a.currency, SUM(p.amount_nano), COALESCE(MAX(o.overdraft_nano), 0)
    FROM ledger_accounts a JOIN postings p ON p.account_id = a.id LEFT JOIN organizations o ON o.id = a.organization_id
    WHERE a.kind = 'credit' GROUP BY a.id, a.organization_id, a.currency
    HAVING SUM(p.amount_nano) > COALESCE(MAX(o.overdraft_nano), 0) ORDER BY a.id
    """
    for account_id, organization_id, currency, balance, _ in _rows(connection, query):
        message = f"the credit of {organization_id} is overdrawn by {balance} nano-{currency}"
        yield Problem("ledger_accounts", str(account_id), message)


def _credit_funds_are_the_credit(connection: Connection) -> _Found:
    query = """
    WITH balances AS (
        SELECT a.organization_id, -SUM(p.amount_nano) AS left_nano FROM ledger_accounts a
        JOIN postings p ON p.account_id = a.id WHERE a.kind = 'credit' GROUP BY a.organization_id
    ), granted AS (SELECT organization_id, SUM(left_nano) AS left_nano FROM grants GROUP BY organization_id)
    SELECT f.id, f.owner, f.cap_nano - f.spent_nano - o.overdraft_nano, COALESCE(b.left_nano, 0), COALESCE(g.left_nano, 0)
    FROM funds f JOIN organizations o ON o.id = f.owner LEFT JOIN balances b ON b.organization_id = f.owner
    LEFT JOIN granted g ON g.organization_id = f.owner
    WHERE f.kind = 'credit' ORDER BY f.id
    """
    for fund_id, owner, left, posted, granted in _rows(connection, query):
        if left != posted:
            yield Problem("funds", str(fund_id), f"{owner} has {left} nano of credit, its postings say {posted}")
        if granted != max(0, left):
            yield Problem("grants", str(owner), f"{granted} nano are left of its grants, its credit is {left}")


def _allowances_are_of_those_who_live(connection: Connection) -> _Found:
    query = """
    SELECT f.id, f.allowed_nano, COALESCE(SUM(a.amount_nano), 0), MIN(a.amount_nano) FROM funds f
    LEFT JOIN allowances a ON a.fund_id = f.id GROUP BY f.id, f.allowed_nano
    HAVING f.allowed_nano <> COALESCE(SUM(a.amount_nano), 0) OR MIN(a.amount_nano) < 0 ORDER BY f.id
    """
    for fund_id, allowed, total, least in _rows(connection, query):
        what = f"{allowed} nano are allowed, its allowances are {total}"
        yield Problem("funds", str(fund_id), f"it has an allowance of {least} nano" if allowed == total else what)
    query = """
    SELECT a.fund_id, a.epoch FROM allowances a LEFT JOIN journal_marks m ON m.epoch = a.epoch
    WHERE m.epoch IS NULL OR m.closed_at IS NOT NULL ORDER BY a.fund_id, a.epoch
    """
    for fund_id, epoch in _rows(connection, query):
        yield Problem("allowances", f"{fund_id}/{epoch}", "it is of a worker that has ended")


def _budgets_count_their_usage(connection: Connection) -> _Found:
    query = "SELECT owner, id, subject, period_at, ends_at, spent_nano FROM funds WHERE kind = 'budget' ORDER BY id"
    funds = list(_rows(connection, query))
    budgets = {budget.id: budget for budget in budgets_store.budgets(connection)}
    by_end_user = {id_: _used_by_each(connection, budget) for id_, budget in budgets.items() if budget.subject == EACH}
    for owner, fund_id, subject, period_at, ends_at, spent in funds:
        budget = budgets.get(owner)
        if budget is None:  # it was removed, and counts no longer
            continue
        if budget.subject == EACH:
            used = by_end_user[owner][subject].between(period_at, ends_at) if subject in by_end_user[owner] else 0
        else:
            used = spent_of(connection, budget, subject, period_at, ends_at)
        if used != spent:
            yield Problem("funds", str(fund_id), f"the budget {owner} counts {spent} nano, the usage is {used}")


class _Days:
    """What somebody used by day, to be added up from one time to another."""

    def __init__(self) -> None:
        self._ats: list[int] = []
        self._sums = [0]

    def add(self, at: int, cost: int) -> None:
        self._ats.append(at)
        self._sums.append(self._sums[-1] + cost)

    def between(self, from_at: int, until_at: int | None) -> int:
        end = len(self._ats) if until_at is None else bisect_left(self._ats, until_at)
        return self._sums[end] - self._sums[bisect_left(self._ats, from_at)]


def _used_by_each(connection: Connection, budget: Budget) -> dict[str, _Days]:
    """What each end user used of a budget that they have for themselves: one read for all its funds."""
    query = text("""
    SELECT end_user, day_at, SUM(cost_nano) FROM usage_end_users
    WHERE organization_id = :organization_id AND currency = :currency
          AND (:project_id IS NULL OR project_id = :project_id) AND (:model IS NULL OR model = :model)
    GROUP BY end_user, day_at ORDER BY end_user, day_at
    """).bindparams(
        bindparam("project_id", budget.project_id, Text),
        bindparam("model", budget.model, Text),
        organization_id=budget.organization_id,
        currency=budget.currency,
    )
    used: dict[str, _Days] = {}
    for end_user, day_at, cost in connection.execute(query):
        used.setdefault(end_user, _Days()).add(day_at, int(cost))
    return used


def _end_users_are_the_usage(connection: Connection) -> _Found:
    """Only sums over all days: a day is one of the organization's time zone."""
    query = """
    SELECT project_id, end_user, model, SUM(requests), SUM(cost) FROM (
        SELECT project_id, end_user, model, requests, cost_nano AS cost FROM usage_end_users
        UNION ALL
        SELECT s.project_id, u.end_user, s.model, -1, -u.cost_nano FROM usage u
        JOIN usage_series s ON s.id = u.series_id WHERE u.end_user IS NOT NULL
        UNION ALL
        SELECT s.project_id, c.end_user, s.model, 0, -c.delta_nano FROM usage_corrections c
        JOIN usage_series s ON s.id = c.series_id WHERE c.end_user IS NOT NULL
    ) AS both_sides GROUP BY project_id, end_user, model HAVING SUM(requests) <> 0 OR SUM(cost) <> 0
    ORDER BY project_id, end_user, model
    """
    if usage_pruned_before(connection):
        return
    for project_id, end_user, model, requests, cost in _rows(connection, query):
        message = f"{model}: it differs from the usage rows by {requests} requests, {cost} nano"
        yield Problem("usage_end_users", f"{project_id}/{end_user}", message)


def _invoices_are_the_usage(connection: Connection) -> _Found:
    query = """
    SELECT i.id, i.total_nano,
        COALESCE((SELECT SUM(r.cost_nano) FROM usage_rollups r JOIN usage_series s ON s.id = r.series_id
            WHERE s.organization_id = i.organization_id AND s.currency = i.currency
            AND r.quarter_at >= i.from_at AND r.quarter_at < i.until_at), 0)
        + COALESCE((SELECT SUM(c.delta_nano) FROM usage_corrections c WHERE c.invoice_id = i.id), 0)
    FROM invoices i ORDER BY i.id
    """
    for invoice_id, total, used in _rows(connection, query):
        if total != used:
            yield Problem("invoices", str(invoice_id), f"it says {total} nano, the usage and corrections are {used}")


def _entries_are_within_their_journal(connection: Connection) -> _Found:
    query = """
    SELECT e.id, e.position, e.epoch, m.position FROM entries e LEFT JOIN journal_marks m ON m.epoch = e.epoch
    WHERE e.epoch IS NOT NULL AND (m.epoch IS NULL OR e.position > m.position) ORDER BY e.id
    """
    for entry_id, position, epoch, marked in _rows(connection, query):
        message = f"entry {entry_id} is posted up to {position}, the mark says {marked}"
        yield Problem("journal_marks", str(epoch), message)


_CHECKS: tuple[Callable[[Connection], _Found], ...] = (
    _entries_add_up_to_zero,
    _postings_belong,
    _usage_is_posted,
    _usage_has_its_entry,
    _amounts_are_possible,
    _rollups_are_the_usage,
    _savings_are_the_usage,
    _corrections_are_posted,
    _credit_is_not_overdrawn,
    _credit_funds_are_the_credit,
    _allowances_are_of_those_who_live,
    _budgets_count_their_usage,
    _end_users_are_the_usage,
    _invoices_are_the_usage,
    _entries_are_within_their_journal,
)
