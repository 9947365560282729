"""What a body says about tools, and how tokens are chosen."""

from typing import Any

import pytest

from waystation.engine.chats import ignored
from waystation.engine.sampling import output_limit, sampling, stops
from waystation.engine.tools import ToolRules, custom_input, read_tools
from waystation.errors import InvalidRequest, Unsupported


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


TOOLS = [function("a"), function("b")]
NAMED = {"type": "function", "function": {"name": "b"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}


@pytest.mark.parametrize(
    ("body", "mode", "names", "several"),
    [
        ({}, "none", (), True),
        ({"tools": TOOLS}, "auto", ("a", "b"), True),
        ({"tools": TOOLS, "tool_choice": "none"}, "none", (), True),
        ({"tools": TOOLS, "tool_choice": "required"}, "required", ("a", "b"), True),
        ({"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}, "required", ("a", "b"), False),
        ({"tools": TOOLS, "tool_choice": NAMED}, "named", ("b",), False),
        ({"tools": TOOLS, "tool_choice": ALLOWED}, "required", ("b",), True),
        ({"functions": [TOOLS[0]["function"]]}, "auto", ("a",), False),
        ({"functions": [t["function"] for t in TOOLS], "function_call": {"name": "a"}}, "named", ("a",), False),
        ({"functions": [TOOLS[0]["function"]], "function_call": "none"}, "none", (), True),
    ],
)
def test_tool_rules(body: dict[str, Any], mode: str, names: tuple[str, ...], several: bool) -> None:
    rules = read_tools(body)
    assert (rules.mode, rules.names, rules.several) == (mode, names, several)


def test_custom_tools_take_text_but_no_grammar() -> None:
    custom = {"type": "custom", "custom": {"name": "python"}}
    tool = read_tools({"tools": [custom]}).named("python")
    assert tool.custom
    assert custom_input('{"input": "print(1)\\n"}') == "print(1)\n"
    custom["custom"]["format"] = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}  # type: ignore[index]
    with pytest.raises(Unsupported) as refused:
        read_tools({"tools": [custom]})
    assert refused.value.param == "tools[0].custom.format"


def test_no_tools_is_no_rule() -> None:
    assert read_tools({"tools": None}) == ToolRules()


def test_silence_means_the_makers_values_and_zero_means_greedy() -> None:
    silent = sampling({}, lambda token: token)
    assert (silent["temperature"], silent["top_p"], silent["top_k"]) == (0.7, 0.8, 20)
    assert silent["lora"] == []
    greedy = sampling({"temperature": 0, "top_p": 1, "seed": -1}, lambda token: token)
    assert (greedy["temperature"], greedy["top_p"], greedy["top_k"]) == (0, 1, 1)
    assert 0 <= greedy["seed"] < 2**32 - 1


def test_bias_is_translated_or_refused() -> None:
    assert sampling({"logit_bias": {"5": -100}}, lambda token: token + 1)["logit_bias"] == [[6, -100]]
    with pytest.raises(InvalidRequest) as refused:
        sampling({"logit_bias": {"5": 1}}, lambda token: None)
    assert refused.value.param == "logit_bias"


def test_the_smallest_limit_counts() -> None:
    assert output_limit(None, 100, None) == 100
    assert output_limit(7, 100, None) == 7
    assert output_limit(700, 100, None) == 100
    assert output_limit(7, 100, 5) == 5
    assert output_limit(None, 100, 5) == 5
    assert output_limit(7, 100, 50) == 7


def test_stops() -> None:
    assert stops({}) == []
    assert stops({"stop": "x"}) == ["x"]
    assert stops({"stop": ["x", ""]}) == ["x"]


def test_what_has_no_effect_is_named() -> None:
    body = {"model": "m", "store": False, "modalities": ["text"], "service_tier": "auto", "verbosity": "low", "odd": 1}
    assert ignored(body, frozenset({"model"})) == ("verbosity", "odd")
