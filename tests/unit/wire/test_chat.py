"""Chats: what is taken, what is refused and in which words. The sentences are OpenAI's own, as its API answers them."""

# A refusal is compared as a whole sentence, so rows are as long as sentences.
# ruff: noqa: E501

import json
from typing import Any

import pytest

from tests.contract.shapes import complaints, description
from waystation.errors import InvalidRequest
from waystation.wire.chat import ChatRequest, read_chat

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
ANSWER = {"role": "tool", "tool_call_id": "c1", "content": "42"}


def chat(**changes: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o", "messages": [USER]} | changes
    return {name: value for name, value in body.items() if value is not ...}


def read(body: dict[str, Any]) -> ChatRequest:
    return read_chat(json.dumps(body).encode())


def says(messages: Any) -> dict[str, Any]:
    return chat(messages=messages)


def schema_format(schema: Any, **changes: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True} | changes}


def strict_tool(schema: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}


STRICT = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["a", "b"],
    "additionalProperties": False,
    "$defs": {"n": {"type": ["object", "null"], "properties": {}, "additionalProperties": False}},
}
NULL_CONTENT = "Invalid value for 'content': expected a string, got null."
NOT_ALL_REQUIRED = "'required' is required to be supplied and to be an array including every key in properties."

REFUSED: list[tuple[dict[str, Any], str | None, str | None, str]] = [
    # missing
    (chat(model=...), None, None, "you must provide a model parameter"),
    (chat(model=""), None, None, "you must provide a model parameter"),
    (chat(messages=...), "messages", "missing_required_parameter", "Missing required parameter: 'messages'."),
    (says([{"content": "x"}]), "messages[0].role", "missing_required_parameter", "Missing required parameter: 'messages[0].role'."),
    (says([{"role": "developer"}]), "messages[0].content", "missing_required_parameter", "Missing required parameter: 'messages[0].content'."),
    (says([USER, {"role": "user"}]), "messages.[1].content", None, NULL_CONTENT),
    (says([{"role": "user", "content": None}]), "messages.[0].content", None, NULL_CONTENT),
    (says([USER, {"role": "assistant"}]), "messages.[1].content", None, NULL_CONTENT),
    (says([USER, {"role": "assistant", "refusal": None}]), "messages.[1].content", None, NULL_CONTENT),
    (
        says([{"role": "developer", "content": None}]),
        "messages[0].content",
        "invalid_type",
        "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got null instead.",
    ),
    (chat(tools=[{"type": "function"}]), "tools[0].function", "missing_required_parameter", "Missing required parameter: 'tools[0].function'."),
    (chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name", "missing_required_parameter", "Missing required parameter: 'tools[0].function.name'."),
    (chat(tools=[{"function": {"name": "f"}}]), "tools[0].type", "missing_required_parameter", "Missing required parameter: 'tools[0].type'."),
    (chat(response_format={}), "response_format.type", "missing_required_parameter", "Missing required parameter: 'response_format.type'."),
    (chat(response_format={"type": "json_schema"}), "response_format.json_schema", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema'."),
    (chat(response_format={"type": "json_schema", "json_schema": {}}), "response_format.json_schema.name", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema.name'."),
    (chat(tools=[TOOL], tool_choice={"type": "function", "function": {}}), "tool_choice.function.name", "missing_required_parameter", "Missing required parameter: 'tool_choice.function.name'."),
    (chat(moderation={}), "moderation.model", "missing_required_parameter", "Missing required parameter: 'moderation.model'."),
    (chat(modalities=["text", "audio"]), "audio", "missing_required_parameter", "Missing required parameter: 'audio'."),
    # types
    (chat(messages="ping"), "messages", "invalid_type", "Invalid type for 'messages': expected an array of objects, but got a string instead."),
    (says(["ping"]), "messages[0]", "invalid_type", "Invalid type for 'messages[0]': expected an object, but got a string instead."),
    (says([{"role": "user", "content": 7}]), "messages[0].content", "invalid_type", "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got an integer instead."),
    (says([{"role": "user", "content": {"a": 1}}]), "messages[0].content", "invalid_type", "Invalid type for 'messages[0].content': expected one of a string or array of objects, but got an object instead."),
    (chat(temperature="hot"), "temperature", "invalid_type", "Invalid type for 'temperature': expected a decimal, but got a string instead."),
    (chat(n="2"), "n", "invalid_type", "Invalid type for 'n': expected an integer, but got a string instead."),
    (chat(seed=1.5), "seed", "invalid_type", "Invalid type for 'seed': expected an integer, but got a decimal number instead."),
    (chat(max_tokens=True), "max_tokens", "invalid_type", "Invalid type for 'max_tokens': expected an integer, but got a boolean instead."),
    (chat(stream="yes"), "stream", "invalid_type", "Invalid type for 'stream': expected a boolean, but got a string instead."),
    (chat(store="yes"), "store", "invalid_type", "Invalid type for 'store': expected a boolean, but got a string instead."),
    (chat(user={"a": 1}), "user", "invalid_type", "Invalid type for 'user': expected a string, but got an object instead."),
    (chat(tools="none"), "tools", "invalid_type", "Invalid type for 'tools': expected an array of objects, but got a string instead."),
    (chat(functions="x"), "functions", "invalid_type", "Invalid type for 'functions': expected an array of function definitions, but got a string instead."),
    (chat(tool_choice=7), "tool_choice", "invalid_type", "Invalid type for 'tool_choice': expected one of one of 'none', 'auto', or 'required' or object, but got an integer instead."),
    (chat(response_format="json"), "response_format", "invalid_type", "Invalid type for 'response_format': expected an object, but got a string instead."),
    (chat(metadata="x"), "metadata", "invalid_type", "Invalid type for 'metadata': expected a metadata object, but got a string instead."),
    (chat(metadata={"k": 7}), "metadata.k", "invalid_type", "Invalid type for 'metadata.k': expected a string, but got an integer instead."),
    (chat(prompt_cache_options="x"), "prompt_cache_options", "invalid_type", "Invalid type for 'prompt_cache_options': expected an object, but got a string instead."),
    (chat(stop=5), "stop", "invalid_type", "Invalid type for 'stop': expected one of a string or array of strings, but got an integer instead."),
    (chat(service_tier={"a": 1}), "service_tier", "invalid_type", "Invalid type for 'service_tier': expected one of 'auto', 'default', 'fast', 'flex', 'priority', or 'scale', but got an object instead."),
    (chat(logit_bias=[1]), "logit_bias", "invalid_type", "Invalid type for 'logit_bias': expected an object, but got an array instead."),
    (chat(tools=[{"type": "function", "function": {"name": "f", "parameters": [1]}}]), "tools[0].function.parameters", "invalid_type", "Invalid type for 'tools[0].function.parameters': expected an object, but got an array instead."),
    # bounds
    (chat(temperature=3), "temperature", "decimal_above_max_value", "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."),
    (chat(temperature=-0.5), "temperature", "decimal_below_min_value", "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -0.5 instead."),
    (chat(presence_penalty=-3), "presence_penalty", "decimal_below_min_value", "Invalid 'presence_penalty': decimal below minimum value. Expected a value >= -2, but got -3 instead."),
    (chat(n=0), "n", "integer_below_min_value", "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    (chat(n=130), "n", "integer_above_max_value", "Invalid 'n': integer above maximum value. Expected a value <= 128, but got 130 instead."),
    (chat(max_completion_tokens=0), "max_completion_tokens", "integer_below_min_value", "Invalid 'max_completion_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead."),
    (chat(logprobs=True, top_logprobs=21), "top_logprobs", "integer_above_max_value", "Invalid 'top_logprobs': integer above maximum value. Expected a value <= 20, but got 21 instead."),
    (chat(seed=2**63), "seed", "integer_above_max_value", f"Invalid 'seed': integer above maximum value. Expected a value <= {2**63 - 1}, but got {2**63} instead."),
    (chat(messages=[]), "messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."),
    (chat(tools=[]), "tools", "empty_array", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."),
    (says([USER, {"role": "assistant", "content": "x", "tool_calls": []}]), "messages[1].tool_calls", "empty_array", "Invalid 'messages[1].tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead."),
    (chat(tools=[TOOL] * 129), "tools", "array_above_max_length", "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 129 instead."),
    (chat(stop=list("abcde")), "stop", "array_above_max_length", "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead."),
    (chat(safety_identifier="s" * 65), "safety_identifier", "string_above_max_length", "Invalid 'safety_identifier': string too long. Expected a string with maximum length 64, but got a string with length 65 instead."),
    (chat(metadata={"k": "x" * 600}), "metadata.k", "string_above_max_length", "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string with length 600 instead."),
    (chat(metadata={"k" * 70: "v"}), "metadata." + "k" * 70, "property_name_above_max_length", "Invalid property name in 'metadata': 'kkk...kkk' is too long. Expected a string with maximum length 64, but got a string with length 70 instead."),
    (chat(metadata={f"k{i}": "v" for i in range(17)}), "metadata", "object_above_max_properties", "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead."),
    (chat(logit_bias={"50256": 101}), "logit_bias.50256", "decimal_above_max_value", "Invalid 'logit_bias.50256': decimal above maximum value. Expected a value <= 100, but got 101 instead."),
    (chat(logit_bias={"1": 1, "hello": 1}), "logit_bias", None, "Invalid key in 'logit_bias': hello. You should only be submitting non-negative integers."),
    (chat(logit_bias={"-1": 1}), "logit_bias", None, "Invalid key in 'logit_bias': -1. You should only be submitting non-negative integers."),
    (chat(tools=[{"type": "function", "function": {"name": ""}}]), "tools[0].function.name", "empty_string", "Invalid 'tools[0].function.name': empty string. Expected a string with minimum length 1, but got an empty string instead."),
    (chat(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name", "invalid_value", "Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."),
    (chat(tools=[{"type": "function", "function": {"name": "a" * 65}}]), "tools[0].function.name", "string_above_max_length", "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64, but got a string with length 65 instead."),
    # enumerations
    (says([{"role": "bogus", "content": "x"}]), "messages[0].role", "invalid_value", "Invalid value: 'bogus'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."),
    (says([{"role": "user", "content": [{"type": "video", "text": "x"}]}]), "messages[0].content[0].type", "invalid_value", "Invalid value: 'video'. Supported values are: 'text', 'image_url', 'input_audio', and 'file'."),
    (chat(verbosity="bogus"), "verbosity", "invalid_value", "Invalid value: 'bogus'. Supported values are: 'low', 'medium', and 'high'."),
    (chat(response_format={"type": "bogus"}), "response_format.type", "invalid_value", "Invalid value: 'bogus'. Supported values are: 'json_object', 'json_schema', and 'text'."),
    (chat(tools=[TOOL], tool_choice="bogus"), "tool_choice", "invalid_value", "Invalid value: 'bogus'. Supported values are: 'none', 'auto', and 'required'."),
    (chat(modalities=["smell"]), "modalities[0]", "invalid_value", "Invalid value: 'smell'. Supported values are: 'text' and 'audio'."),
    # one parameter needs another
    (chat(top_logprobs=2), "top_logprobs", None, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."),
    (chat(stream_options={"include_usage": True}), "stream_options", None, "The 'stream_options' parameter is only allowed when 'stream' is enabled."),
    (chat(tool_choice="none"), "tool_choice", None, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."),
    (chat(parallel_tool_calls=False), "parallel_tool_calls", None, "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."),
    (chat(function_call="auto"), "function_call", None, "Invalid value for 'function_call': 'function_call' is only allowed when 'functions' are specified."),
    (chat(functions=[{"name": "f"}], function_call={"name": "g"}), "function_call", None, "Invalid value for 'function_call': no function named 'g' was specified in the 'functions' parameter."),
    (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice", None, "Invalid value for 'tool_choice': no function named 'g' was specified in the 'tools' parameter."),
    (chat(tools=[TOOL], tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}}), "tool_choice", None, "Invalid value for 'tool_choice': no function named 'g' was specified in the 'tools' parameter."),
    (chat(response_format={"type": "json_object"}), "messages", None, "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."),
    # the order of messages
    (says([USER, ANSWER]), "messages.[1].role", None, "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."),
    (says([USER, CALLS, ANSWER, USER, ANSWER]), "messages.[4].role", None, "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."),
    (says([USER, CALLS, USER]), "messages.[2].role", None, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: c1"),
    (says([USER, CALLS]), "messages.[1].role", None, "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: c1"),
    (says([USER, CALLS, ANSWER | {"tool_call_id": "c9"}]), "messages.[2].tool_call_id", None, "Invalid parameter: 'tool_call_id' of 'c9' not found in 'tool_calls' of previous message."),
    # strict schemas
    (chat(response_format=schema_format({"type": "object", "properties": {}})), "response_format", None, "Invalid schema for response_format 'answer': In context=(), 'additionalProperties' is required to be supplied and to be false."),
    (chat(response_format=schema_format(STRICT | {"required": ["a"]})), "response_format", None, f"Invalid schema for response_format 'answer': In context=(), {NOT_ALL_REQUIRED} Missing 'b'."),
    (chat(response_format=schema_format(STRICT | {"required": ["a", "b", "c"]})), "response_format", None, f"Invalid schema for response_format 'answer': In context=(), {NOT_ALL_REQUIRED} Extra required key 'c' supplied."),
    (chat(response_format=schema_format({"type": "array"})), "response_format", None, """Invalid schema for response_format 'answer': schema must be a JSON Schema of 'type: "object"', got 'type: "array"'."""),
    (chat(response_format=schema_format(None)), "response_format.json_schema.schema", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema.schema'."),
    (chat(tools=[strict_tool(STRICT | {"properties": {"a": {"type": "object", "properties": {}}}, "required": ["a"]})]), "tools[0].function.parameters", "invalid_function_parameters", "Invalid schema for function 'f': In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false."),
    (chat(tools=[strict_tool(STRICT | {"properties": {"a": {"oneOf": []}}, "required": ["a"]})]), "tools[0].function.parameters", "invalid_function_parameters", "Invalid schema for function 'f': In context=('properties', 'a'), 'oneOf' is not permitted."),
    (chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]), "tools[0].function.parameters", "invalid_function_parameters", """Invalid schema for function 'f': schema must be a JSON Schema of 'type: "object"', got 'type: "string"'."""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code", "message"), REFUSED)
def test_a_fault_is_refused_in_openais_words(
    body: dict[str, Any], param: str | None, code: str | None, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    error = caught.value
    assert (error.message, error.param, error.code, error.status) == (message, param, code, 400)


TAKEN: list[dict[str, Any]] = [
    chat(temperature=1, max_tokens=5, reasoning_effort="minimal", verbosity="low", model="gpt-5"),
    chat(**{name: None for name in ChatRequest.__struct_encode_fields__ if name not in ("model", "messages")}),
    chat(stop="\n"),
    chat(stop=[]),
    chat(stream=True, stream_options={"include_usage": True, "include_obfuscation": False}),
    chat(logit_bias={"50256": -100, "15": 1.5}),
    chat(tools=[TOOL], tool_choice="required", parallel_tool_calls=False),
    chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}),
    chat(tools=[{"type": "function", "function": {"name": "no_parameters"}}]),
    chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]),
    chat(tools=[strict_tool(STRICT)]),
    chat(
        tools=[
            {
                "type": "custom",
                "custom": {
                    "name": "c",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
                },
            }
        ],
        tool_choice={"type": "custom", "custom": {"name": "c"}},
    ),
    chat(functions=[{"name": "f", "parameters": {"type": "object"}}], function_call={"name": "f"}),
    chat(response_format=schema_format(STRICT)),
    chat(response_format=schema_format({"anyOf": [{"type": "string"}]}, strict=False)),
    chat(response_format={"type": "json_object"}, messages=[{"role": "user", "content": "As JSON, please."}]),
    chat(modalities=["text", "audio"], audio={"voice": {"id": "v"}, "format": "wav"}),
    chat(prediction={"type": "content", "content": [{"type": "text", "text": "x"}]}),
    chat(web_search_options={"user_location": {"type": "approximate", "approximate": {"city": "Berlin"}}}),
    chat(metadata={"k": "v"}, store=True, service_tier="flex", prompt_cache_retention="24h"),
    says([USER, CALLS, ANSWER]),
    says([USER, CALLS | {"tool_calls": [CALL, CALL | {"id": "c2"}]}, ANSWER | {"tool_call_id": "c2"}, ANSWER, USER]),
    says([USER, {"role": "assistant", "content": "x", "reasoning_content": "thought", "tool_calls": None}]),
    says([USER, {"role": "assistant", "refusal": "No."}, {"role": "function", "name": "f", "content": None}]),
    says([{"content": "the role comes last", "role": "user", "name": "ann"}]),
    says([{"role": "system", "content": [{"type": "text", "text": "a"}]}, {"role": "developer", "content": ""}]),
]


@pytest.mark.parametrize("body", TAKEN)
def test_what_openai_takes_is_taken(body: dict[str, Any]) -> None:
    assert read(body).model == body["model"]


@pytest.mark.parametrize(
    "example", description()["examples"]["/chat/completions"], ids=lambda example: example["title"]
)
def test_the_examples_of_openais_description_are_taken(example: dict[str, Any]) -> None:
    read(example["request"])


def test_every_parameter_of_openais_description_is_known() -> None:
    named: set[str] = set()
    schemas = description()["components"]["schemas"]
    todo = [schemas["CreateChatCompletionRequest"]]
    while todo:
        schema = todo.pop()
        named |= set(schema.get("properties", ()))
        parts = schema.get("allOf", ())
        todo += [schemas[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part for part in parts]
    assert named == set(ChatRequest.__struct_encode_fields__)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        # `content` is the one place where null is more than "left out".
        return {name: without_nulls(item) for name, item in value.items() if item is not None or name == "content"}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("body", [body for body in TAKEN if body.get("stop") != []])
def test_but_for_nulls_and_an_empty_stop_we_take_what_openai_describes(body: dict[str, Any]) -> None:
    described = without_nulls(body)
    described.pop("logit_bias", None)  # described as integers; OpenAI takes fractions too
    assert complaints("CreateChatCompletionRequest", described) == []


@pytest.mark.parametrize(
    ("changes", "tokens"),
    [
        ({}, None),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 7),
        ({"max_tokens": 70, "max_completion_tokens": 9}, 9),
    ],
)
def test_the_smaller_limit_counts(changes: dict[str, Any], tokens: int | None) -> None:
    assert read(chat(**changes)).output_tokens_asked == tokens


def test_the_properties_that_stages_ask_for() -> None:
    plain = read(chat())
    assert (plain.stream, plain.include_usage, plain.choices, plain.end_user) == (False, False, 1, None)
    assert (plain.has_images, plain.image_param) == (False, None)
    full = read(
        chat(
            stream=True,
            stream_options={"include_usage": True},
            n=3,
            user="u",
            safety_identifier="s",
            messages=[
                USER,
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "see"},
                        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                    ],
                },
            ],
        )
    )
    assert (full.stream, full.include_usage, full.choices, full.end_user) == (True, True, 3, "s")
    assert (full.has_images, full.image_param) == (True, "messages[1].content[1]")
    assert read(chat(user="u")).end_user == "u"


def test_prompt_text_has_all_that_the_model_reads() -> None:
    request = read(
        chat(
            messages=[
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": [{"type": "text", "text": "part one"}]},
                CALLS,
                ANSWER,
            ],
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "does",
                        "parameters": {"type": "object", "properties": {"größe": {}}},
                    },
                }
            ],
            response_format=schema_format(STRICT, description="a shape"),
        )
    )
    for text in ("be kind", "part one", "42", "f does", "a shape", "additionalProperties", "{}"):
        assert text in request.prompt_text
