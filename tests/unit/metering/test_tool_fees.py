"""Tools that a provider runs cost by the call: in the price, in the sum, never for nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.catalogue.book.lookup import known_price
from waystation.errors import PriceMissing
from waystation.metering.cost import TOOL_CALLS_MAX, charged_nano, cleaned, cost_nano
from waystation.metering.price_reading import read_price
from waystation.metering.price_text import written_price
from waystation.terms import Price, Usage
from waystation.wire.hosted_tools import ToolMeter

PRICE = Price("USD", 1_000, 2_000, tools={"web_search": 10_000_000, "mcp": 0})
FLEX = Price("USD", 2_000_000, 0, tiers={"flex": Price("USD", 1_000_000, 0)}, tools={"web_search": 7})


@pytest.mark.parametrize(
    ("usage", "price", "cost"),
    [
        (Usage(tool_calls={"web_search": 2}), PRICE, 20_000_000),
        (Usage(tool_calls={"web_search": 2, "mcp": 5}), PRICE, 20_000_000),
        (Usage(10, tool_calls={"web_search": 1}, tier="flex"), FLEX, 17),  # the same in every tier
    ],
)
def test_a_call_of_a_tool_costs_its_fee(usage: Usage, price: Price, cost: int) -> None:
    assert cost_nano(usage, price) == cost
    assert charged_nano(usage, price) == (cost, False)


def test_a_tool_without_a_fee_is_never_free() -> None:
    usage = Usage(tool_calls={"file_search": 1})
    with pytest.raises(PriceMissing, match="file_search"):
        cost_nano(usage, PRICE)
    assert charged_nano(usage, PRICE) == (10_000_000, True)


@given(st.dictionaries(st.sampled_from(("web_search", "mcp", "x")), st.integers(-5, 10**12)))
def test_what_a_provider_counts_fits_the_books(calls: dict[str, int]) -> None:
    kept = cleaned(Usage(tool_calls=calls)).tool_calls or {}
    assert all(0 < count <= TOOL_CALLS_MAX for count in kept.values())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"web_search": 0.01}, "write amounts in quotes"),
        ("0.01", "has tools that are no table"),
        ({"web_search": "2000"}, "can't be"),
    ],
)
def test_a_fee_that_makes_no_sense_is_refused(written: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_price({"input": "1", "output": "2", "tools": written})


def test_a_fee_is_read_as_it_is_written() -> None:
    price = read_price({"input": "1", "output": "2", "tools": {"web_search": "0.01"}})
    assert price is not None
    assert price.tools == {"web_search": 10_000_000}
    assert read_price(written_price(price)) == price


def test_the_book_knows_what_openai_asks() -> None:
    reasons = known_price("openai", "https://api.openai.com/v1", "gpt-5", 1_780_000_000)
    other = known_price("openai", "https://api.openai.com/v1", "gpt-4.1", 1_780_000_000)
    assert reasons is not None
    assert other is not None
    assert reasons.tools["web_search"] == other.tools["web_search"] == 10_000_000
    assert (reasons.tools["web_search_preview"], other.tools["web_search_preview"]) == (10_000_000, 25_000_000)
    assert "fees of tools as quoted" in reasons.source


@pytest.mark.parametrize(
    ("items", "counts"),
    [
        ([{"type": "web_search_call", "id": "a"}, {"type": "web_search_call", "id": "a"}], {"web_search": 1}),
        (
            [
                {"type": "web_search_call", "id": "a"},
                {"type": "web_search_call", "id": "a", "action": {"type": "open_page"}},
            ],
            {},
        ),
        ([{"type": "shell_call", "id": "a", "environment": {"type": "local"}}], {}),
        ([{"type": "function_call", "id": "a"}, "odd", None, {"type": 3}], {}),
        ([{"type": "file_search_call"}, {"type": "file_search_call"}], {"file_search": 2}),  # ids that are missing
    ],
)
def test_the_last_word_about_an_item_counts(items: list[Any], counts: dict[str, int]) -> None:
    meter = ToolMeter(())
    for item in items:
        meter.see(item)
    assert meter.counts == counts
