"""A request of the Responses API, read into the vocabulary: what is asked, what is refused by name, what is only named."""

import json
from typing import Any

import pytest

from waystation.dialects.ask import Ask, Text, Tool, ToolChoice, ToolResult, ToolUse
from waystation.dialects.responses.asked import ask_of_response
from waystation.errors import Unsupported
from waystation.wire.responses import read_response

FUNCTION = {"type": "function", "name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}
GRAMMAR = {"type": "grammar", "syntax": "regex", "definition": "[a-c]{3}"}


def asked(**members: Any) -> Ask:
    body = json.dumps({"model": "m", "input": "hi", **members}).encode()
    return ask_of_response(body, read_response(body), None)


def test_instructions_come_first_and_items_are_turns_in_order() -> None:
    items = [
        {"role": "user", "content": "How is it in Oslo?"},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]
    turns = asked(input=items, instructions="Be kind.", tools=[FUNCTION]).turns
    assert turns[0].role in ("system", "developer")
    assert turns[0].parts == (Text("Be kind."),)
    parts = [part for turn in turns[1:] for part in turn.parts]
    assert parts == [
        Text("How is it in Oslo?"),
        ToolUse("c1", "weather", '{"city":"Oslo"}'),
        ToolResult("c1", "weather", (Text("rain"),)),
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "weather"}, ToolChoice("named", "weather")),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]},
            ToolChoice("required"),
        ),
    ],
    ids=["none", "required", "a function", "allowed tools"],
)
def test_the_choice_among_tools_keeps_its_meaning(choice: Any, expected: ToolChoice) -> None:
    other = FUNCTION | {"name": "other"}
    ask = asked(tools=[FUNCTION, other], tool_choice=choice)
    assert ask.tool_choice == expected
    names = [tool.name for tool in ask.tools]
    assert names == (["weather"] if isinstance(choice, dict) and "mode" in choice else ["weather", "other"])


def test_a_grammar_is_told_in_words_and_named_as_not_enforced() -> None:
    custom = {"type": "custom", "name": "code", "format": GRAMMAR}
    ask = asked(tools=[FUNCTION, custom])
    assert ask.tools[1] == Tool("code", "The input follows this regex grammar: [a-c]{3}", custom=True)
    assert ask.extra == {"tools[1].format": True}


def test_what_is_not_said_otherwise_is_named() -> None:
    ask = asked(max_tool_calls=3, prompt_cache_key="k", top_logprobs=2, include=["message.output_text.logprobs"])
    assert {"max_tool_calls", "prompt_cache_key", "top_logprobs"} <= ask.extra.keys()


@pytest.mark.parametrize("kind", ["web_search", "code_interpreter", "image_generation"])
def test_a_tool_that_only_a_provider_runs_is_refused_by_name(kind: str) -> None:
    tool: dict[str, Any] = {"type": kind}
    if kind == "code_interpreter":
        tool["container"] = {"type": "auto"}
    with pytest.raises(Unsupported, match=kind) as refused:
        asked(tools=[FUNCTION, tool])
    assert refused.value.param is not None
    assert refused.value.param.startswith("tools[1]")
