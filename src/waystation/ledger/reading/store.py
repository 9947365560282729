"""The SQL of usage by groups and buckets. Each function answers with plain rows: the values of the dimensions that were
asked for, the bucket's number, the currency, and sums."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from waystation import tables
from waystation.ledger.reading.buckets import Buckets
from waystation.ledger.reading.model import Ask, Dimension

SUMS = ("requests", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nano")
ROWS_MAX = 100_000  # of one answer
SEEKS_MAX = 20_000  # of a series in a bucket; where it would take more, all rows are read and sorted
LONGEST_CALL_S = 86_400  # between a request's number, which begins with its time, and its hold

_series, _rollups, _corrections = tables.usage_series.c, tables.usage_rollups.c, tables.usage_corrections.c
_savings = tables.usage_savings.c
_usage, _users = tables.usage.c, tables.usage_end_users.c
_OF_SERIES: dict[Dimension, ColumnElement[Any]] = {
    "project": _series.project_id,
    "key": _series.key_id,
    "model": _series.model,
    "operation": _series.operation,
    "deployment": _series.deployment,
}
_OF_USERS: dict[Dimension, ColumnElement[Any]] = {
    "project": _users.project_id,
    "model": _users.model,
    "end_user": _users.end_user,
}
_OF_CALLS: dict[Dimension, ColumnElement[Any]] = {**_OF_SERIES, "end_user": _usage.end_user, "tier": _usage.tier}

Rows = Iterable[Any]


def rolled_up(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """Usage by what a series has, without corrections."""
    if len(cut) > 1 and len(cut) * _series_count(connection, ask) <= SEEKS_MAX:
        # Bucket by bucket the rows are added up in the order in which they lie: three times as fast as sorting them.
        place = len(ask.by)
        for number, edges in enumerate(zip(cut.edges, cut.edges[1:], strict=False)):
            for row in _rolled_up(connection, ask, Buckets(list(edges))):
                yield (*row[:place], number, *row[place + 1 :])
    else:
        yield from _rolled_up(connection, ask, cut)


def _rolled_up(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    inside = _by_series(_rollups.series_id, _rollups.quarter_at, ask, cut)
    inner = inside.add_columns(*(func.sum(_rollups[name]).label(name) for name in SUMS)).subquery()
    return connection.execute(_outer(ask, inner, SUMS))


def _series_count(connection: Connection, ask: Ask) -> int:
    ours = _filters(ask, _OF_SERIES, _series.organization_id)
    return int(connection.execute(select(func.count()).select_from(tables.usage_series).where(*ours)).scalar_one())


def corrected(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """Corrections by what a series has: the last sum alone."""
    inside = _by_series(_corrections.series_id, _corrections.at, ask, cut)
    inner = inside.add_columns(func.sum(_corrections.delta_nano).label("cost_nano")).subquery()
    return connection.execute(_outer(ask, inner, ("cost_nano",)))


def saved(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """What kept answers saved, by what a series has: the last sum alone."""
    inside = _by_series(_savings.series_id, _savings.quarter_at, ask, cut)
    inner = inside.add_columns(func.sum(_savings.saved_nano).label("saved_nano")).subquery()
    return connection.execute(_outer(ask, inner, ("saved_nano",)))


def _by_series(series_id: ColumnElement[Any], at: ColumnElement[Any], ask: Ask, cut: Buckets) -> Select[Any]:
    """Sums of each series and bucket: added up in the order in which they lie, and only then looked up what they are of."""
    ours = select(_series.id).where(*_filters(ask, _OF_SERIES, _series.organization_id))
    inside = select(series_id, _bucket(at, cut)).where(series_id.in_(ours), at >= cut.from_at, at < cut.until_at)
    return inside.group_by(series_id) if len(cut) == 1 else inside.group_by(series_id, literal_column("bucket"))


def _outer(ask: Ask, inner: Subquery, sums: tuple[str, ...]) -> Select[Any]:
    by = [_OF_SERIES[name] for name in ask.by]
    return (
        select(*by, inner.c.bucket, _series.currency, *(func.sum(inner.c[name]) for name in sums))
        .join_from(inner, tables.usage_series, _series.id == inner.c.series_id)
        .group_by(*by, inner.c.bucket, _series.currency)
        .limit(ROWS_MAX + 1)
    )


def of_end_users(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """Usage by end user and day, with corrections in it. What is not kept there is null."""
    by = [_OF_USERS[name] for name in ask.by]
    query = (
        select(
            *by,
            _bucket(_users.day_at, cut),
            _users.currency,
            *(func.sum(_users[name]) if name in _users else literal(None) for name in SUMS),
        )
        .where(
            *_filters(ask, _OF_USERS, _users.organization_id),
            _users.day_at >= cut.from_at,
            _users.day_at < cut.until_at,
        )
        .group_by(*by, literal_column("bucket"), _users.currency)
        .limit(ROWS_MAX + 1)
    )
    return connection.execute(query)


def of_calls(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """Usage from the rows of single calls, without corrections."""
    sums = (func.count(), *(func.sum(_usage[name]) for name in SUMS[1:]))
    query = _calls(ask, cut, _usage.at, sums).join_from(
        tables.usage, tables.usage_series, _series.id == _usage.series_id
    )
    return connection.execute(query.where(within(cut.from_at, cut.until_at)))


def corrected_calls(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """Corrections by what a call has: the last sum alone."""
    query = _calls(ask, cut, _corrections.at, (func.sum(_corrections.delta_nano),))
    query = query.join_from(tables.usage_corrections, tables.usage, _usage.request_id == _corrections.request_id).join(
        tables.usage_series, _series.id == _corrections.series_id
    )
    return connection.execute(query.where(_corrections.at >= cut.from_at, _corrections.at < cut.until_at))


def saved_by_calls(connection: Connection, ask: Ask, cut: Buckets) -> Rows:
    """What kept answers saved, by what a call has: the last sum alone."""
    if connection.dialect.name == "sqlite":
        saving: ColumnElement[Any] = func.json_extract(_usage.extra, "$.saved_nano")
    else:
        saving = cast(cast(_usage.extra, JSONB)["saved_nano"].astext, BigInteger)
    query = _calls(ask, cut, _usage.at, (func.sum(saving),)).join_from(
        tables.usage, tables.usage_series, _series.id == _usage.series_id
    )
    return connection.execute(query.where(within(cut.from_at, cut.until_at), _usage.extra.contains("saved_nano")))


def _calls(ask: Ask, cut: Buckets, at: ColumnElement[Any], sums: tuple[ColumnElement[Any], ...]) -> Select[Any]:
    by = [_OF_CALLS[name] for name in ask.by]
    return (
        select(*by, _bucket(at, cut), _series.currency, *sums)
        .where(*_filters(ask, _OF_CALLS, _series.organization_id))
        .group_by(*by, literal_column("bucket"), _series.currency)
        .limit(ROWS_MAX + 1)
    )


def within(from_at: int, until_at: int) -> ColumnElement[bool]:
    """Calls that were held in a range. Request ids begin with the time, so the rows of a range lie together."""
    first, after = max(0, from_at - LONGEST_CALL_S), until_at + LONGEST_CALL_S
    return and_(
        _usage.request_id >= f"req_{min(first, 0xFFFFFFFF):08x}",
        _usage.request_id < (f"req_{after:08x}" if after <= 0xFFFFFFFF else "req_g"),
        _usage.at >= from_at,
        _usage.at < until_at,
    )


def _bucket(at: ColumnElement[Any], cut: Buckets) -> ColumnElement[Any]:
    return literal_column(cut.sql(str(at))).label("bucket")


def _filters(ask: Ask, columns: dict[Dimension, ColumnElement[Any]], organization: ColumnElement[Any]) -> list[Any]:
    ours: list[Any] = [organization == ask.organization_id]
    return ours + [columns[name].in_(values) for name, values in ask.filters.items()]


def time_zone_of(connection: Connection, organization_id: str) -> str | None:
    """None when there is no such organization."""
    c = tables.organizations.c
    found: str | None = connection.execute(select(c.time_zone).where(c.id == organization_id)).scalar()
    return found
