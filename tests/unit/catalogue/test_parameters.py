"""What becomes of parameters: the rules, and the table of who takes what."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.catalogue.parameters import ANY, NO_RULES, Rule, Rules, RuleSet, Table
from waystation.catalogue.parameters_page import page
from waystation.catalogue.parameters_table import SETS, TABLE, rules_for
from waystation.errors import InvalidRequest, Unsupported
from waystation.providers.openai.presets import PRESETS

GUIDES = Path(__file__).parents[3] / "docs" / "guides"


def applied(rules: Rules, **members: Any) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    raw: dict[str, Any] = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in members.items()}
    told = rules.apply(raw)
    return msgspec.json.decode(msgspec.json.encode(raw)), told.ignored, told.mapped


def ruled(*rules: Rule) -> Rules:
    return Rules({rule.parameter: rule for rule in rules})


EFFORT = Rule(
    "effort", values={"none": {"think": False}, "low": {"effort": "small"}, ANY: {"think": True, "budget": 5}}
)


@pytest.mark.parametrize(
    ("rule", "members", "sent", "ignored", "mapped"),
    [
        (Rule("a"), {"a": 1, "b": 2}, {"b": 2}, ("a",), ()),
        (Rule("a", passes=(1,)), {"a": 1}, {"a": 1}, (), ()),
        (Rule("a"), {"a": None}, {}, (), ()),
        (Rule("a"), {"b": 2}, {"b": 2}, (), ()),
        (Rule("a", to="b"), {"a": 1}, {"b": 1}, (), ("a>b",)),
        (Rule("a", to="b"), {"a": 5, "b": 3}, {"b": 3}, (), ("a>b",)),
        (Rule("a", to="b"), {"a": 3, "b": 5}, {"b": 3}, (), ("a>b",)),
        (Rule("a", to="b"), {"a": "x", "b": "y"}, {"b": "y"}, (), ("a>b",)),
        (Rule("a", to="b"), {"a": "x", "b": None}, {"b": "x"}, (), ("a>b",)),
        (Rule("a", at_most=1), {"a": 1.5}, {"a": 1}, (), ("a>1",)),
        (Rule("a", at_most=1), {"a": 0.5}, {"a": 0.5}, (), ()),
        (Rule("a", refuse=True, passes=(1,)), {"a": 1}, {"a": 1}, (), ()),
        (EFFORT, {"effort": "none"}, {"think": False}, (), ("effort>think",)),
        (EFFORT, {"effort": "low"}, {"effort": "small"}, (), ("effort>small",)),
        (EFFORT, {"effort": "high"}, {"think": True, "budget": 5}, (), ("effort>think+budget",)),
        # what the caller says in the upstream's own words wins
        (EFFORT, {"effort": "high", "think": False}, {"think": False, "budget": 5}, (), ("effort>budget",)),
        (EFFORT, {"effort": "none", "think": True}, {"think": True}, ("effort",), ()),
        (Rule("a", values={"x": {"b": 1}}), {"a": "y"}, {"a": "y"}, (), ()),
    ],
)
def test_a_rule_does_what_it_says(
    rule: Rule, members: dict[str, Any], sent: dict[str, Any], ignored: tuple[str, ...], mapped: tuple[str, ...]
) -> None:
    assert applied(ruled(rule), **members) == (sent, ignored, mapped)


@pytest.mark.parametrize(
    ("members", "thinks"),
    [
        ({}, False),
        ({"stream": None}, False),
        ({"stream": True}, None),
        ({"enable_thinking": True}, True),
        ({"reasoning_effort": "high"}, True),
    ],
)
def test_models_that_think_only_in_streams_are_told_not_to_elsewhere(
    members: dict[str, Any], thinks: bool | None
) -> None:
    rules = rules_for("dashscope", "Qwen3-32B")
    assert not rules.affected.isdisjoint({"messages"})
    assert applied(rules, messages=[], **members)[0].get("enable_thinking") == thinks
    assert "enable_thinking" not in applied(rules_for("dashscope", "qwen3-32b-thinking-2507"), messages=[])[0]


def test_what_is_refused_names_its_parameter() -> None:
    with pytest.raises(Unsupported) as caught:
        applied(ruled(Rule("n", refuse=True, passes=(1,))), n=2)
    assert (caught.value.status, caught.value.param) == (400, "n")


def test_what_is_no_json_is_the_callers_mistake() -> None:
    with pytest.raises(InvalidRequest):
        ruled(Rule("a")).apply({"a": msgspec.Raw(b"1e999x")})


def test_a_rule_may_hold_only_while_the_model_reasons() -> None:
    rules = ruled(Rule("temperature", passes_at_effort=("", "none")))
    assert applied(rules, temperature=0.5) == ({"temperature": 0.5}, (), ())
    assert applied(rules, temperature=0.5, reasoning_effort="none")[1] == ()
    assert applied(rules, temperature=0.5, reasoning_effort="low")[1] == ("temperature",)


def test_the_first_set_that_matches_counts_and_a_deployment_may_name_another() -> None:
    table = Table(
        (
            RuleSet("special", ("p",), (Rule("a", to="b"),), r"m-1.*"),
            RuleSet("general", ("p",), (Rule("a"), Rule("c"))),
        )
    )
    assert applied(table.rules_for("p", "M-10"), a=1, c=2) == ({"b": 1}, ("c",), ("a>b",))
    assert applied(table.rules_for("p", "x-m-1"), a=1, c=2) == ({}, ("a", "c"), ())
    assert applied(table.rules_for("other", "x", "special"), a=1, c=2) == ({"c": 2, "b": 1}, (), ("a>b",))
    assert table.rules_for("p", "m-1", "none") is NO_RULES
    assert table.rules_for("other", "m-1") is NO_RULES
    assert [table.has(name) for name in ("", "none", "special", "else")] == [True, True, True, False]


CASES = [
    # preset, model, sent, becomes, ignored, mapped
    (
        "openai",
        "o3-mini",
        {"max_tokens": 5, "temperature": 0.2},
        {"max_completion_tokens": 5},
        "temperature",
        "max_tokens>max_completion_tokens",
    ),
    (
        "openai",
        "o1-2024-12-17",
        {"reasoning_effort": "minimal"},
        {"reasoning_effort": "low"},
        "",
        "reasoning_effort>low",
    ),
    ("azure", "gpt-5-mini", {"top_p": 0.5, "verbosity": "low"}, {"verbosity": "low"}, "top_p", ""),
    ("none", "openai/gpt-5", {"max_tokens": 5}, {"max_completion_tokens": 5}, "", "max_tokens>max_completion_tokens"),
    ("openai", "gpt-5.2", {"temperature": 0.5}, {"temperature": 0.5}, "", ""),
    (
        "openai",
        "gpt-5.2",
        {"temperature": 0.5, "reasoning_effort": "high"},
        {"reasoning_effort": "high"},
        "temperature",
        "",
    ),
    (
        "openai",
        "gpt-4o",
        {"temperature": 0.5, "max_tokens": 5, "reasoning_effort": "low"},
        {"temperature": 0.5, "max_tokens": 5},
        "reasoning_effort",
        "",
    ),
    ("openai", "gpt-5-chat-latest", {"temperature": 0.5, "verbosity": "low"}, {"temperature": 0.5}, "verbosity", ""),
    ("openai", "text-embedding-3-small", {"dimensions": 5}, {"dimensions": 5}, "", ""),
    (
        "dashscope",
        "qwen3-32b",
        {"reasoning_effort": "none"},
        {"enable_thinking": False},
        "",
        "reasoning_effort>enable_thinking",
    ),
    (
        "dashscope-intl",
        "qwen-plus",
        {"reasoning_effort": "low", "max_completion_tokens": 9},
        {"enable_thinking": True, "thinking_budget": 4096, "max_tokens": 9},
        "",
        "reasoning_effort>enable_thinking+thinking_budget,max_completion_tokens>max_tokens",
    ),
    ("dashscope", "qwen-max", {"reasoning_effort": "low", "store": True}, {}, "reasoning_effort,store", ""),
    (
        "deepseek",
        "deepseek-v4-pro",
        {"reasoning_effort": "none", "seed": 1},
        {"thinking": {"type": "disabled"}},
        "seed",
        "reasoning_effort>thinking",
    ),
    (
        "deepseek",
        "deepseek-chat",
        {"reasoning_effort": "xhigh"},
        {"reasoning_effort": "xhigh"},
        "",
        "",
    ),
    (
        "moonshot",
        "kimi-k2.5",
        {"reasoning_effort": "none"},
        {"thinking": {"type": "disabled"}},
        "",
        "reasoning_effort>thinking",
    ),
    (
        "moonshot",
        "kimi-k2-thinking",
        {"reasoning_effort": "low", "temperature": 1.5, "max_tokens": 5},
        {"max_completion_tokens": 5},
        "reasoning_effort,temperature",
        "max_tokens>max_completion_tokens",
    ),
    ("moonshot", "moonshot-v1-8k", {"temperature": 1.5, "n": 2}, {"temperature": 1, "n": 2}, "", "temperature>1"),
    ("moonshot", "kimi-k3", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "max"}, "", "reasoning_effort>max"),
    ("llamacpp", "qwen3-8b", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}, "", ""),
    (
        "zhipu",
        "glm-4.6",
        {"reasoning_effort": "high", "user": "u"},
        {"thinking": {"type": "enabled"}, "user_id": "u"},
        "",
        "reasoning_effort>thinking,user>user_id",
    ),
    ("zhipu", "glm-5.2", {"reasoning_effort": "high"}, {"reasoning_effort": "high"}, "", ""),
    ("zhipu", "glm-4-plus", {"reasoning_effort": "high"}, {}, "reasoning_effort", ""),
    (
        "volcengine",
        "doubao-seed-1-8-251228",
        {"reasoning_effort": "none", "max_tokens": 5},
        {"reasoning_effort": "minimal", "max_completion_tokens": 5},
        "",
        "reasoning_effort>minimal,max_tokens>max_completion_tokens",
    ),
    (
        "volcengine",
        "deepseek-v3-2-251201",
        {"reasoning_effort": "none"},
        {"thinking": {"type": "disabled"}},
        "",
        "reasoning_effort>thinking",
    ),
    (
        "minimax",
        "MiniMax-M2.7",
        {"reasoning_effort": "low", "temperature": 2, "max_tokens": 5},
        {"temperature": 1, "max_completion_tokens": 5},
        "reasoning_effort",
        "temperature>1,max_tokens>max_completion_tokens",
    ),
    (
        "siliconflow",
        "Qwen/Qwen3-8B",
        {"reasoning_effort": "none"},
        {"enable_thinking": False},
        "",
        "reasoning_effort>enable_thinking",
    ),
    (
        "ollama",
        "gpt-oss:20b",
        {"reasoning_effort": "low", "max_completion_tokens": 5},
        {"reasoning_effort": "low", "max_tokens": 5},
        "",
        "max_completion_tokens>max_tokens",
    ),
    (
        "vllm",
        "Qwen/Qwen3-32B",
        {"reasoning_effort": "none"},
        {"chat_template_kwargs": {"enable_thinking": False}},
        "",
        "reasoning_effort>chat_template_kwargs",
    ),
    (
        "sglang",
        "deepseek-ai/DeepSeek-V3.1",
        {"reasoning_effort": "high"},
        {"chat_template_kwargs": {"thinking": True}},
        "",
        "reasoning_effort>chat_template_kwargs",
    ),
    (
        "vllm",
        "openai/gpt-oss-20b",
        {"reasoning_effort": "low", "seed": 1},
        {"reasoning_effort": "low", "seed": 1},
        "",
        "",
    ),
    ("openrouter", "anything", {"reasoning_effort": "low", "n": 2}, {"reasoning_effort": "low", "n": 2}, "", ""),
]


@pytest.mark.parametrize(("preset", "model", "sent", "becomes", "ignored", "mapped"), CASES)
def test_each_upstream_gets_what_it_takes(
    preset: str, model: str, sent: dict[str, Any], becomes: dict[str, Any], ignored: str, mapped: str
) -> None:
    members, dropped, changed = applied(rules_for(preset, model), **sent)
    assert members == becomes
    assert ",".join(dropped) == ignored
    assert ",".join(changed) == mapped


@pytest.mark.parametrize(
    ("preset", "model", "sent"),
    [
        ("openai", "o3", {"logprobs": True}),
        ("deepseek", "deepseek-chat", {"n": 2}),
        ("deepseek", "deepseek-reasoner", {"logprobs": True}),
        ("zhipu", "glm-4.6", {"n": 2}),
        ("moonshot", "kimi-k2", {"logprobs": True}),
        ("ollama", "llama3", {"n": 2}),
    ],
)
def test_what_would_change_the_answer_itself_is_refused(preset: str, model: str, sent: dict[str, Any]) -> None:
    with pytest.raises(Unsupported) as caught:
        applied(rules_for(preset, model), **sent)
    assert caught.value.param == next(iter(sent))


def test_the_table_is_in_order() -> None:
    assert len({each.name for each in SETS}) == len(SETS)
    assert {preset for each in SETS for preset in each.presets} <= set(PRESETS)
    for each in SETS:
        assert each.source.startswith("https://")
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", each.read_on)
        parameters = [rule.parameter for rule in each.rules]
        assert len(set(parameters)) == len(parameters), each.name
        assert TABLE.has(each.name)


NAMES = sorted({rule.parameter for each in SETS for rule in each.rules} | {"reasoning_effort", "messages", "thinking"})


@given(
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(["gpt-5", "o3", "qwen3-8b", "deepseek-v4-pro", "glm-4.6", "kimi-k2.5", "doubao-1", "x"]),
    st.dictionaries(st.sampled_from(NAMES), st.none() | st.booleans() | st.integers() | st.text(max_size=3)),
)
def test_no_rule_loses_anything_in_silence(preset: str, model: str, members: dict[str, Any]) -> None:
    try:
        sent, ignored, mapped = applied(rules_for(preset, model), **members)
    except Unsupported:
        return
    named = {*ignored, *(each.partition(">")[0] for each in mapped)}
    for name, value in members.items():
        assert sent.get(name) == value or name in named or any(f">{name}" in each for each in mapped), name


@pytest.mark.parametrize(("language", "file"), [("en", "parameters.md"), ("zh", "parameters.zh-CN.md")])
def test_the_page_is_printed_from_the_table(language: Any, file: str) -> None:
    """`python -m waystation.catalogue.parameters_page en > docs/guides/parameters.md`, and `zh`."""
    assert (GUIDES / file).read_text(encoding="utf-8") == page(language)
