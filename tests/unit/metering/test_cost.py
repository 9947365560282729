"""What calls cost: the FAQ's worked examples to the digit, cached tokens, rounding, and what can't be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.errors import InvalidRequest, PriceMissing
from waystation.metering.cost import TOKENS_MAX, check_price, cleaned, cost_nano, hold_nano
from waystation.terms import Price, Usage

rates = st.integers(0, 10**13)
tokens = st.integers(0, TOKENS_MAX)


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price("USD", 2_500_000_000, 10_000_000_000), 1_515_000),  # 0.0025 and 0.01 USD for a thousand: 0.001515
        (Price("USD", 50_000_000_000, 100_000_000_000), 15_300_000),  # 0.05 and 0.10: 0.0153
        (Price("USD", 1_250_000_000_000, 10_000_000_000_000), 1_507_500_000),  # 1.25 and 10: 1.5075
    ],
)
def test_the_worked_examples_of_the_faq_come_out_to_the_digit(price: Price, cost: int) -> None:
    assert cost_nano(Usage(6, 150), price) == cost


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1_000_000, 0), 2_000),
        (Usage(1_000_000, 0, cached_tokens=1_000_000), 500),
        (Usage(1_000_000, 1_000_000, cached_tokens=400_000, reasoning_tokens=900_000), 600 * 2 + 400 // 2 + 8_000),
        (Usage(249, 0), 0),  # 0.498 nano
        (Usage(250, 0), 1),  # 0.5 nano
        (Usage(0, 0), 0),
    ],
)
def test_cached_tokens_have_their_own_rate_and_halves_are_rounded_up_once(usage: Usage, cost: int) -> None:
    assert cost_nano(usage, Price("USD", 2_000, 8_000, 500)) == cost


def test_without_a_rate_of_their_own_cached_tokens_cost_what_input_costs() -> None:
    price = Price("USD", 2_000_000, 8_000_000)
    assert cost_nano(Usage(10, 0, cached_tokens=7), price) == cost_nano(Usage(10, 0), price) == 20


def test_an_unknown_price_is_never_free() -> None:
    with pytest.raises(PriceMissing):
        cost_nano(Usage(1, 1), None)


@given(rates, rates, st.none() | rates, tokens, tokens, st.data())
def test_nothing_within_the_bounds_costs_more_than_its_hold(
    input_rate: int, output_rate: int, cached_rate: int | None, most_in: int, most_out: int, data: st.DataObject
) -> None:
    price = Price("USD", input_rate, output_rate, cached_rate)
    used = Usage(data.draw(st.integers(0, most_in)), data.draw(st.integers(0, most_out)))
    used.cached_tokens = data.draw(st.integers(0, used.input_tokens))
    cost = cost_nano(used, price)
    assert 0 <= cost <= hold_nano(most_in, most_out, price)
    assert cost * 2_000 < 2**63, "two thousand of the dearest calls fit one posting"


@given(st.builds(Usage, *[st.integers(-(10**12), 10**12)] * 4, st.booleans()))
def test_a_usage_is_made_possible_and_a_possible_one_is_left_as_it_is(usage: Usage) -> None:
    clean = cleaned(usage)
    assert 0 <= clean.cached_tokens <= clean.input_tokens <= TOKENS_MAX
    assert 0 <= clean.reasoning_tokens <= clean.output_tokens <= TOKENS_MAX
    assert clean.estimated == usage.estimated
    assert cleaned(clean) is clean


@pytest.mark.parametrize("rates", [(-1, 0, None), (0, 10**13 + 1, None), (0, 0, -1)])
def test_an_impossible_price_is_refused(rates: tuple[int, int, int | None]) -> None:
    with pytest.raises(InvalidRequest, match="between 0 and 10000 USD"):
        check_price(Price("USD", *rates))
