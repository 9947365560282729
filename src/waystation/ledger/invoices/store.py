"""The SQL of invoices. Each function runs in the transaction that it is given."""

from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from waystation import tables
from waystation.ledger.invoices.model import Correction, Details, Invoice, Line, month_of

_invoices, _series, _projects = tables.invoices.c, tables.usage_series.c, tables.projects.c
_rollups, _corrections = tables.usage_rollups.c, tables.usage_corrections.c
_decode = msgspec.json.Decoder(Details).decode
_TOKENS = ("requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_nano")


def organizations(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(tables.organizations).order_by(tables.organizations.c.id)))


def organization(connection: Connection, organization_id: str) -> Row[Any] | None:
    table = tables.organizations
    return connection.execute(select(table).where(table.c.id == organization_id)).first()


# -- what is on one


def lines(connection: Connection, organization_id: str, currency: str, from_at: int, until_at: int) -> list[Line]:
    """What was used in a period, by project and model."""
    inner = (
        select(_rollups.series_id, *(func.sum(_rollups[name]).label(name) for name in _TOKENS))
        .where(_rollups.series_id.in_(_ours(organization_id, _series.currency == currency)), *_in(from_at, until_at))
        .group_by(_rollups.series_id)
        .subquery()
    )
    rows = connection.execute(
        select(
            _series.project_id,
            func.coalesce(_projects.name, ""),
            _series.model,
            *(func.sum(inner.c[name]) for name in _TOKENS),
        )
        .join_from(inner, tables.usage_series, _series.id == inner.c.series_id)
        .outerjoin(tables.projects, _projects.id == _series.project_id)
        .group_by(_series.project_id, _projects.name, _series.model)
        .order_by(_series.project_id, _series.model)
    )
    return [Line(project_id, name, model, *map(int, sums)) for project_id, name, model, *sums in rows]


def other_currencies(
    connection: Connection, organization_id: str, currency: str, from_at: int, until_at: int
) -> dict[str, int]:
    """What was charged in a period in other currencies than the organization's."""
    rows = connection.execute(
        select(_series.currency, func.sum(_rollups.cost_nano))
        .join_from(tables.usage_series, tables.usage_rollups, _rollups.series_id == _series.id)
        .where(_series.organization_id == organization_id, _series.currency != currency, *_in(from_at, until_at))
        .group_by(_series.currency)
    )
    return {other: int(charged) for other, charged in rows if charged}


def corrections(
    connection: Connection, organization_id: str, currency: str, until_at: int, time_zone: str
) -> list[Correction]:
    """Those that are on no invoice yet, of calls before a time."""
    rows = connection.execute(
        select(
            _series.project_id,
            func.coalesce(_projects.name, ""),
            _series.model,
            _corrections.rerating_id,
            _corrections.at - _corrections.at % 900,
            func.count(),
            func.sum(_corrections.delta_nano),
        )
        .join_from(tables.usage_corrections, tables.usage_series, _series.id == _corrections.series_id)
        .outerjoin(tables.projects, _projects.id == _series.project_id)
        .where(*_open(organization_id, currency, until_at))
        .group_by(
            _series.project_id,
            _projects.name,
            _series.model,
            _corrections.rerating_id,
            _corrections.at - _corrections.at % 900,
        )
    )
    sums: dict[tuple[str, str, str, str, str], list[int]] = {}
    for project_id, name, model, rerating_id, quarter_at, requests, delta in rows:
        key = (project_id, name, model, month_of(quarter_at, time_zone), rerating_id)
        total = sums.setdefault(key, [0, 0])
        total[0] += int(requests)
        total[1] += int(delta)
    return [Correction(*key, *total) for key, total in sorted(sums.items())]


def is_due(connection: Connection, organization_id: str, currency: str, from_at: int, until_at: int) -> bool:
    """Whether anything was used in a period, or corrected that is on no invoice yet."""
    used = select(1).where(
        _rollups.series_id.in_(_ours(organization_id, _series.currency == currency)), *_in(from_at, until_at)
    )
    if connection.execute(used.limit(1)).first() is not None:
        return True
    corrected = select(1).join_from(tables.usage_corrections, tables.usage_series, _series.id == _corrections.series_id)
    return connection.execute(corrected.where(*_open(organization_id, currency, until_at)).limit(1)).first() is not None


def first_use(connection: Connection, organization_id: str) -> int | None:
    """When the organization's first roll-up begins."""
    first = (
        select(func.min(_rollups.quarter_at)).where(_rollups.series_id == _series.id).correlate(tables.usage_series)
    ).scalar_subquery()
    found: int | None = connection.execute(
        select(func.min(first)).select_from(tables.usage_series).where(_series.organization_id == organization_id)
    ).scalar()
    return found


def _ours(organization_id: str, *where: ColumnElement[bool]) -> Any:
    return select(_series.id).where(_series.organization_id == organization_id, *where)


def _in(from_at: int, until_at: int) -> tuple[ColumnElement[bool], ...]:
    return _rollups.quarter_at >= from_at, _rollups.quarter_at < until_at


def _open(organization_id: str, currency: str, until_at: int) -> tuple[ColumnElement[bool], ...]:
    return (
        _series.organization_id == organization_id,
        _series.currency == currency,
        _corrections.invoice_id.is_(None),
        _corrections.at < until_at,
    )


# -- invoices


def add(connection: Connection, invoice: Invoice) -> None:
    """Write it, and that its corrections are on it."""
    details = Details(
        invoice.organization,
        invoice.time_zone,
        invoice.terms,
        invoice.lines,
        invoice.corrections,
        invoice.other_currencies,
    )
    connection.execute(
        insert(tables.invoices).values(
            id=invoice.id,
            organization_id=invoice.organization_id,
            month=invoice.month,
            from_at=invoice.from_at,
            until_at=invoice.until_at,
            currency=invoice.currency,
            total_nano=invoice.total_nano,
            lines=msgspec.json.encode(details).decode(),
            issued_at=invoice.issued_at,
        )
    )
    ours = _ours(invoice.organization_id, _series.currency == invoice.currency)
    connection.execute(
        update(tables.usage_corrections)
        .where(_corrections.series_id.in_(ours), _corrections.invoice_id.is_(None), _corrections.at < invoice.until_at)
        .values(invoice_id=invoice.id)
    )


def last_number(connection: Connection, year: int) -> str | None:
    found: str | None = connection.execute(
        select(func.max(_invoices.id)).where(_invoices.id >= f"INV-{year}-", _invoices.id < f"INV-{year}-:")
    ).scalar()
    return found


def of_month(connection: Connection, organization_id: str, month: str) -> Invoice | None:
    return _first(connection, _invoices.organization_id == organization_id, _invoices.month == month)


def invoice(connection: Connection, organization_id: str, invoice_id: str) -> Invoice | None:
    return _first(connection, _invoices.organization_id == organization_id, _invoices.id == invoice_id)


def invoices(connection: Connection, organization_id: str, before_month: str, rows_max: int) -> list[Invoice]:
    """A page of an organization's invoices, those of the newest months first."""
    query = select(tables.invoices).where(_invoices.organization_id == organization_id)
    if before_month:
        query = query.where(_invoices.month < before_month)
    return list(_read(connection.execute(query.order_by(_invoices.month.desc()).limit(rows_max))))


def last_month_until(connection: Connection, organization_id: str) -> int | None:
    """Until when the organization's last invoice is."""
    found: int | None = connection.execute(
        select(func.max(_invoices.until_at)).where(_invoices.organization_id == organization_id)
    ).scalar()
    return found


def _first(connection: Connection, *where: ColumnElement[bool]) -> Invoice | None:
    return next(_read(connection.execute(select(tables.invoices).where(*where))), None)


def _read(rows: Any) -> Iterator[Invoice]:
    for row in rows:
        details = _decode(row.lines)
        yield Invoice(
            row.id,
            row.organization_id,
            details.organization,
            row.month,
            details.time_zone,
            row.from_at,
            row.until_at,
            row.currency,
            details.terms,
            details.lines,
            details.corrections,
            row.total_nano,
            row.issued_at,
            details.other_currencies,
        )
