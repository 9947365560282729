"""Prove that the books add up, or name the rows that don't. Reads everything and changes nothing.

Its queries are here and not in `store.py`, because each of them is the check itself.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, text

from waystation.ledger.model import Problem

_Found = Iterator[Problem]


def verify(connection: Connection) -> list[Problem]:
    """Everything that doesn't add up; empty when the books are right. Call it in one read transaction."""
    return [problem for check in _CHECKS for problem in check(connection)]


def _rows(connection: Connection, query: str) -> Iterator[Any]:
    return iter(connection.execute(text(query)))


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
    COALESCE(charged.variance, 0) FROM entries e LEFT JOIN used ON used.entry_id = e.id LEFT JOIN charged ON
    charged.entry_id = e.id WHERE e.kind = 'usage' AND (COALESCE(used.cost, 0) <> COALESCE(charged.cost, 0) OR
    COALESCE(used.variance, 0) <> COALESCE(charged.variance, 0)) ORDER BY e.id
    """
    for entry_id, used, charged, used_variance, charged_variance in _rows(connection, query):
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
        UNION ALL SELECT series_id, at - at % 900, -1, {minus} FROM usage
    ) AS both_sides GROUP BY series_id, quarter_at HAVING {differ} ORDER BY series_id, quarter_at
    """
    for series_id, quarter_at, *off in _rows(connection, query):
        wrong = ", ".join(f"{name} by {by}" for name, by in zip(_ROLLUP_SUMS, off, strict=True) if by)
        yield Problem("usage_rollups", f"{series_id}/{quarter_at}", f"it differs from the usage rows: {wrong}")


def _credit_is_not_overdrawn(connection: Connection) -> _Found:
    query = """
    SELECT a.id, a.organization_id, a.currency, SUM(p.amount_nano)
    FROM ledger_accounts a JOIN postings p ON p.account_id = a.id
    WHERE a.kind = 'credit' GROUP BY a.id, a.organization_id, a.currency HAVING SUM(p.amount_nano) > 0 ORDER BY a.id
    """
    for account_id, organization_id, currency, balance in _rows(connection, query):
        message = f"the credit of {organization_id} is overdrawn by {balance} nano-{currency}"
        yield Problem("ledger_accounts", str(account_id), message)


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
    _credit_is_not_overdrawn,
    _entries_are_within_their_journal,
)
