"""The SQL of budgets. Each function runs in the transaction that it is given."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, insert, select, update

from waystation import tables
from waystation.ledger.budgets.model import Budget

_IN_MAX = 500
_c = tables.budgets.c
_decode = msgspec.json.Decoder(tuple[int, ...]).decode


def _select() -> Select[Any]:
    organization = tables.organizations.c
    return select(tables.budgets, organization.time_zone).join_from(
        tables.budgets, tables.organizations, organization.id == _c.organization_id
    )


def _budgets(connection: Connection, query: Select[Any]) -> Iterator[Budget]:
    for row in connection.execute(query):
        values = dict(row._mapping)
        yield Budget(**{**values, "thresholds": _decode(values["thresholds"])})


def add(connection: Connection, budget: Budget) -> None:
    connection.execute(insert(tables.budgets).values(**_row(budget)))


def replace(connection: Connection, budget: Budget) -> None:
    """Write what of a budget can be changed."""
    row = _row(budget)
    changed = {name: row[name] for name in ("cap_nano", "hard", "thresholds", "updated_at", "removed_at")}
    connection.execute(update(tables.budgets).where(_c.id == budget.id).values(**changed))


def _row(budget: Budget) -> dict[str, Any]:
    row = msgspec.structs.asdict(budget)
    del row["time_zone"]
    row["thresholds"] = msgspec.json.encode(budget.thresholds).decode()
    return row


def budget(connection: Connection, budget_id: str) -> Budget | None:
    return next(_budgets(connection, _select().where(_c.id == budget_id)), None)


def budgets(connection: Connection, ids: Sequence[str] | None = None) -> list[Budget]:
    """Those of these ids, removed ones too; without ids all that are in force."""
    if ids is None:
        return list(_budgets(connection, _select().where(_c.removed_at.is_(None))))
    found: list[Budget] = []
    for start in range(0, len(ids), _IN_MAX):
        found += _budgets(connection, _select().where(_c.id.in_(ids[start : start + _IN_MAX])))
    return found


def of_organization(
    connection: Connection, organization_id: str, after_id: str, rows_max: int, *, ascending: bool = True
) -> list[Budget]:
    """A page of an organization's budgets that are in force, in the order of their ids."""
    query = _select().where(_c.organization_id == organization_id, _c.removed_at.is_(None)).limit(rows_max)
    if after_id:
        query = query.where(_c.id > after_id if ascending else _c.id < after_id)
    return list(_budgets(connection, query.order_by(_c.id if ascending else _c.id.desc())))


def count_of(connection: Connection, budget: Budget) -> int:
    """How many budgets in force are about the same subject."""
    same = (_c.organization_id == budget.organization_id, _c.scope == budget.scope, _c.subject == budget.subject)
    query = select(func.count()).select_from(tables.budgets).where(*same, _c.removed_at.is_(None))
    return int(connection.execute(query).scalar_one())


def count_in(connection: Connection, organization_id: str) -> int:
    """How many budgets of an organization are in force."""
    query = select(func.count()).select_from(tables.budgets)
    return int(
        connection.execute(query.where(_c.organization_id == organization_id, _c.removed_at.is_(None))).scalar_one()
    )


def budgets_at(connection: Connection, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Budget]]:
    """The budgets in force at these places (`Budget.place`)."""
    by_scope: dict[str, list[str]] = {}
    for scope, subject in places:
        by_scope.setdefault(scope, []).append(subject)
    found: dict[tuple[str, str], list[Budget]] = {}
    for scope, subjects in by_scope.items():
        for start in range(0, len(subjects), _IN_MAX):
            some = subjects[start : start + _IN_MAX]
            for one in _at(connection, scope, some):
                found.setdefault(one.place, []).append(one)
    return found


def _at(connection: Connection, scope: str, subjects: Sequence[str]) -> Iterator[Budget]:
    in_force = _select().where(_c.scope == scope, _c.removed_at.is_(None))
    if scope != "end_user":
        return _budgets(connection, in_force.where(_c.subject.in_(subjects)))
    whose = _c.project_id.in_(subjects) | (_c.project_id.is_(None) & _c.organization_id.in_(subjects))
    return _budgets(connection, in_force.where(whose))
