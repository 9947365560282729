"""The SQL of re-rating. Each function runs in the transaction that it is given."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, func, insert, or_, select, text

from waystation import tables
from waystation.ledger.model import CREDIT, RECEIVABLE
from waystation.ledger.reading.store import within
from waystation.ledger.rerating.model import Ask, Rerating, Row
from waystation.terms import Price

_usage, _series, _corrections = tables.usage.c, tables.usage_series.c, tables.usage_corrections.c
_reratings, _funds = tables.reratings.c, tables.funds.c
_decode_price = msgspec.json.Decoder(Price).decode
_decode_deltas = msgspec.json.Decoder(dict[str, int]).decode


class Series(NamedTuple):
    """Whose calls a series has."""

    organization_id: str
    project_id: str
    key_id: str
    currency: str


class Organization(NamedTuple):
    """What matters of one when it is charged."""

    postpaid: bool
    time_zone: str


def series(connection: Connection, ask: Ask) -> dict[int, Series]:
    """The series that a question is about, in whatever currency."""
    where = [_series.model == ask.model]
    if ask.organization_id is not None:
        where.append(_series.organization_id == ask.organization_id)
    if ask.project_id is not None:
        where.append(_series.project_id == ask.project_id)
    columns = [_series[name] for name in ("id", *Series._fields)]
    return {row[0]: Series(*row[1:]) for row in connection.execute(select(*columns).where(*where))}


def has_used(connection: Connection, series_ids: Sequence[int], ask: Ask) -> bool:
    """Whether there is any call of these series in the period."""
    query = select(1).where(_usage.series_id.in_(series_ids), within(ask.from_at, ask.until_at))
    return bool(series_ids) and connection.execute(query.limit(1)).first() is not None


def calls(connection: Connection, ask: Ask, rows_max: int) -> list[Row]:
    """The calls of the period that were charged in the price's currency, with who paid and all earlier corrections."""
    ours = [_series.model == ask.model, _series.currency == ask.price.currency]
    if ask.organization_id is not None:
        ours.append(_series.organization_id == ask.organization_id)
    if ask.project_id is not None:
        ours.append(_series.project_id == ask.project_id)
    accounts, postings = tables.ledger_accounts.c, tables.postings.c
    payer = (
        select(func.max(accounts.kind))
        .join_from(tables.postings, tables.ledger_accounts, accounts.id == postings.account_id)
        .where(postings.entry_id == _usage.entry_id, accounts.kind.in_((RECEIVABLE, CREDIT)))
        .correlate(tables.usage)
        .scalar_subquery()
    )
    corrected = (
        select(func.coalesce(func.sum(_corrections.delta_nano), 0))
        .where(_corrections.request_id == _usage.request_id)
        .correlate(tables.usage)
        .scalar_subquery()
    )
    query = (
        select(*(_usage[name] for name in Row._fields[:-2]), corrected, payer)
        .join_from(tables.usage, tables.usage_series, _series.id == _usage.series_id)
        .where(*ours, within(ask.from_at, ask.until_at))
        .order_by(_usage.request_id)
        .limit(rows_max)
    )
    return [Row._make((*row[:-2], int(row[-2]), row[-1])) for row in connection.execute(query)]


def organizations(connection: Connection, ids: Sequence[str]) -> dict[str, Organization]:
    c = tables.organizations.c
    rows = connection.execute(select(c.id, c.postpaid, c.time_zone).where(c.id.in_(ids)))
    return {row.id: Organization(bool(row.postpaid), row.time_zone) for row in rows}


def exists(connection: Connection, table: Any, id_: str) -> bool:
    return connection.execute(select(1).select_from(table).where(table.c.id == id_)).first() is not None


def unheld_credit(connection: Connection, organization_id: str) -> int:
    """What of a prepaid organization's credit is neither spent nor held by open calls."""
    found = connection.execute(
        select(_funds.cap_nano - _funds.spent_nano - _funds.allowed_nano).where(
            _funds.owner == organization_id, _funds.kind == "credit"
        )
    ).scalar()
    return 0 if found is None else int(found)


# -- writing


def add_corrections(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(tables.usage_corrections), rows)


# A row is made where the organization's days began at another time when the call was posted.
_CORRECT_END_USER = text("""
INSERT INTO usage_end_users (project_id, end_user, day_at, model, currency, organization_id, requests, input_tokens,
    output_tokens, cost_nano)
VALUES (:project_id, :end_user, :day_at, :model, :currency, :organization_id, 0, 0, 0, :delta_nano)
ON CONFLICT (project_id, end_user, day_at, model, currency)
DO UPDATE SET cost_nano = usage_end_users.cost_nano + excluded.cost_nano
""")
END_USER_KEY = ("project_id", "end_user", "day_at", "model", "currency", "organization_id")


def correct_end_users(connection: Connection, deltas: dict[tuple[str | int, ...], int]) -> None:
    """Add to what end users were charged, by the values of END_USER_KEY."""
    rows = [dict(zip(END_USER_KEY, key, strict=True), delta_nano=delta) for key, delta in deltas.items()]
    if rows:
        connection.execute(_CORRECT_END_USER, rows)


def add(connection: Connection, rerating: Rerating) -> None:
    values = {name: getattr(rerating, name) for name in Rerating.__struct_fields__}
    values["price"] = msgspec.json.encode(rerating.price).decode()
    values["delta_nano"] = msgspec.json.encode(rerating.delta_nano).decode()
    connection.execute(insert(tables.reratings).values(**values))


def tell(connection: Connection, topic: str, subject: str, at: int) -> None:
    connection.execute(insert(tables.changes).values(topic=topic, subject=subject, at=at))


# -- reading


def rerating(connection: Connection, rerating_id: str) -> Rerating | None:
    return next(_read(connection.execute(_select().where(_reratings.id == rerating_id))), None)


def reratings(connection: Connection, after: Rerating | None, rows_max: int) -> list[Rerating]:
    """The newest first; those older than one, if that is said."""
    newest = _select().order_by(_reratings.created_at.desc(), _reratings.id.desc())
    if after is not None:
        same_second = and_(_reratings.created_at == after.created_at, _reratings.id < after.id)
        newest = newest.where(or_(_reratings.created_at < after.created_at, same_second))
    return list(_read(connection.execute(newest.limit(rows_max))))


def changes(connection: Connection, rerating_id: str) -> list[tuple[str, str, int, int]]:
    """What it changed, by organization and currency: how many calls, and by how much in all."""
    rows = connection.execute(
        select(_series.organization_id, _series.currency, func.count(), func.sum(_corrections.delta_nano))
        .join_from(tables.usage_corrections, tables.usage_series, _series.id == _corrections.series_id)
        .where(_corrections.rerating_id == rerating_id)
        .group_by(_series.organization_id, _series.currency)
        .order_by(_series.organization_id, _series.currency)
    )
    return [(organization_id, currency, int(count), int(delta)) for organization_id, currency, count, delta in rows]


def _select() -> Any:
    return select(*(_reratings[name] for name in Rerating.__struct_fields__))


def _read(rows: Any) -> Iterator[Rerating]:
    for row in rows:
        values = dict(row._mapping)
        values["price"] = _decode_price(values["price"])
        values["delta_nano"] = _decode_deltas(values["delta_nano"])
        yield Rerating(**values)
