"""Whose price holds when: scopes, dates and currencies, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.catalogue.prices import NANO, ExchangeRate, PriceRow, Prices
from waystation.errors import PriceMissing
from waystation.metering.price_rules import rates_of
from waystation.terms import Abilities, Deployment, Model, Price, Step

OWN = Price("USD", 1, 1, source="own")


def model(price: Price | None = OWN, name: str = "m", alias_of: str | None = None) -> Model:
    return Model(name, Deployment("p/m", "p", "m"), Abilities(frozenset(), 1, 1), price, alias_of)


def row(
    number: int,
    rate: int | None,
    at: int = 0,
    organization: str | None = None,
    project: str | None = None,
    name: str = "m",
) -> PriceRow:
    price = None if rate is None else Price("USD", rate, rate)
    return PriceRow(number, organization, project, name, price, at, "test", 0)


def rate(number: int, nano: int, at: int = 0, pair: tuple[str, str] = ("CNY", "USD")) -> ExchangeRate:
    return ExchangeRate(number, *pair, nano, at, "test", 0)


def costs(prices: Prices, of: Model, at: int = 100, organization: str = "org", project: str = "proj") -> int | None:
    price = prices.price_of(of, organization, project, "USD", at)
    return None if price is None else price.input_nano_per_million


@pytest.mark.parametrize(
    ("rows", "rate_nano"),
    [
        ([], 1),
        ([row(1, 2)], 2),
        ([row(1, 2), row(2, 3, organization="org")], 3),
        ([row(1, 4, organization="org", project="proj"), row(2, 3, organization="org"), row(3, 2)], 4),
        ([row(1, 9, organization="other"), row(2, 8, organization="org", project="other")], 1),
        ([row(1, 9, name="other")], 1),
        ([row(1, None, organization="org")], None),  # unmetered by an administrator's word
        ([row(1, None), row(2, 5, organization="org")], 5),
    ],
)
def test_the_nearest_scope_wins(rows: list[PriceRow], rate_nano: int | None) -> None:
    assert costs(Prices(rows), model()) == rate_nano


@pytest.mark.parametrize(
    ("rows", "rate_nano"),
    [
        ([row(1, 2, at=100)], 2),
        ([row(1, 2, at=101)], 1),  # not yet
        ([row(1, 2, at=50), row(2, 3, at=90), row(3, 4, at=200)], 3),
        ([row(1, 2, at=90), row(2, 3, at=50)], 2),  # what begins later wins, whenever it was entered
        ([row(1, 2, at=90), row(2, 3, at=90)], 3),  # of two from the same moment, the one entered last
        ([row(2, 3, at=90), row(1, 2, at=90)], 3),
        ([row(1, 2, at=90), row(2, 3, at=200, organization="org")], 2),  # a scope that has not begun has no word
    ],
)
def test_the_newest_price_that_is_effective_wins(rows: list[PriceRow], rate_nano: int) -> None:
    assert costs(Prices(rows), model()) == rate_nano


def test_an_alias_costs_what_it_stands_for_unless_it_has_a_price_of_its_own() -> None:
    alias = model(name="gpt-4o", alias_of="qwen")
    assert costs(Prices([row(1, 5, name="qwen")]), alias) == 5
    assert costs(Prices([row(1, 5, name="qwen"), row(2, 6, name="gpt-4o")]), alias) == 6


YUAN = Price(
    "CNY", 3, 10, 1, "list", 2, 11, 5, 6, 7, 8, (Step(9, 13, 20, 3),), {"flex": Price("CNY", 5, 15)}
)  # fmt: skip


def test_every_rate_is_converted_and_each_is_rounded_half_up_once() -> None:
    price = Prices(rates=[rate(1, NANO // 2)]).price_of(model(YUAN), "org", "proj", "USD", 100)
    assert price == Price(
        "USD", 2, 5, 1, "list; CNY to USD (test)", 1, 6, 3, 3, 4, 4, (Step(9, 7, 10, 2),),
        {"flex": Price("USD", 3, 8, source="list; CNY to USD (test)")},
    )  # fmt: skip


def test_the_rate_of_the_day_is_taken() -> None:
    prices = Prices(rates=[rate(1, 2 * NANO, at=50), rate(2, 3 * NANO, at=150), rate(3, 9 * NANO, pair=("USD", "CNY"))])
    assert costs(prices, model(YUAN), at=100) == 6
    assert costs(prices, model(YUAN), at=150) == 9


def test_without_a_rate_the_message_says_which_one_is_needed() -> None:
    for prices in (Prices(), Prices(rates=[rate(1, NANO, pair=("USD", "CNY"))]), Prices(rates=[rate(1, NANO, at=101)])):
        with pytest.raises(PriceMissing, match="no exchange rate from CNY to USD is known") as refused:
            prices.price_of(model(YUAN), "org", "proj", "USD", 100)
        assert (refused.value.status, refused.value.code) == (403, "price_missing")


@pytest.mark.parametrize("price", [None, Price("CNY", 0, 0)])
def test_what_is_unmetered_or_free_needs_no_rate(price: Price | None) -> None:
    converted = Prices().price_of(model(price), "org", "proj", "USD", 100)
    assert converted == (None if price is None else Price("USD", 0, 0))


def test_a_price_that_a_rate_makes_impossible_is_refused() -> None:
    prices = Prices(rates=[rate(1, 10**15)])
    with pytest.raises(PriceMissing, match="can't be said in USD"):
        prices.price_of(model(Price("CNY", 10**13, 1)), "org", "proj", "USD", 1)


@given(st.integers(0, 10**12), st.integers(1, 10**10))
def test_a_conversion_is_never_more_than_half_a_nano_off(amount: int, rate_nano: int) -> None:
    prices = Prices(rates=[rate(1, rate_nano)])
    converted = prices.price_of(model(Price("CNY", amount, 1)), "org", "proj", "USD", 1)
    assert converted is not None
    exact = amount * rate_nano
    assert all(nano >= 0 for nano in rates_of(converted))
    assert abs(converted.input_nano_per_million * NANO - exact) * 2 <= NANO


def test_the_next_change_is_the_next_moment_at_which_something_begins() -> None:
    prices = Prices([row(1, 2, at=50), row(2, 3, at=90)], [rate(1, NANO, at=70)])
    assert [prices.next_change(at) for at in (0, 50, 69, 70, 90)] == [50, 70, 70, 90, None]
