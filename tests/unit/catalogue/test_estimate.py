"""What a call would cost, asked before it: the FAQ's examples to the digit, every way to ask, and hostile bodies."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.catalogue.estimate import Estimates
from waystation.catalogue.resolve import Catalogue
from waystation.errors import ApiError, InvalidRequest, ModelNotFound, PriceMissing
from waystation.metering.estimate import count_input
from waystation.metering.tokens import Tokenizers
from waystation.terms import Abilities, Caller, Deployment, Model, Operation, Price, Step
from waystation.testing.clock import FakeClock

CALLER = Caller("key", "proj", "org")
PER_MILLION = 10**9


def offered(name: str, price: Price | None, output_tokens_max: int = 150) -> Model:
    abilities = Abilities(frozenset({Operation.CHAT}), 128_000, output_tokens_max)
    return Model(name, Deployment(f"p/{name}", "p", name), abilities, price)


MODELS = {
    "gpt-4o": offered("gpt-4o", Price("USD", 5 * PER_MILLION // 2, 10 * PER_MILLION, source="faq")),
    "gpt-4.1": offered("gpt-4.1", Price("USD", 50 * PER_MILLION, 100 * PER_MILLION)),
    "gpt-5": offered("gpt-5", Price("USD", 1_250 * PER_MILLION, 10_000 * PER_MILLION)),
    "free": offered("free", None),
    "yuan": offered("yuan", Price("CNY", 1, 1)),
    "long": offered(
        "long",
        Price(
            "USD", 1_000_000, 2_000_000, 100_000, steps=(Step(100, 3_000_000, 4_000_000),),
            tiers={"flex": Price("USD", 500_000, 1_000_000), "priority": Price("USD", 9_000_000, 9_000_000)},
        ),
    ),
    "embedding": offered("embedding", Price("USD", 20_000_000, 0), output_tokens_max=0),
}  # fmt: skip
TOKENIZERS = Tokenizers()
ESTIMATES = Estimates(
    Catalogue(MODELS, FakeClock().now_s), lambda request, model: count_input(TOKENIZERS, request, model)
)


def ask(body: Any) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told: dict[str, Any] = msgspec.to_builtins(asyncio.run(ESTIMATES.estimate(raw, CALLER)))
    return told


@pytest.mark.parametrize(("model", "cost"), [("gpt-4o", "0.001515"), ("gpt-4.1", "0.0153"), ("gpt-5", "1.5075")])
def test_the_examples_of_the_faq_come_out_to_the_digit(model: str, cost: str) -> None:
    told = ask({"model": model, "input_tokens": 6, "output_tokens": 150})
    assert (told["cost"], told["cost_max"]) == (cost, cost)
    assert told["currency"] == "USD"
    assert int(told["cost_nano"]) == Decimal(cost) * 10**9


def test_an_answer_says_all_that_the_price_is_made_of() -> None:
    assert ask({"model": "gpt-4o", "input_tokens": 6}) == {
        "object": "estimate",
        "model": "gpt-4o",
        "currency": "USD",
        "unmetered": False,
        "input_tokens": 6,
        "output_tokens_max": 150,
        "cost_min": "0.000015",
        "cost_min_nano": "15000",
        "cost_max": "0.001515",
        "cost_max_nano": "1515000",
        "price": {"currency": "USD", "input": "2.5", "output": "10"},
        "price_source": "faq",
        "price_effective_at": None,
    }


HELLO = {"role": "user", "content": "Hello world"}


@pytest.mark.parametrize(
    ("body", "input_tokens", "output_tokens_max"),
    [
        ({"messages": [HELLO]}, 9, 150),
        ({"messages": [HELLO], "max_tokens": 20}, 9, 20),
        ({"messages": [HELLO], "max_completion_tokens": 20, "max_tokens": 30, "n": 3}, 9, 60),
        ({"messages": [HELLO], "max_tokens": 10**9}, 9, 150),
        ({"prompt": "Hello world"}, 2, 150),
        ({"prompt": ["Hello world", "Hello"]}, 3, 150),
        ({"prompt": [1, 2, 3]}, 3, 150),
        ({"input": [[1, 2], [3]]}, 3, 150),
        ({"input": ""}, 0, 150),
    ],
)
def test_a_call_is_counted_as_it_would_be_sent(body: dict[str, Any], input_tokens: int, output_tokens_max: int) -> None:
    told = ask({"model": "gpt-4o", **body})
    assert (told["input_tokens"], told["output_tokens_max"]) == (input_tokens, output_tokens_max)


def test_tools_are_part_of_the_input() -> None:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    plain = ask({"model": "gpt-4o", "messages": [HELLO]})
    assert ask({"model": "gpt-4o", "messages": [HELLO], "tools": [tool]})["input_tokens"] > plain["input_tokens"]


@pytest.mark.parametrize(
    ("body", "cost_nano"),
    [
        ({"input_tokens": 100, "output_tokens": 10}, 100 + 20),
        ({"input_tokens": 101, "output_tokens": 10}, 303 + 40),
        ({"input_tokens": 100, "output_tokens": 0, "cached_tokens": 90}, 10 + 9),
        ({"input_tokens": 100, "output_tokens": 10, "tier": "flex"}, 50 + 10),
        ({"input_tokens": 100, "output_tokens": 10, "service_tier": "priority"}, 900 + 90),
        ({"input_tokens": 100, "output_tokens": 10, "tier": "auto"}, 100 + 20),
    ],
)
def test_long_inputs_caches_and_tiers_are_priced_as_a_settlement_would_be(body: dict[str, Any], cost_nano: int) -> None:
    told = ask({"model": "long", **body})
    assert int(told["cost_nano"]) == cost_nano
    assert int(told["cost_min_nano"]) <= cost_nano <= int(told["cost_max_nano"])


def test_what_is_unmetered_costs_nothing_and_says_so() -> None:
    told = ask({"model": "free", "input_tokens": 6, "output_tokens": 5})
    assert (told["unmetered"], told["cost"], told["price"], told["price_source"]) == (True, "0", "unmetered", None)


def test_an_embedding_has_no_output() -> None:
    told = ask({"model": "embedding", "input": "Hello world"})
    assert (told["output_tokens_max"], told["cost_max_nano"]) == (0, "40")


def test_what_has_no_price_in_the_callers_currency_is_refused() -> None:
    with pytest.raises(PriceMissing, match="no exchange rate from CNY to USD"):
        ask({"model": "yuan", "input_tokens": 1})


def test_a_model_that_is_not_there_is_404() -> None:
    with pytest.raises(ModelNotFound):
        ask({"model": "gone", "input_tokens": 1})


IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"not json", None),
        (b"[]", None),
        (b'{"model":"gpt-4o","input_tokens":NaN}', None),
        (b'{"model":"gpt-4o","input_tokens":1e999}', "input_tokens"),
        (b'{"model":"gpt-4o","input_tokens":' + b"9" * 400 + b"}", None),
        (b"\xff", None),
        ({"input_tokens": 1}, None),
        ({"model": "", "input_tokens": 1}, None),
        ({"model": 7, "input_tokens": 1}, "model"),
        ({"model": "gpt-4o"}, "messages"),
        ({"model": "gpt-4o", "input_tokens": -1}, "input_tokens"),
        ({"model": "gpt-4o", "input_tokens": 1.5}, "input_tokens"),
        ({"model": "gpt-4o", "input_tokens": 1.0}, "input_tokens"),
        ({"model": "gpt-4o", "input_tokens": "6"}, "input_tokens"),
        ({"model": "gpt-4o", "input_tokens": True}, "input_tokens"),
        ({"model": "gpt-4o", "input_tokens": 100_000_001}, "input_tokens"),
        ({"model": "gpt-4o", "input_tokens": 1, "output_tokens": -5}, "output_tokens"),
        ({"model": "gpt-4o", "input_tokens": 1, "cached_tokens": 2}, "cached_tokens"),
        ({"model": "gpt-4o", "input_tokens": 1, "max_tokens": 0}, "max_tokens"),
        ({"model": "gpt-4o", "input_tokens": 1, "n": 129}, "n"),
        ({"model": "gpt-4o", "input_tokens": 1, "tier": ""}, "tier"),
        ({"model": "gpt-4o", "input_tokens": 1, "tier": "x" * 33}, "tier"),
        ({"model": "gpt-4o", "input_tokens": 1, "tier": ["flex"]}, "tier"),
        ({"model": "gpt-4o", "input_tokens": 1, "prompt": "x"}, "input_tokens"),
        ({"model": "gpt-4o", "prompt": "x", "input": "y"}, "input"),
        ({"model": "gpt-4o", "prompt": []}, "prompt"),
        ({"model": "gpt-4o", "prompt": ["a", 1]}, "prompt[1]"),
        ({"model": "gpt-4o", "messages": []}, "messages"),
        ({"model": "gpt-4o", "messages": [IMAGE]}, "messages"),
    ],
)
def test_a_body_that_makes_no_sense_is_400_with_its_parameter(body: Any, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(body)
    assert refused.value.status == 400
    if param is not None:
        assert refused.value.param == param


scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text()


@given(st.binary(max_size=200) | st.recursive(scalars, lambda of: st.lists(of) | st.dictionaries(st.text(), of)))
def test_no_body_is_a_fault(body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ApiError):
        asyncio.run(ESTIMATES.estimate(raw, CALLER))
