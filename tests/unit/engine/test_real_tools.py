"""Tools with the default model itself: what is asked for comes, as JSON that fits."""

import json
from typing import Any

import jsonschema
import pytest

from tests.unit.engine.engine_stand import Engine

# Long, and `tests/contract` asks the same of the whole product in every run: this says where a fault is.
pytestmark = pytest.mark.slow

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def function(name: str, description: str, parameters: dict[str, Any] = CITY) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    function("get_weather", "Get the current weather of a city"),
    function("get_time", "Get the local time of a city"),
]
WEATHER = [{"role": "user", "content": "What is the weather in Paris?"}]


def calls(body: dict[str, Any]) -> list[dict[str, Any]]:
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    told: list[dict[str, Any]] = choice["message"]["tool_calls"]
    assert all(call["id"].startswith("call_") and call["type"] == "function" for call in told)
    return told


@pytest.mark.parametrize("question", ["Hello!", "Tell me a joke.", "北京现在几点？"])
@pytest.mark.parametrize("parallel", [True, False])
def test_required_always_gives_a_call_that_fits(engine: Engine, question: str, parallel: bool) -> None:
    asked = [{"role": "user", "content": question}]
    told = calls(
        engine.chats(
            {
                "messages": asked,
                "tools": TOOLS,
                "tool_choice": "required",
                "parallel_tool_calls": parallel,
                "max_tokens": 80,
            }
        )
    )
    assert parallel or len(told) == 1
    for call in told:
        assert call["function"]["name"] in ("get_weather", "get_time")
        jsonschema.validate(json.loads(call["function"]["arguments"]), CITY)


def test_the_named_tool_is_the_one(engine: Engine) -> None:
    choice = {"type": "function", "function": {"name": "get_time"}}
    told = calls(engine.chats({"messages": WEATHER, "tools": TOOLS, "tool_choice": choice}))
    assert [call["function"]["name"] for call in told] == ["get_time"]


def test_auto_calls_when_asked_for_what_a_tool_knows(engine: Engine) -> None:
    told = calls(engine.chats({"messages": WEATHER, "tools": TOOLS, "temperature": 0}))
    assert told[0]["function"]["name"] == "get_weather"
    assert json.loads(told[0]["function"]["arguments"]) == {"city": "Paris"}


def test_none_never_calls(engine: Engine) -> None:
    body = engine.chats({"messages": WEATHER, "tools": TOOLS, "tool_choice": "none", "max_tokens": 20})
    assert "tool_calls" not in body["choices"][0]["message"]


def test_arguments_stream_in_pieces(engine: Engine) -> None:
    chunks = engine.streams(
        {"messages": WEATHER, "tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}
    )
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert pieces[0]["id"].startswith("call_")
    assert pieces[0]["function"]["name"] in ("get_weather", "get_time")
    assert len(pieces) > 3
    assert all("id" not in piece for piece in pieces[1:])
    jsonschema.validate(json.loads("".join(piece["function"]["arguments"] for piece in pieces)), CITY)
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_result_is_answered_in_words_and_not_asked_for_again(engine: Engine) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
    turn = [
        *WEATHER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees, sunny"},
    ]
    body = engine.chats({"messages": turn, "tools": TOOLS, "temperature": 0})
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "18" in body["choices"][0]["message"]["content"] or "sunny" in body["choices"][0]["message"]["content"]


def test_old_functions_are_answered_in_the_old_shape(engine: Engine) -> None:
    functions = [tool["function"] for tool in TOOLS]
    body = engine.chats({"messages": WEATHER, "functions": functions, "function_call": {"name": "get_weather"}})
    assert body["choices"][0]["finish_reason"] == "function_call"
    call = body["choices"][0]["message"]["function_call"]
    jsonschema.validate(json.loads(call["arguments"]), CITY)


def test_a_custom_tool_gets_text(engine: Engine) -> None:
    custom = {"type": "custom", "custom": {"name": "python", "description": "Run Python code"}}
    asked = [{"role": "user", "content": "Run print(1)"}]
    body = engine.chats({"messages": asked, "tools": [custom], "tool_choice": "required", "max_tokens": 80})
    call = body["choices"][0]["message"]["tool_calls"][0]
    assert (call["type"], call["custom"]["name"]) == ("custom", "python")
    assert isinstance(call["custom"]["input"], str)


def test_a_limit_cuts_and_is_never_passed(engine: Engine) -> None:
    body = engine.chats({"messages": WEATHER, "tools": TOOLS, "tool_choice": "required", "max_tokens": 3})
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] <= 3
