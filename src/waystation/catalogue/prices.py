"""Which price holds for whom and when, and what it is in another currency. Pure: rows in, a price out.

Rows are only ever added. For a caller the nearest scope wins (project, organization, everybody), then the model's own price;
within a scope the newest row that is effective. `store.py` reads the rows, `resolve.py` asks.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from waystation.errors import InvalidRequest, PriceMissing
from waystation.metering.price_rules import check_price, is_free
from waystation.terms import Model, Price, Step

NANO = 10**9
CURRENCIES = ("USD", "CNY")


class PriceRow(msgspec.Struct, frozen=True):
    """What a model costs from a time on, for everybody or for an organization or a project. `price` None: unmetered."""

    id: int
    organization_id: str | None
    project_id: str | None
    model: str
    price: Price | None
    effective_at: int  # UTC seconds
    source: str
    created_at: int


class ExchangeRate(msgspec.Struct, frozen=True):
    id: int
    from_currency: str
    to_currency: str
    rate_nano: int  # 10⁻⁹ of `to` for one of `from`
    effective_at: int  # UTC seconds
    source: str
    created_at: int


Dated = TypeVar("Dated", PriceRow, ExchangeRate)
Scope = tuple[str | None, str | None]  # (organization, project); (None, None): everybody


class Prices:
    """All rows, by what they are asked for. Never changed; a change makes a new one."""

    __slots__ = ("_rates", "_rows", "_times")

    def __init__(self, rows: Iterable[PriceRow] = (), rates: Iterable[ExchangeRate] = ()) -> None:
        self._rows: dict[str, dict[Scope, list[PriceRow]]] = {}
        for row in sorted(rows, key=lambda row: (row.effective_at, row.id)):
            self._rows.setdefault(row.model, {}).setdefault((row.organization_id, row.project_id), []).append(row)
        self._rates: dict[tuple[str, str], list[ExchangeRate]] = {}
        for rate in sorted(rates, key=lambda rate: (rate.effective_at, rate.id)):
            self._rates.setdefault((rate.from_currency, rate.to_currency), []).append(rate)
        of_rows = {row.effective_at for by_scope in self._rows.values() for each in by_scope.values() for row in each}
        of_rates = {rate.effective_at for each in self._rates.values() for rate in each}
        self._times = sorted(of_rows | of_rates)

    def __bool__(self) -> bool:
        """Whether any price was ever entered; without, every model has its own."""
        return bool(self._rows)

    def next_change(self, at: int) -> int | None:
        """When something that is entered already begins to hold: until then nothing changes by itself."""
        return next((time for time in self._times if time > at), None)

    def row_of(self, model: Model, organization_id: str, project_id: str, at: int) -> PriceRow | None:
        """The row that holds; None: the model's own price does. A name's own rows come before those of what it stands for."""
        for name in (model.name, model.alias_of):
            by_scope = self._rows.get(name) if name else None
            if by_scope is None:
                continue
            for scope in ((organization_id, project_id), (organization_id, None), (None, None)):
                row = _newest(by_scope.get(scope, ()), at)
                if row is not None:
                    return row
        return None

    def price_of(self, model: Model, organization_id: str, project_id: str, currency: str, at: int) -> Price | None:
        """What a model costs a caller, in the caller's currency; None: it is unmetered.

        Raises PriceMissing when no exchange rate says what it is in that currency.
        """
        row = self.row_of(model, organization_id, project_id, at)
        price = model.price if row is None else row.price
        if price is None or price.currency == currency:
            return price
        if is_free(price):  # nothing is nothing in any currency
            return _scaled(price, 0, currency, price.source)
        rate = _newest(self._rates.get((price.currency, currency), ()), at)
        if rate is None:
            raise PriceMissing(
                f"The model `{model.name}` is priced in {price.currency} and your organization pays in {currency}, "
                f"but no exchange rate from {price.currency} to {currency} is known.",
                detail=f"waystation prices rate {price.currency} {currency} RATE",
            )
        converted = _scaled(
            price, rate.rate_nano, currency, f"{price.source}; {price.currency} to {currency} ({rate.source})"
        )
        try:
            return check_price(converted)
        except InvalidRequest as error:
            raise PriceMissing(
                f"The price of the model `{model.name}` can't be said in {currency}: {error.message}"
            ) from None


def _newest(rows: Iterable[Dated], at: int) -> Dated | None:
    """The last of these, which are in order, that is effective; of two from the same moment, the one entered last."""
    found = None
    for row in rows:
        if row.effective_at > at:
            break
        found = row
    return found


# -- into another currency: each rate is rounded once, half up, to 10⁻⁹ for a million tokens


def _scaled(price: Price, rate_nano: int, currency: str, source: str) -> Price:
    def scale(amount: int | None) -> int | None:
        return None if amount is None else _times(amount, rate_nano)

    return Price(
        currency,
        _times(price.input_nano_per_million, rate_nano),
        _times(price.output_nano_per_million, rate_nano),
        scale(price.cached_input_nano_per_million),
        source,
        scale(price.cache_write_nano_per_million),
        scale(price.reasoning_nano_per_million),
        scale(price.audio_input_nano_per_million),
        scale(price.audio_output_nano_per_million),
        scale(price.image_nano),
        _times(price.request_nano, rate_nano),
        tuple(
            Step(
                step.above_input_tokens,
                _times(step.input_nano_per_million, rate_nano),
                _times(step.output_nano_per_million, rate_nano),
                scale(step.cached_input_nano_per_million),
                scale(step.cache_write_nano_per_million),
            )
            for step in price.steps
        ),
        {name: _scaled(tier, rate_nano, currency, source) for name, tier in price.tiers.items()},
        {name: _times(fee, rate_nano) for name, fee in price.tools.items()},
    )


def _times(amount: int, rate_nano: int) -> int:
    return (amount * rate_nano + NANO // 2) // NANO
