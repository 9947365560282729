"""How money stands: a prepaid organization's credit, a budget's periods, the accounts of the books. What has settled and
is not posted counts as spent."""

from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, func, or_, select

from waystation import tables
from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.budgets import store as budgets_store
from waystation.ledger.budgets.model import EACH, Budget, period
from waystation.ledger.credit.store import balance as posted_balance
from waystation.ledger.funds.store import spent_of
from waystation.ledger.model import CREDIT
from waystation.ledger.reading.unposted import unposted
from waystation.ledger.records import SETTLE_FIELDS, Record

FUNDS_MAX = 1_000  # of a budget that each end user has for themselves, on one page
_AT, _ORGANIZATION, _PROJECT, _KEY, _MODEL, _CURRENCY, _END_USER, _COST, _PAYER = (
    SETTLE_FIELDS.index(name)
    for name in (
        "at",
        "organization_id",
        "project_id",
        "key_id",
        "model",
        "currency",
        "end_user",
        "cost_nano",
        "payer",
    )
)
_funds = tables.funds.c


class CreditStanding(msgspec.Struct, frozen=True):
    """A prepaid organization's credit. `left_nano` = what was granted and has not expired, less what is spent."""

    organization_id: str
    currency: str
    left_nano: int  # below zero: overdrawn
    unposted_nano: int  # of what is spent: settled a moment ago
    expired_nano: int  # has expired and is not taken out of the books yet; not in `left_nano`
    overdraft_nano: int  # so far below zero it may go


class BudgetStanding(msgspec.Struct, frozen=True):
    """A budget in a period: what is spent of its cap. `subject` is the end user's name, or ""."""

    budget_id: str
    subject: str
    period_at: int
    ends_at: int | None
    currency: str
    cap_nano: int
    spent_nano: int
    unposted_nano: int  # of what is spent: settled a moment ago

    @property
    def left_nano(self) -> int:
        return max(0, self.cap_nano - self.spent_nano)


class AccountBalance(msgspec.Struct, frozen=True):
    """An account of the books: a debit is positive. All of an organization's add up to zero."""

    kind: str
    currency: str
    balance_nano: int


def credit(connection: Connection, folder: Path, organization_id: str, at: int) -> CreditStanding:
    """Raises NotFound, InvalidRequest when the organization is postpaid; ServiceUnavailable: read again."""
    with unposted(connection, folder) as waiting:
        organization = _organization(connection, organization_id)
        if organization.postpaid:
            raise InvalidRequest(
                "This organization is postpaid: it has no credit. Its invoices say what it owes.",
                param="organization_id",
            )
        spent = sum(
            record[_COST]
            for record in waiting.records
            if record[_ORGANIZATION] == organization_id and record[_PAYER] == CREDIT
        )
    left = posted_balance(connection, organization_id) - spent
    # What was spent a moment ago came out of what expires first, too.
    expired = max(0, min(_expired(connection, organization_id, at) - spent, left))
    return CreditStanding(
        organization_id, organization.currency, left - expired, spent, expired, organization.overdraft_nano
    )


def budget(
    connection: Connection, folder: Path, organization_id: str, budget_id: str, at: int, *, subject: str = ""
) -> list[BudgetStanding]:
    """The periods of a budget that `at` is in: one, or for each end user who has spent of it one, after `subject` in the
    order of their names, FUNDS_MAX at most. Raises NotFound; ServiceUnavailable: read again."""
    with unposted(connection, folder) as waiting:
        rule = budgets_store.budget(connection, budget_id)
        if rule is None or rule.organization_id != organization_id:
            raise NotFound(f"There is no budget {budget_id[:80]!r}.", param="budget_id")
        period_at, ends_at = period(rule.window, rule.time_zone, at)
        spent = dict(_spent(connection, rule, subject, period_at, ends_at))
        new = _unposted_of(rule, waiting.records, period_at, ends_at)
    subjects = sorted(name for name in {*spent, *new} if name > subject or not name)[:FUNDS_MAX]
    return [
        BudgetStanding(
            rule.id,
            name,
            period_at,
            ends_at,
            rule.currency,
            rule.cap_nano,
            spent.get(name, 0) + new.get(name, 0),
            new.get(name, 0),
        )
        for name in subjects
    ]


def accounts(connection: Connection, organization_id: str) -> list[AccountBalance]:
    """The accounts of an organization as they are posted. Raises NotFound."""
    _organization(connection, organization_id)
    a, p = tables.ledger_accounts.c, tables.postings.c
    rows = connection.execute(
        select(a.kind, a.currency, func.sum(p.amount_nano))
        .join_from(tables.ledger_accounts, tables.postings, p.account_id == a.id)
        .where(a.organization_id == organization_id)
        .group_by(a.kind, a.currency)
        .order_by(a.currency, a.kind)
    )
    return [AccountBalance(kind, currency, int(balance)) for kind, currency, balance in rows]


def _organization(connection: Connection, organization_id: str) -> Any:
    table = tables.organizations
    found = connection.execute(select(table).where(table.c.id == organization_id)).first()
    if found is None:
        raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
    return found


def _expired(connection: Connection, organization_id: str, at: int) -> int:
    c = tables.grants.c
    query = select(func.coalesce(func.sum(c.left_nano), 0)).where(
        c.organization_id == organization_id, c.left_nano > 0, c.expires_at <= at
    )
    return int(connection.execute(query).scalar_one())


def _spent(
    connection: Connection, rule: Budget, after: str, period_at: int, ends_at: int | None
) -> list[tuple[str, int]]:
    """What is posted, by the subject of each fund. A budget that nobody has drawn on has no fund yet."""
    found = connection.execute(
        select(_funds.subject, _funds.spent_nano)
        .where(
            _funds.owner == rule.id,
            _funds.period_at == period_at,
            or_(_funds.subject > after, _funds.subject == ""),
        )
        .order_by(_funds.subject)
        .limit(FUNDS_MAX)
    )
    rows = [(str(subject), int(spent)) for subject, spent in found]
    if not rows and rule.subject != EACH:
        return [("", spent_of(connection, rule, "", period_at, ends_at))]
    return rows


def _unposted_of(rule: Budget, records: list[Record], period_at: int, ends_at: int | None) -> dict[str, int]:
    sums: dict[str, int] = {}
    for record in records:
        name = _fund_of(rule, record)
        if name is not None and record[_AT] >= period_at and (ends_at is None or record[_AT] < ends_at):
            sums[name] = sums.get(name, 0) + record[_COST]
    return sums


def _fund_of(rule: Budget, record: Record) -> str | None:
    """Whose fund of a budget a call counts in; None when the budget doesn't cover it."""
    if record[_CURRENCY] != rule.currency or rule.model not in (None, record[_MODEL]):
        return None
    whose = {
        "organization": record[_ORGANIZATION],
        "project": record[_PROJECT],
        "key": record[_KEY],
        "end_user": record[_PROJECT] if rule.project_id else record[_ORGANIZATION],
    }
    return rule.fund_subject(record[_END_USER]) if whose[rule.scope] == rule.place[1] else None
