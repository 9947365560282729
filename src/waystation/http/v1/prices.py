"""`/v1/waystation/prices` and `/v1/waystation/exchange_rates`: what models cost whom from when, and what the caller pays."""

import re
from functools import partial
from typing import Any, Literal

from waystation.catalogue.prices import ExchangeRate, PriceRow
from waystation.errors import InvalidRequest, ModelNotFound, NotFound
from waystation.http.v1.asked_price import asked_price
from waystation.http.v1.control import PAGE, Asked, Control, Query, Resource
from waystation.metering.price_text import decimal_of, written_price
from waystation.terms import Model
from waystation.wire.listing import Page, listing
from waystation.wire.money import required_nano
from waystation.wire.prices import (
    CreateExchangeRate,
    CreatePrice,
    EffectivePrice,
    ExchangeRateList,
    ExchangeRateObject,
    PriceObject,
    PriceRows,
)
from waystation.wire.read import Reader

_read_price, _read_rate = Reader(CreatePrice).read, Reader(CreateExchangeRate).read
_NUMBER = re.compile(r"[0-9]{1,18}")


# -- prices


async def create(control: Control, asked: Asked) -> PriceObject:
    wanted = _read_price(asked.body)
    price = asked_price(wanted.price, wanted.rates)
    model = _model(control, wanted.model)
    add = partial(
        control.prices.add_price,
        model=model.name,
        price=price,
        organization_id=wanted.organization_id,
        project_id=wanted.project_id,
        effective_at=wanted.effective_at,
        source=wanted.source,
    )
    return price_object(await control.change(add))


async def list_(control: Control, asked: Asked) -> PriceRows:
    """What may hold for an organization; to the operator who names none, everything."""
    page, project_id = asked.page(), asked.query.get("project_id")
    everything = "organization_id" not in asked.query and await control.is_operator(asked.caller)
    organization_id = None if everything else asked.organization_id

    def find(connection: Any) -> list[PriceRow]:
        if project_id is not None and not everything:
            control.accounts.project(connection, asked.organization_id, project_id)
        return control.prices.page(
            connection,
            asked.query.get("model"),
            organization_id,
            project_id,
            _after(page),
            page.rows_max,
            ascending=page.ascending,
        )

    return listing(PriceRows, page, [price_object(row) for row in await control.read(find)])


async def effective(control: Control, asked: Asked) -> EffectivePrice:
    """A project's key is told its project's price; an admin key its organization's, or that of a project of it."""
    if "model" not in asked.query:
        raise InvalidRequest("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    model, at = _model(control, asked.query["model"]), asked.time("at", control.clock.now_s())
    project_id = asked.query.get("project_id", asked.caller.project_id)
    if not asked.caller.admin and project_id != asked.caller.project_id:
        raise NotFound(f"There is no project {project_id[:80]!r}.", param="project_id")

    def find(connection: Any) -> EffectivePrice:
        organization = control.accounts.organization(connection, asked.organization_id)
        if project_id:
            control.accounts.project(connection, organization.id, project_id)
        row, price = control.prices.effective(connection, model, organization.id, project_id, organization.currency, at)
        return EffectivePrice(
            model=model.name,
            organization_id=organization.id,
            project_id=project_id or None,
            at=at,
            unmetered=price is None,
            currency=organization.currency,
            price=written_price(price),
            holds_for=_scope(row),
            source=price.source if price is not None else None if row is None else row.source,
            price_id=None if row is None else str(row.id),
            effective_at=None if row is None else row.effective_at,
        )

    return await control.read(find)


def _model(control: Control, name: str) -> Model:
    """Raises ModelNotFound: a price for a name that nobody can call would be a slip that costs money."""
    model = control.models().get(name)
    if model is None:
        raise ModelNotFound(
            f"The model `{name[:200]}` does not exist. GET /v1/models lists those that do.", param="model"
        )
    return model


def _scope(row: PriceRow | None) -> Literal["project", "organization", "everybody", "model"]:
    if row is None:
        return "model"
    if row.project_id is not None:
        return "project"
    return "everybody" if row.organization_id is None else "organization"


def _after(page: Page) -> int | None:
    """Rows have numbers. Raises InvalidRequest."""
    if not page.after:
        return None
    if not _NUMBER.fullmatch(page.after):
        raise InvalidRequest("Invalid 'after': it is the id of an object of this list.", param="after")
    return int(page.after)


# -- exchange rates


async def create_rate(control: Control, asked: Asked) -> ExchangeRateObject:
    wanted = _read_rate(asked.body)
    add = partial(
        control.prices.add_exchange_rate,
        from_currency=wanted.from_currency,
        to_currency=wanted.to_currency,
        rate_nano=required_nano(wanted.rate_nano, wanted.rate, "rate"),
        effective_at=wanted.effective_at,
        source=wanted.source,
    )
    return rate_object(await control.change(add))


async def list_rates(control: Control, asked: Asked) -> ExchangeRateList:
    page = asked.page()
    currencies = asked.query.get("from_currency"), asked.query.get("to_currency")

    def find(connection: Any) -> list[ExchangeRate]:
        return control.prices.page_of_exchange_rates(
            connection, *currencies, _after(page), page.rows_max, ascending=page.ascending
        )

    return listing(ExchangeRateList, page, [rate_object(rate) for rate in await control.read(find)])


# -- as they are shown


def price_object(row: PriceRow) -> PriceObject:
    return PriceObject(
        id=str(row.id),
        model=row.model,
        organization_id=row.organization_id,
        project_id=row.project_id,
        unmetered=row.price is None,
        currency=None if row.price is None else row.price.currency,
        price=written_price(row.price),
        effective_at=row.effective_at,
        source=row.source,
        created_at=row.created_at,
    )


def rate_object(rate: ExchangeRate) -> ExchangeRateObject:
    return ExchangeRateObject(
        id=str(rate.id),
        from_currency=rate.from_currency,
        to_currency=rate.to_currency,
        rate=decimal_of(rate.rate_nano),
        rate_nano=str(rate.rate_nano),
        effective_at=rate.effective_at,
        source=rate.source,
        created_at=rate.created_at,
    )


_PRICES, _RATES = "/waystation/prices", "/waystation/exchange_rates"
_TEXT: dict[str, Any] = {"type": "string"}
_CURRENCY: dict[str, Any] = {"type": "string", "enum": ["USD", "CNY"]}
_PROJECT = Query("project_id", _TEXT, "Of this project alone.")
RESOURCES = (
    Resource(
        "GET",
        _PRICES,
        list_,
        "listPrices",
        "The prices that were entered: those that may hold for an organization, or to the operator all of them.",
        PriceRows,
        query=(*PAGE, Query("model", _TEXT, "Of this model alone."), _PROJECT),
    ),
    Resource(
        "POST", _PRICES, create, "createPrice", "Say what a model costs from a time on.", PriceObject, CreatePrice
    ),
    Resource(
        "GET",
        f"{_PRICES}/effective",
        effective,
        "retrieveEffectivePrice",
        "What a model costs whoever asks, from where that is and since when.",
        EffectivePrice,
        query=(
            Query("model", _TEXT, "Required: its name."),
            Query("project_id", _TEXT, "Of an admin key: as this project pays."),
            Query("at", {"type": "integer", "minimum": 0}, "Then, in UTC seconds; left out: now."),
        ),
    ),
    Resource(
        "GET",
        _RATES,
        list_rates,
        "listExchangeRates",
        "The exchange rates that were entered.",
        ExchangeRateList,
        query=(
            *PAGE,
            Query("from_currency", _CURRENCY, "From this currency."),
            Query("to_currency", _CURRENCY, "To this one."),
        ),
    ),
    Resource(
        "POST",
        _RATES,
        create_rate,
        "createExchangeRate",
        "Say what a currency is worth in the other from a time on.",
        ExchangeRateObject,
        CreateExchangeRate,
    ),
)
