"""What calls cost: the FAQ's worked examples to the digit, cached tokens, rounding, and what can't be."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.errors import InvalidRequest, PriceMissing
from waystation.metering.cost import (
    IMAGES_MAX,
    TOKENS_MAX,
    charged_nano,
    check_price,
    cleaned,
    cost_nano,
    hold_nano,
)
from waystation.metering.price_rules import STEPS_MAX, TIERS_MAX, is_free
from waystation.terms import Price, Step, Usage

rates = st.integers(0, 10**13)
rate_or_none = st.none() | rates
tokens = st.integers(0, TOKENS_MAX)
TIERS = ("flex", "priority", "batch")


@st.composite
def plain_prices(draw: st.DrawFn) -> Price:
    bounds = sorted(draw(st.sets(st.integers(1, TOKENS_MAX), max_size=3)))
    steps = tuple(Step(bound, draw(rates), draw(rates), draw(rate_or_none), draw(rate_or_none)) for bound in bounds)
    units = st.integers(0, 10**12)
    return Price(
        "USD",
        draw(rates),
        draw(rates),
        draw(rate_or_none),
        "test",
        draw(rate_or_none),
        draw(rate_or_none),
        draw(rate_or_none),
        draw(rate_or_none),
        draw(st.none() | units),
        draw(units),
        steps,
    )


@st.composite
def prices(draw: st.DrawFn) -> Price:
    tiers = draw(st.dictionaries(st.sampled_from(TIERS), plain_prices(), max_size=2))
    return msgspec.structs.replace(draw(plain_prices()), tiers=tiers)


@st.composite
def usages(draw: st.DrawFn, most_in: int, most_out: int, most_images: int) -> Usage:
    """Any split, also one in which parts overlap, as `cleaned` lets pass."""
    given, made = draw(st.integers(0, most_in)), draw(st.integers(0, most_out))
    cached = draw(st.integers(0, given))
    return Usage(
        given, made, cached, draw(st.integers(0, made)), False, draw(st.integers(0, given - cached)),
        draw(st.integers(0, given)), draw(st.integers(0, made)), draw(st.integers(0, most_images)),
    )  # fmt: skip


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


LONG = Price(
    "USD", 2_000_000, 8_000_000, 200_000, cache_write_nano_per_million=2_500_000,
    steps=(Step(100, 4_000_000, 12_000_000, 400_000, 5_000_000), Step(1_000, 6_000_000, 20_000_000)),
    tiers={"flex": Price("USD", 1_000_000, 4_000_000, 100_000)},
)  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "tier", "cost"),
    [
        (Usage(100, 10), None, 200 + 80),  # at the step is not above it
        (Usage(101, 10), None, 404 + 120),  # the whole call has the step's rates
        (Usage(101, 10, 100), None, 4 + 40 + 120),
        (Usage(101, 0, 0, cache_write_tokens=101), None, 505),
        (Usage(1_001, 10), None, 6_006 + 200),
        (Usage(1_001, 0, 1_000), None, 6 + 200),  # a step that names no cached rate leaves the price's own
        (Usage(101, 10), "flex", 101 + 40),  # a tier has steps of its own, or none
        (Usage(101, 10, tier="flex"), "priority", 101 + 40),  # what was served wins over what was asked
        (Usage(101, 10, tier="default"), "flex", 404 + 120),
        (Usage(10, 0, tier="scale"), None, 20),  # a tier without a price costs what the price says
    ],
)
def test_long_inputs_and_tiers_have_rates_of_their_own(usage: Usage, tier: str | None, cost: int) -> None:
    assert cost_nano(usage, LONG, tier) == cost
    assert charged_nano(usage, LONG, tier) == (cost, False)


EVERY_KIND = Price(
    "CNY", 1_000_000, 10_000_000, 100_000, cache_write_nano_per_million=1_250_000, reasoning_nano_per_million=20_000_000,
    audio_input_nano_per_million=32_000_000, audio_output_nano_per_million=64_000_000, image_nano=40_000, request_nano=7,
)  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(100, 10), 100 + 100 + 7),
        (Usage(100, 10, 40, 4, cache_write_tokens=20), 40 + 4 + 25 + 60 + 80 + 7),
        (Usage(100, 10, audio_input_tokens=50, audio_output_tokens=5), 50 + 1_600 + 50 + 320 + 7),
        (Usage(100, 0, 80, audio_input_tokens=50), 1_600 + 5 + 7),  # what both claim is audio, the rest cached
        (Usage(0, 0, images=3), 120_007),
    ],
)
def test_each_kind_has_its_rate_and_no_token_is_paid_twice(usage: Usage, cost: int) -> None:
    assert cost_nano(usage, EVERY_KIND) == cost


@pytest.mark.parametrize(
    ("usage", "said", "charged"),
    [
        (Usage(100, 10, audio_input_tokens=50), "audio input", 50 * 2 + 50 * 3 + 10 * 8),
        (Usage(100, 10, audio_output_tokens=10), "audio output", 100 * 2 + 10 * 9),
        (Usage(100, 10, images=1), "images", 100 * 2 + 10 * 8),
    ],
)
def test_what_has_no_rate_is_no_estimate_and_still_settled_at_the_dearest(
    usage: Usage, said: str, charged: int
) -> None:
    price = Price(
        "USD", 2_000_000, 8_000_000, cache_write_nano_per_million=3_000_000, reasoning_nano_per_million=9_000_000
    )
    with pytest.raises(PriceMissing, match=said):
        cost_nano(usage, price)
    assert charged_nano(usage, price) == (charged, True)


@given(prices(), tokens, tokens, st.integers(0, IMAGES_MAX), st.none() | st.sampled_from((*TIERS, "auto")), st.data())
def test_nothing_within_the_bounds_costs_more_than_its_hold(
    price: Price, most_in: int, most_out: int, most_images: int, asked: str | None, data: st.DataObject
) -> None:
    used = cleaned(data.draw(usages(most_in, most_out, most_images)))
    if asked in (None, "auto"):
        used.tier = data.draw(st.none() | st.sampled_from((*TIERS, "default", "scale")))
    elif asked not in price.tiers:
        used.tier = data.draw(st.none() | st.sampled_from((*TIERS, "default")))
    else:
        used.tier = data.draw(st.sampled_from((None, asked, "default")))
    cost, _ = charged_nano(used, price, asked)
    assert 0 <= cost <= hold_nano(most_in, most_out, price, asked, most_images)
    assert cost * 1_500 < 2**63, "fifteen hundred of the dearest calls fit one posting"


def test_who_asks_for_a_cheap_tier_holds_what_it_falls_back_to_and_who_says_nothing_the_dearest() -> None:
    price = msgspec.structs.replace(LONG, tiers={**LONG.tiers, "priority": Price("USD", 9_000_000, 9_000_000)})
    held = {tier: hold_nano(10, 10, price, tier) for tier in ("default", "flex", "priority", None, "auto", "odd")}
    dearest = 10 * 9 + 10 * 9
    assert held == {
        "default": 25 + 80, "flex": 25 + 80, "priority": dearest, None: dearest, "auto": dearest, "odd": dearest
    }  # fmt: skip


odd = st.integers(-(10**12), 10**12)


@given(st.builds(Usage, odd, odd, odd, odd, st.booleans(), odd, odd, odd, odd, st.none() | st.text()))
def test_a_usage_is_made_possible(usage: Usage) -> None:
    clean = cleaned(usage)
    assert 0 <= clean.cached_tokens <= clean.input_tokens <= TOKENS_MAX
    assert 0 <= clean.cache_write_tokens <= clean.input_tokens - clean.cached_tokens
    assert 0 <= clean.audio_input_tokens <= clean.input_tokens
    assert 0 <= clean.reasoning_tokens <= clean.output_tokens <= TOKENS_MAX
    assert 0 <= clean.audio_output_tokens <= clean.output_tokens
    assert 0 <= clean.images <= IMAGES_MAX
    assert len(clean.tier or "") <= 32
    assert clean.estimated == usage.estimated
    assert cleaned(clean) == clean


def test_a_possible_usage_of_plain_tokens_is_left_as_it_is() -> None:
    usage = Usage(10, 5, 3, 2)
    assert cleaned(usage) is usage


@pytest.mark.parametrize("rates", [(-1, 0, None), (0, 10**13 + 1, None), (0, 0, -1)])
def test_an_impossible_price_is_refused(rates: tuple[int, int, int | None]) -> None:
    with pytest.raises(InvalidRequest, match="between 0 and 10000 USD"):
        check_price(Price("USD", *rates))


@pytest.mark.parametrize(
    ("price", "said"),
    [
        (Price("USD", 0, 0, cache_write_nano_per_million=-1), "for a million tokens"),
        (Price("USD", 0, 0, steps=(Step(1, 10**14, 0),)), "for a million tokens"),
        (Price("USD", 0, 0, tiers={"flex": Price("USD", 0, -1)}), "for a million tokens"),
        (Price("USD", 0, 0, image_nano=10**12 + 1), "An image"),
        (Price("USD", 0, 0, request_nano=-1), "a request"),
        (Price("USD", 0, 0, steps=(Step(0, 1, 1),)), "steps of a price rise"),
        (Price("USD", 0, 0, steps=(Step(5, 1, 1), Step(5, 2, 2))), "steps of a price rise"),
        (Price("USD", 0, 0, steps=(Step(1, 1, 1),) * (STEPS_MAX + 1)), "at most"),
        (Price("USD", 0, 0, tiers={str(n): Price("USD", 0, 0) for n in range(TIERS_MAX + 1)}), "at most"),
        (Price("USD", 0, 0, tiers={"": Price("USD", 0, 0)}), "A tier's name"),
        (Price("USD", 0, 0, tiers={"flex": Price("CNY", 0, 0)}), "currency of its price"),
        (
            Price("USD", 0, 0, tiers={"flex": Price("USD", 0, 0, tiers={"a": Price("USD", 0, 0)})}),
            "no tiers or tools of",
        ),
        (Price("USD", 0, 0, tools={"": 1}), "A tool's name"),
        (Price("USD", 0, 0, tools={"web_search": -1}), "A call of a tool"),
    ],
)
def test_a_price_that_makes_no_sense_is_refused(price: Price, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        check_price(price)
    assert refused.value.param == "price"


def test_free_is_what_has_no_rate_above_zero_anywhere() -> None:
    assert is_free(Price("USD", 0, 0, tiers={"flex": Price("USD", 0, 0)}))
    assert not is_free(Price("USD", 0, 0, steps=(Step(1, 0, 1),)))
    assert not is_free(Price("USD", 0, 0, request_nano=1))
