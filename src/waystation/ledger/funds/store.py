"""The SQL of funds and allowances. Each function runs in the transaction that it is given.

`spent` of a budget's fund is, by definition, the usage that its scope, model and period cover, in postings so far: a fund
that is made in the middle of a period begins with what was used before, in the same transaction that reads it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, insert, or_, select, text, update

from waystation import tables
from waystation.ledger.budgets import store as budgets_store
from waystation.ledger.budgets.model import EACH, Budget, Notice, period
from waystation.ledger.funds.model import Key, grant

CREDIT, BUDGET = "credit", "budget"  # kinds of funds
NOTICES_TOPIC = "budget_notices"  # of changes; the subject is the fund's number
_IN_MAX = 500
_LOCK = 0x66756E64  # PostgreSQL's advisory lock of ours: "fund"

_funds, _allowances = tables.funds.c, tables.allowances.c


class Asked(NamedTuple):
    """What a worker wants of a fund. `fund_id` 0: it has not been opened yet."""

    fund_id: int
    kind: str
    key: Key
    at_least: int
    want: int


class Given(NamedTuple):
    """What it was given, and how the fund stands now."""

    fund_id: int
    granted: int
    cap: int
    spent: int
    allowed: int
    until: int | None  # credit: when the next of it expires


class Spending(NamedTuple):
    """Whose money was spent: what a fund's scope is held against."""

    organization_id: str
    project_id: str
    key_id: str
    end_user: str | None
    model: str
    quarter_at: int


def lock(connection: Connection) -> None:
    """One transaction at a time opens funds, spends from them or corrects what was spent.

    SQLite has one writer anyway. Without this a fund could be opened on PostgreSQL while a posting that it should count
    is on its way.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


# -- allowances


def take(connection: Connection, asked: Sequence[Asked], epoch: int, workers: int, at: int) -> list[Given | None]:
    """Give a worker what it asks for, as far as there is some. None: the budget or the credit isn't there (any more)."""
    lock(connection)
    return [_take(connection, one, epoch, workers, at) for one in asked]


def _take(connection: Connection, asked: Asked, epoch: int, workers: int, at: int) -> Given | None:
    fund_id = asked.fund_id or _open(connection, asked.kind, asked.key)
    if not fund_id:
        return None
    row = connection.execute(
        select(_funds.cap_nano, _funds.spent_nano, _funds.allowed_nano).where(_funds.id == fund_id)
    ).one()
    cap, spent, allowed = int(row.cap_nano), int(row.spent_nano), int(row.allowed_nano)
    if asked.kind == CREDIT:
        cap -= _expired(connection, asked.key[0], at)
    granted = grant(cap - spent - allowed, asked.at_least, asked.want, workers)
    if granted:
        _allow(connection, fund_id, epoch, granted)
    until = _next_expiry(connection, asked.key[0], at) if asked.kind == CREDIT else None
    return Given(fund_id, granted, cap, spent, allowed + granted, until)


def give_back(connection: Connection, amounts: Mapping[int, int], epoch: int) -> None:
    """Take back what a worker doesn't need, by fund."""
    for fund_id, amount in amounts.items():
        _allow(connection, fund_id, epoch, -amount)


def clear(connection: Connection, keys: Sequence[Key], epoch: int) -> None:
    """Take back all that a worker is allowed of these funds, however much that is. It uses nothing of them."""
    for owner, subject, period_at in keys:
        mine = (_funds.owner == owner, _funds.subject == subject, _funds.period_at == period_at)
        row = connection.execute(
            select(_funds.id, _allowances.amount_nano)
            .join_from(tables.funds, tables.allowances, _allowances.fund_id == _funds.id)
            .where(*mine, _allowances.epoch == epoch)
        ).first()
        if row is not None and row.amount_nano:
            _allow(connection, row.id, epoch, -row.amount_nano)


def _allow(connection: Connection, fund_id: int, epoch: int, amount: int) -> None:
    connection.execute(
        update(tables.funds).where(_funds.id == fund_id).values(allowed_nano=_funds.allowed_nano + amount)
    )
    mine = update(tables.allowances).where(_allowances.fund_id == fund_id, _allowances.epoch == epoch)
    changed = connection.execute(mine.values(amount_nano=_allowances.amount_nano + amount))
    if changed.rowcount == 0:
        connection.execute(insert(tables.allowances).values(fund_id=fund_id, epoch=epoch, amount_nano=amount))


def release(connection: Connection, epoch: int) -> None:
    """A worker has ended, and everything that it settled is posted: its allowances come free."""
    rows = connection.execute(select(_allowances.fund_id, _allowances.amount_nano).where(_allowances.epoch == epoch))
    for fund_id, amount in rows.fetchall():
        connection.execute(
            update(tables.funds).where(_funds.id == fund_id).values(allowed_nano=_funds.allowed_nano - amount)
        )
    connection.execute(tables.allowances.delete().where(_allowances.epoch == epoch))


# -- opening


def _open(connection: Connection, kind: str, key: Key) -> int:
    """The number of a fund; it is made when it is first needed. 0 when there is no such budget or credit."""
    owner, subject, period_at = key
    found = connection.execute(
        select(_funds.id).where(_funds.owner == owner, _funds.subject == subject, _funds.period_at == period_at)
    ).scalar()
    if found is not None:
        return int(found)
    if kind == CREDIT:
        return 0  # made by the first grant
    budget = budgets_store.budget(connection, owner)
    if budget is None or budget.removed_at is not None:
        return 0
    return _open_budget(connection, budget, subject, period_at)


def _open_budget(connection: Connection, budget: Budget, subject: str, period_at: int) -> int:
    _, ends_at = period(budget.window, budget.time_zone, period_at)
    spent = spent_of(connection, budget, subject, period_at, ends_at)
    made = insert(tables.funds).values(
        kind=BUDGET,
        owner=budget.id,
        subject=subject,
        period_at=period_at,
        ends_at=ends_at,
        currency=budget.currency,
        cap_nano=budget.cap_nano,
        spent_nano=spent,
        allowed_nano=0,
    )
    fund_id = int(connection.execute(made.returning(_funds.id)).scalar_one())
    _notice(connection, budget, fund_id, 0, spent, period_at)
    return fund_id


def spent_of(connection: Connection, budget: Budget, subject: str, from_at: int, until_at: int | None) -> int:
    """What a budget covers of the usage that is posted, corrections included. `subject`: of a budget for each end user."""
    if budget.scope == "end_user":
        return _spent_by_end_user(
            connection, budget, subject if budget.subject == EACH else budget.subject, from_at, until_at
        )
    series, rollups, corrections = tables.usage_series.c, tables.usage_rollups.c, tables.usage_corrections.c
    column = {"organization": series.organization_id, "project": series.project_id, "key": series.key_id}[budget.scope]
    ours = [column == budget.subject, series.currency == budget.currency]
    if budget.model is not None:
        ours.append(series.model == budget.model)
    used = (
        select(func.coalesce(func.sum(rollups.cost_nano), 0))
        .join_from(tables.usage_series, tables.usage_rollups, series.id == rollups.series_id)
        .where(*ours, *_within(rollups.quarter_at, from_at, until_at))
    )
    corrected = (
        select(func.coalesce(func.sum(corrections.delta_nano), 0))
        .join_from(tables.usage_series, tables.usage_corrections, series.id == corrections.series_id)
        .where(*ours, *_within(corrections.at, from_at, until_at))
    )
    return int(connection.execute(used).scalar_one()) + int(connection.execute(corrected).scalar_one())


def _spent_by_end_user(
    connection: Connection, budget: Budget, end_user: str, from_at: int, until_at: int | None
) -> int:
    """The table of end users has what corrections changed, too."""
    c = tables.usage_end_users.c
    where = [c.end_user == end_user, c.organization_id == budget.organization_id, c.currency == budget.currency]
    if budget.project_id is not None:
        where.append(c.project_id == budget.project_id)
    if budget.model is not None:
        where.append(c.model == budget.model)
    query = select(func.coalesce(func.sum(c.cost_nano), 0)).where(*where, *_within(c.day_at, from_at, until_at))
    return int(connection.execute(query).scalar_one())


def _within(column: Any, from_at: int, until_at: int | None) -> list[Any]:
    return [column >= from_at] if until_at is None else [column >= from_at, column < until_at]


def _expired(connection: Connection, organization_id: str, at: int) -> int:
    """What has expired of an organization's credit and has not been taken out of the fund yet."""
    c = tables.grants.c
    query = select(func.coalesce(func.sum(c.left_nano), 0)).where(
        c.organization_id == organization_id, c.left_nano > 0, c.expires_at <= at
    )
    return int(connection.execute(query).scalar_one())


def _next_expiry(connection: Connection, organization_id: str, at: int) -> int | None:
    c = tables.grants.c
    query = select(func.min(c.expires_at)).where(
        c.organization_id == organization_id, c.left_nano > 0, c.expires_at > at
    )
    found: int | None = connection.execute(query).scalar()
    return found


# -- spending


def settle(connection: Connection, settled: Mapping[int, int], epoch: int) -> None:
    """What a worker's calls cost, by the fund they held it from, is no longer an allowance. `spend` counts it."""
    for fund_id, cost in settled.items():
        if cost:
            _allow(connection, fund_id, epoch, -cost)


def spend(connection: Connection, spendings: Mapping[Spending, int], at: int) -> None:
    """Count what was spent in every fund that covers it, and give notice of the thresholds that it crosses."""
    lock(connection)
    places: set[tuple[str, str]] = set()
    for one in spendings:
        places.update(
            (("organization", one.organization_id), ("project", one.project_id), ("key", one.key_id)),
        )
        if one.end_user is not None:
            places.update((("end_user", one.project_id), ("end_user", one.organization_id)))
    budgets = budgets_store.budgets_at(connection, places)
    if not budgets:
        return
    sums: dict[tuple[str, str, int], int] = {}
    for one, cost in spendings.items():
        for budget in _covering(budgets, one):
            subject = budget.fund_subject(one.end_user)
            if subject is not None and cost:
                key = (budget.id, subject, period(budget.window, budget.time_zone, one.quarter_at)[0])
                sums[key] = sums.get(key, 0) + cost
    by_id = {budget.id: budget for found in budgets.values() for budget in found}
    for (budget_id, subject, period_at), cost in sums.items():
        _count(connection, by_id[budget_id], subject, period_at, cost, at)


def _covering(budgets: Mapping[tuple[str, str], Sequence[Budget]], one: Spending) -> Iterable[Budget]:
    places = [("organization", one.organization_id), ("project", one.project_id), ("key", one.key_id)]
    if one.end_user is not None:
        places += [("end_user", one.project_id), ("end_user", one.organization_id)]
    for place in places:
        for budget in budgets.get(place, ()):
            if budget.model is None or budget.model == one.model:
                yield budget


def _count(connection: Connection, budget: Budget, subject: str, period_at: int, cost: int, at: int) -> None:
    counted = (
        update(tables.funds)
        .where(_funds.owner == budget.id, _funds.subject == subject, _funds.period_at == period_at)
        .values(spent_nano=_funds.spent_nano + cost)
        .returning(_funds.id, _funds.spent_nano)
    )
    row = connection.execute(counted).first()
    if row is None:
        # Nobody has held from this fund: a budget that only warns, or one that is younger than the call. What is posted
        # by now is in the roll-ups already.
        _open_budget(connection, budget, subject, period_at)
    else:
        _notice(connection, budget, row.id, row.spent_nano - cost, row.spent_nano, at)


def _notice(connection: Connection, budget: Budget, fund_id: int, before: int, now: int, at: int) -> None:
    """Write down the thresholds that were crossed, each once a period."""
    for percent in budget.thresholds:
        mark = -(-budget.cap_nano * percent // 100)
        if not before < mark <= now:
            continue
        c = tables.budget_notices.c
        if connection.execute(select(c.at).where(c.fund_id == fund_id, c.percent == percent)).first() is not None:
            continue
        connection.execute(
            insert(tables.budget_notices).values(
                fund_id=fund_id, percent=percent, at=at, spent_nano=now, cap_nano=budget.cap_nano
            )
        )
        connection.execute(insert(tables.changes).values(topic=NOTICES_TOPIC, subject=str(fund_id), at=at))


def change_cap(connection: Connection, budget: Budget, at: int) -> None:
    """A budget has another cap: its funds that have not ended have it too. What is held already stays held."""
    open_ones = and_(_funds.owner == budget.id, or_(_funds.ends_at.is_(None), _funds.ends_at > at))
    rows = connection.execute(
        update(tables.funds).where(open_ones).values(cap_nano=budget.cap_nano).returning(_funds.id, _funds.spent_nano)
    ).fetchall()
    for row in rows:
        _notice(connection, budget, row.id, 0, row.spent_nano, at)


class Standing(NamedTuple):
    """How a fund stands: in 10⁻⁹ of its currency."""

    fund_id: int
    owner: str
    subject: str
    period_at: int
    ends_at: int | None
    cap_nano: int
    spent_nano: int
    allowed_nano: int


def fund(connection: Connection, owner: str, subject: str, period_at: int) -> Standing | None:
    """How one fund stands; None while nobody has held from it."""
    columns = [_funds[name] for name in ("id", *Standing._fields[1:])]
    found = select(*columns).where(_funds.owner == owner, _funds.subject == subject, _funds.period_at == period_at)
    row = connection.execute(found).first()
    return None if row is None else Standing(*row)


def notices(connection: Connection, fund_id: int) -> tuple[Notice, ...]:
    """The thresholds that a fund has crossed, the lowest first."""
    c = tables.budget_notices.c
    rows = connection.execute(
        select(c.percent, c.at, c.spent_nano, c.cap_nano).where(c.fund_id == fund_id).order_by(c.percent)
    )
    return tuple(Notice(*row) for row in rows)


def standings(connection: Connection, owners: Sequence[str], at: int) -> list[Standing]:
    """The funds of these owners in the periods that `at` is in."""
    found: list[Standing] = []
    columns = [_funds[name] for name in ("id", *Standing._fields[1:])]
    for start in range(0, len(owners), _IN_MAX):
        rows = connection.execute(
            select(*columns)
            .where(
                _funds.owner.in_(owners[start : start + _IN_MAX]),
                _funds.period_at <= at,
                or_(_funds.ends_at.is_(None), _funds.ends_at > at),
            )
            .order_by(_funds.id)
        )
        found += [Standing(*row) for row in rows]
    return found
