"""The SQL of prices and exchange rates. Each function runs in the transaction that it is given; rows are only added."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, CursorResult, Row, Select, insert, or_, select

from waystation import tables
from waystation.catalogue.prices import ExchangeRate, PriceRow
from waystation.terms import Price

_prices, _rates = tables.prices.c, tables.exchange_rates.c
_encode = msgspec.json.Encoder().encode
_price = msgspec.json.Decoder(Price)


def add_price(connection: Connection, row: PriceRow) -> int:
    """Its number. The row's own `id` is not looked at."""
    price = row.price
    made = connection.execute(
        insert(tables.prices).values(
            organization_id=row.organization_id,
            project_id=row.project_id,
            model=row.model,
            unmetered=price is None,
            currency=price and price.currency,
            rates=None if price is None else _encode(price).decode(),
            effective_at=row.effective_at,
            source=row.source,
            created_at=row.created_at,
        )
    )
    return _number(made)


def prices(connection: Connection, model: str | None = None) -> list[PriceRow]:
    """All of them, or a model's, in the order in which they were entered."""
    statement = select(tables.prices).order_by(_prices.id)
    if model is not None:
        statement = statement.where(_prices.model == model)
    return [_price_row(row) for row in connection.execute(statement)]


def page_of_prices(
    connection: Connection,
    model: str | None,
    organization_id: str | None,
    project_id: str | None,
    after_id: int | None,
    rows_max: int,
    *,
    ascending: bool,
) -> list[PriceRow]:
    """In the order of their numbers, or the other way round. `organization_id`: those that may hold for it, which are
    everybody's too; `project_id`: only those of the project itself."""
    statement = select(tables.prices)
    if model is not None:
        statement = statement.where(_prices.model == model)
    if organization_id is not None:
        statement = statement.where(or_(_prices.organization_id == organization_id, _prices.organization_id.is_(None)))
    if project_id is not None:
        statement = statement.where(_prices.project_id == project_id)
    return [_price_row(row) for row in connection.execute(_page(statement, _prices.id, after_id, rows_max, ascending))]


def _page(
    statement: Select[Any], id_: ColumnElement[int], after_id: int | None, rows_max: int, up: bool
) -> Select[Any]:
    if after_id is not None:
        statement = statement.where(id_ > after_id if up else id_ < after_id)
    return statement.order_by(id_ if up else id_.desc()).limit(rows_max)


def _price_row(row: Row[Any]) -> PriceRow:
    price = None
    if not row.unmetered:
        price = msgspec.structs.replace(_price.decode(row.rates), currency=row.currency, source=row.source)
    return PriceRow(
        row.id,
        row.organization_id,
        row.project_id,
        row.model,
        price,
        row.effective_at,
        row.source,
        row.created_at,
    )


def add_exchange_rate(connection: Connection, rate: ExchangeRate) -> int:
    """Its number. The rate's own `id` is not looked at."""
    made = connection.execute(
        insert(tables.exchange_rates).values(
            from_currency=rate.from_currency,
            to_currency=rate.to_currency,
            rate_nano=rate.rate_nano,
            effective_at=rate.effective_at,
            source=rate.source,
            created_at=rate.created_at,
        )
    )
    return _number(made)


def exchange_rates(connection: Connection) -> list[ExchangeRate]:
    """All of them, in the order in which they were entered."""
    return [ExchangeRate(*row) for row in connection.execute(select(tables.exchange_rates).order_by(_rates.id))]


def page_of_exchange_rates(
    connection: Connection,
    from_currency: str | None,
    to_currency: str | None,
    after_id: int | None,
    rows_max: int,
    *,
    ascending: bool,
) -> list[ExchangeRate]:
    statement = select(tables.exchange_rates)
    if from_currency is not None:
        statement = statement.where(_rates.from_currency == from_currency)
    if to_currency is not None:
        statement = statement.where(_rates.to_currency == to_currency)
    return [
        ExchangeRate(*row) for row in connection.execute(_page(statement, _rates.id, after_id, rows_max, ascending))
    ]


def _number(made: CursorResult[Any]) -> int:
    key = made.inserted_primary_key
    assert key is not None
    return int(key[0])


def organization_of(connection: Connection, project_id: str) -> str | None:
    """Whose project it is; None when there is no such project."""
    found: str | None = connection.execute(
        select(tables.projects.c.organization_id).where(tables.projects.c.id == project_id)
    ).scalar()
    return found


def has_organization(connection: Connection, organization_id: str) -> bool:
    ids = tables.organizations.c.id
    return connection.execute(select(ids).where(ids == organization_id)).first() is not None


def record_change(connection: Connection, topic: str, subject: str, at: int) -> None:
    """Tell the workers. Part of the transaction that made the change, so neither is there without the other."""
    connection.execute(insert(tables.changes).values(topic=topic, subject=subject, at=at))
