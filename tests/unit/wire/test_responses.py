"""What a request for a response may be, and how it is refused: in OpenAI's words, with the place as `param`."""

import json
from contextlib import suppress
from typing import Any

import pytest

from tests.contract.shapes import assert_shape
from waystation.errors import InvalidRequest
from waystation.wire.response_items import KINDS
from waystation.wire.responses import read_response

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": None}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def read(**asked: Any) -> Any:
    return read_response(json.dumps({"model": "m", "input": "Hi", **asked}).encode())


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


GOOD: dict[str, dict[str, Any]] = {
    "a text": {},
    "messages": {"input": [{"role": "system", "content": "Be brief."}, user({"type": "input_text", "text": "Hi"})]},
    "an answer of before": {
        "input": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
            },
            user({"type": "input_text", "text": "Go on"}),
        ]
    },
    "a picture and a file": {
        "input": [
            user(
                {"type": "input_image", "image_url": "https://e.org/a.png", "detail": "auto"},
                {"type": "input_file", "file_id": "file-1"},
            )
        ]
    },
    "a call and its output": {"input": [CALL, OUTPUT]},
    "an output in parts": {"input": [CALL, OUTPUT | {"output": [{"type": "input_text", "text": "ok"}]}]},
    "an output whose call is kept": {"input": [OUTPUT], "previous_response_id": "resp_1"},
    "a reference without a type": {"input": [{"id": "msg_1"}]},
    "a thought": {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, user()]},
    "functions and a choice": {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "f"}},
    "allowed tools": {
        "tools": [FUNCTION, {"type": "custom", "name": "g"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "custom", "name": "g"}]},
    },
    "a namespace": {
        "tools": [{"type": "namespace", "name": "crm", "description": "Customers", "tools": [FUNCTION]}],
        "tool_choice": {"type": "function", "name": "f"},
    },
    "a hosted tool": {"tools": [{"type": "web_search"}], "tool_choice": "required"},
    "json": {"input": "Say it as JSON", "text": {"format": {"type": "json_object"}}},
    "a loose schema": {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
    "only a conversation": {"input": None, "conversation": "conv_1"},
    "nulls": {"tools": None, "text": None, "reasoning": None, "include": None, "metadata": None},
}


@pytest.mark.parametrize("name", GOOD)
def test_what_openai_takes_is_taken(name: str) -> None:
    read(**GOOD[name])
    # Of a message the description has two shapes that both fit, and says that one may.
    if '"role"' not in json.dumps(GOOD[name]) and name not in ("nulls", "only a conversation"):
        assert_shape("CreateResponse", {"model": "m", "input": "Hi", **GOOD[name]})


BAD: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "nothing to answer": ({"input": None}, "input", "must be provided"),
    "an empty list": ({"input": []}, "input", "must be provided"),
    "no kind": (
        {"input": [{"type": "poem"}]},
        "input[0].type",
        "Invalid value: 'poem'. Supported values are: 'message'",
    ),
    "no role": ({"input": [{"type": "message", "content": "x"}]}, "input[0].role", "Missing required parameter"),
    "a role that is none": ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "Invalid value: 'tool'"),
    "no content": ({"input": [{"role": "user"}]}, "input[0].content", "Missing required parameter"),
    "content that is a number": ({"input": [{"role": "user", "content": 5}]}, "input[0].content", "Invalid type"),
    "a part of a chat": (
        {"input": [user({"type": "text", "text": "Hi"})]},
        "input[0].content[0].type",
        "Invalid value: 'text'. Supported values are: 'input_text', 'input_image', and 'input_file'.",
    ),
    "what a user says, said by the assistant": (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        "input[0].content[0].type",
        "Supported values are: 'output_text' and 'refusal'.",
    ),
    "a part without text": ({"input": [user({"type": "input_text"})]}, "input[0].content[0].text", "Missing"),
    "a part that is none": ({"input": [user("Hi")]}, "input[0].content[0]", "expected an object, but got a string"),
    "a picture that is nowhere": (
        {"input": [user({"type": "input_image"})]},
        "input[0].content[0].image_url",
        "Missing",
    ),
    "a call without an id": (
        {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
        "input[0].call_id",
        "Missing required parameter: 'input[0].call_id'.",
    ),
    "an id that is too long": ({"input": [CALL | {"call_id": "c" * 65}]}, "input[0].call_id", "string too long"),
    "arguments as an object": ({"input": [CALL | {"arguments": {}}]}, "input[0].arguments", "expected a string"),
    "an output without its call": (
        {"input": [OUTPUT]},
        "input",
        "No tool call found for function call output with call_id call_1.",
    ),
    "a custom output of a function": (
        {"input": [CALL, OUTPUT | {"type": "custom_tool_call_output"}]},
        "input",
        "No tool call found for custom tool call output with call_id call_1.",
    ),
    "a call without its output": ({"input": [CALL]}, "input", "No tool output found for function call call_1."),
    "an item twice": (
        {"input": [user() | {"id": "msg_1"}, user() | {"id": "msg_1"}]},
        "input",
        "Duplicate item found with id msg_1.",
    ),
    "two memories": (
        {"previous_response_id": "resp_1", "conversation": "conv_1"},
        "previous_response_id",
        "Mutually exclusive parameters",
    ),
    "in the background, but not kept": ({"background": True, "store": False}, "background", "'store' is true"),
    "options of no stream": ({"stream_options": {}}, "stream_options", "only allowed when 'stream' is enabled"),
    "a tool without a name": ({"tools": [{"type": "function"}]}, "tools[0].name", "Missing required parameter"),
    "a tool of a chat": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "tools[0].name",
        "Missing required parameter: 'tools[0].name'.",
    ),
    "a tool of no kind": ({"tools": [{"type": "hammer"}]}, "tools[0].type", "Invalid value: 'hammer'."),
    "a name with a space": ({"tools": [{"type": "custom", "name": "a b"}]}, "tools[0].name", "does not match pattern"),
    "parameters that are no object": (
        {"tools": [FUNCTION | {"parameters": {"type": "array"}}]},
        "tools[0].parameters",
        "Invalid schema for function 'f'",
    ),
    "strict, but loose": (
        {"tools": [FUNCTION | {"parameters": SCHEMA, "strict": True}]},
        "tools[0].parameters",
        "'additionalProperties' is required",
    ),
    "a tool of a namespace without a name": (
        {"tools": [{"type": "namespace", "name": "n", "description": "", "tools": [{"type": "function"}]}]},
        "tools[0].tools[0].name",
        "Missing required parameter",
    ),
    "no such choice": (
        {"tool_choice": "maybe"},
        "tool_choice",
        "Supported values are: 'none', 'auto', and 'required'.",
    ),
    "required of nothing": ({"tool_choice": "required"}, "tool_choice", "must be specified with 'tools' parameter"),
    "a choice that is not among the tools": (
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}},
        "tool_choice",
        "Tool choice 'function' named 'g' not found in 'tools' parameter.",
    ),
    "a hosted choice that is not among them": (
        {"tools": [FUNCTION], "tool_choice": {"type": "file_search"}},
        "tool_choice",
        "Tool choice 'file_search' not found in 'tools' parameter.",
    ),
    "allowed, but not there": (
        {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}},
        "tool_choice.tools[0].server_label",
        "Missing required parameter",
    ),
    "a format of no kind": ({"text": {"format": {"type": "xml"}}}, "text.format.type", "Invalid value: 'xml'."),
    "a schema without a name": (
        {"text": {"format": {"type": "json_schema", "schema": {}}}},
        "text.format.name",
        "Missing required parameter: 'text.format.name'.",
    ),
    "no schema": ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema", "Missing"),
    "a strict schema that is loose": (
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}}},
        "text.format.schema",
        "'additionalProperties' is required",
    ),
    "json without the word": ({"text": {"format": {"type": "json_object"}}}, "input", "must contain the word 'json'"),
    "include of nothing": ({"include": ["everything"]}, "include[0]", "Invalid value: 'everything'."),
    "too hot": ({"temperature": 3}, "temperature", "decimal above maximum value"),
    "an effort that is none": ({"reasoning": {"effort": "huge"}}, "reasoning.effort", "Invalid value: 'huge'."),
}


@pytest.mark.parametrize("name", BAD)
def test_what_openai_refuses_is_refused_in_its_words(name: str) -> None:
    asked, param, words = BAD[name]
    with pytest.raises(InvalidRequest) as refused:
        read(**asked)
    assert refused.value.status == 400
    assert words in refused.value.message
    assert refused.value.param == param


JUNK: list[Any] = [None, True, 5, "x", "", [], [[]], {}, {"type": []}, {"type": {}}]


@pytest.mark.parametrize("kind", KINDS)
def test_no_item_is_more_than_a_clear_error(kind: str) -> None:
    """Whatever stands in its members."""
    names = ("role", "content", "output", "call_id", "id", "name", "arguments", "input", "summary", "tools")
    for name in names:
        for junk in JUNK:
            full = {"call_id": "c", "id": "i", "name": "n", "arguments": "", "input": "", "output": "", "role": "user"}
            with suppress(InvalidRequest):
                read(input=[full | {"content": "", "summary": [], "tools": []} | {"type": kind, name: junk}])
