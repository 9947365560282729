"""What can be done with prices and exchange rates: the rules, no SQL. Nothing is ever edited: a newer row says better.

Every verb runs inside the transaction that it is given, and records the numbered change that the workers follow.
"""

from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.catalogue import store
from waystation.catalogue.prices import CURRENCIES, ExchangeRate, PriceRow, Prices
from waystation.errors import InvalidRequest
from waystation.metering.price_rules import check_price
from waystation.terms import Model, Price

PRICES = "prices"  # the topic of their changes; the subject is the model, or the two currencies of a rate
MODEL_CHARS_MAX = 200
SOURCE_CHARS_MAX = 200
RATE_NANO_MAX = 10**15  # a million of one currency for one of the other
TIME_MAX = 253_402_300_799  # the end of the year 9999


class Now(Protocol):
    def now_s(self) -> int: ...


class PriceList:
    """The verbs."""

    def __init__(self, clock: Now) -> None:
        self._clock = clock

    def add_price(
        self,
        connection: Connection,
        model: str,
        price: Price | None,
        *,
        organization_id: str | None = None,
        project_id: str | None = None,
        effective_at: int | None = None,
        source: str = "administrator",
    ) -> PriceRow:
        """From `effective_at` (UTC seconds; now) on this is what a model costs. `price` None: unmetered.

        For everybody, or for an organization, or for a project. A time in the past changes no call that is settled.
        Raises InvalidRequest.
        """
        if not model or len(model) > MODEL_CHARS_MAX or not model.isprintable():
            raise InvalidRequest(f"A model's name has 1 to {MODEL_CHARS_MAX} printable characters.", param="model")
        if price is not None:
            check_currency(price.currency)
            check_price(price)
        organization_id = self._scope(connection, organization_id, project_id)
        now = self._clock.now_s()
        row = PriceRow(
            0,
            organization_id,
            project_id,
            model,
            price and msgspec.structs.replace(price, source=_checked_source(source)),
            _checked_time(now if effective_at is None else effective_at),
            _checked_source(source),
            now,
        )
        row = msgspec.structs.replace(row, id=store.add_price(connection, row))
        store.record_change(connection, PRICES, model, now)
        return row

    def add_exchange_rate(
        self,
        connection: Connection,
        from_currency: str,
        to_currency: str,
        rate_nano: int,
        *,
        effective_at: int | None = None,
        source: str = "administrator",
    ) -> ExchangeRate:
        """From `effective_at` on, one of a currency is worth `rate_nano` 10⁻⁹ of the other. Raises InvalidRequest."""
        if check_currency(from_currency, "from_currency") == check_currency(to_currency, "to_currency"):
            raise InvalidRequest("An exchange rate is between two currencies.", param="to_currency")
        if not 0 < rate_nano <= RATE_NANO_MAX:
            raise InvalidRequest(
                f"An exchange rate is above 0 and at most {RATE_NANO_MAX // 10**9}, with at most 9 decimals.",
                param="rate",
            )
        now = self._clock.now_s()
        rate = ExchangeRate(
            0,
            from_currency,
            to_currency,
            rate_nano,
            _checked_time(now if effective_at is None else effective_at),
            _checked_source(source),
            now,
        )
        rate = msgspec.structs.replace(rate, id=store.add_exchange_rate(connection, rate))
        store.record_change(connection, PRICES, f"{from_currency}/{to_currency}", now)
        return rate

    def prices(self, connection: Connection, model: str | None = None) -> list[PriceRow]:
        """Every row, or a model's, the oldest first."""
        return store.prices(connection, model)

    def exchange_rates(self, connection: Connection) -> list[ExchangeRate]:
        return store.exchange_rates(connection)

    def page(
        self,
        connection: Connection,
        model: str | None,
        organization_id: str | None,
        project_id: str | None,
        after_id: int | None,
        rows_max: int,
        *,
        ascending: bool = True,
    ) -> list[PriceRow]:
        """Rows by what they are for, in the order in which they were entered or the other way round. `organization_id`:
        those that may hold for it, everybody's too."""
        which = (model, organization_id, project_id)
        return store.page_of_prices(connection, *which, after_id, rows_max, ascending=ascending)

    def page_of_exchange_rates(
        self,
        connection: Connection,
        from_currency: str | None,
        to_currency: str | None,
        after_id: int | None,
        rows_max: int,
        *,
        ascending: bool = True,
    ) -> list[ExchangeRate]:
        return store.page_of_exchange_rates(
            connection, from_currency, to_currency, after_id, rows_max, ascending=ascending
        )

    def effective(
        self, connection: Connection, model: Model, organization_id: str, project_id: str, currency: str, at: int
    ) -> tuple[PriceRow | None, Price | None]:
        """The row that holds for a project (or "": the organization) at a time, None where the model's own price does; and
        that price in the currency, None: unmetered. Raises PriceMissing."""
        rows = store.prices(connection, model.name) + (
            store.prices(connection, model.alias_of) if model.alias_of else []
        )
        entered = Prices(rows, store.exchange_rates(connection))
        return (
            entered.row_of(model, organization_id, project_id, at),
            entered.price_of(model, organization_id, project_id, currency, at),
        )

    def _scope(self, connection: Connection, organization_id: str | None, project_id: str | None) -> str | None:
        """The organization that a row is for; a project's own when only the project is named."""
        if organization_id is not None and not store.has_organization(connection, organization_id):
            raise InvalidRequest(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        if project_id is None:
            return organization_id
        owner = store.organization_of(connection, project_id)
        if owner is None or organization_id not in (None, owner):
            raise InvalidRequest(f"There is no project {project_id[:80]!r} there.", param="project_id")
        return owner


def check_currency(currency: str, param: str = "currency") -> str:
    if currency not in CURRENCIES:
        raise InvalidRequest(f"The currency {currency[:20]!r} is unknown. Use {' or '.join(CURRENCIES)}.", param=param)
    return currency


def _checked_time(at: int) -> int:
    if not 0 <= at <= TIME_MAX:
        raise InvalidRequest(
            "A price begins at a time in UTC seconds, of this or a later century.", param="effective_at"
        )
    return at


def _checked_source(source: str) -> str:
    if not source or len(source) > SOURCE_CHARS_MAX or not source.isprintable():
        raise InvalidRequest(f"A source has 1 to {SOURCE_CHARS_MAX} printable characters.", param="source")
    return source
