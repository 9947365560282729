"""Prices and exchange rates of the control plane: what is entered, and how it is shown."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from waystation.wire.answers import Shape
from waystation.wire.budgets import NanoAsked
from waystation.wire.credit import At
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

Currency = Literal["USD", "CNY"]
Source = Annotated[str, Meta(min_length=1, max_length=200)]


class Rates(Exact, frozen=True, gc=False, kw_only=True):
    """A price in whole 10⁻⁹ of the currency, for a million tokens, an image or a request. Steps and tiers are said with
    `price` only. What is left out: as there."""

    currency: Currency = "USD"
    input_nano_per_million: int | str
    output_nano_per_million: int | str
    cached_input_nano_per_million: NanoAsked = None
    cache_write_nano_per_million: NanoAsked = None
    reasoning_nano_per_million: NanoAsked = None
    audio_input_nano_per_million: NanoAsked = None
    audio_output_nano_per_million: NanoAsked = None
    image_nano: NanoAsked = None
    request_nano: NanoAsked = None


class CreatePrice(Exact, frozen=True, gc=False, kw_only=True):
    """`price` or `rates` is required. `price` is as in the configuration: {"input": "2.50", "output": "10"} with whatever
    else a price may say, 0, or "unmetered"; or a text as `--price` takes it. Without an organization and a project it is
    everybody's."""

    model: str
    price: dict[str, Any] | int | str | None = None
    rates: Rates | None = None
    organization_id: str | None = None
    project_id: str | None = None
    effective_at: At | None = None  # left out: now. A past time changes no call that is settled
    source: Source = "administrator"


class PriceObject(Shape, frozen=True, kw_only=True):
    """What a model costs from a time on. Rows are only added: the newest that has begun holds."""

    id: str
    object: Literal["price"] = "price"
    model: str
    organization_id: str | None  # null, and no project: everybody's
    project_id: str | None
    unmetered: bool
    currency: str | None
    price: Any  # as it may be entered
    effective_at: int
    source: str
    created_at: int


class PriceRows(Listing, frozen=True, kw_only=True):
    data: list[PriceObject]


class EffectivePrice(Shape, frozen=True, kw_only=True):
    """What a model costs whoever asks, in the currency that they pay in."""

    object: Literal["effective_price"] = "effective_price"
    model: str
    organization_id: str
    project_id: str | None
    at: int
    unmetered: bool
    currency: str
    price: Any
    holds_for: Literal["project", "organization", "everybody", "model"]  # "model": it is the model's own
    source: str | None
    price_id: str | None  # null: the model's own
    effective_at: int | None


class CreateExchangeRate(Exact, frozen=True, gc=False, kw_only=True):
    """`rate` ("0.14") or `rate_nano`: what one of a currency is worth in the other. The way back is another rate."""

    from_currency: Currency
    to_currency: Currency
    rate: str | None = None
    rate_nano: NanoAsked = None
    effective_at: At | None = None
    source: Source = "administrator"


class ExchangeRateObject(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["exchange_rate"] = "exchange_rate"
    from_currency: str
    to_currency: str
    rate: str
    rate_nano: str
    effective_at: int
    source: str
    created_at: int


class ExchangeRateList(Listing, frozen=True, kw_only=True):
    data: list[ExchangeRateObject]
