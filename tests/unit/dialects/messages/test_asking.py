"""Requests in Anthropic's dialect: what is asked of every generation of Claude, and what Anthropic's callers ask of others."""

import json
from typing import Any

import msgspec
import pytest

from waystation.dialects.ask import (
    Ask,
    Audio,
    Document,
    Format,
    Image,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.dialects.messages.asked import ask_of_messages
from waystation.dialects.messages.body import Written, messages_body
from waystation.dialects.messages.models import Rules, nearest_effort, rules_of
from waystation.dialects.messages.schemas import strict_schema
from waystation.errors import Unsupported
from waystation.wire.anthropic import read_messages

HI = Turn("user", (Text("hi"),))
HI_SENT = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
WEATHER = Tool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}})
OLD, OPUS_45, OPUS_46, OPUS_48, OPUS_5, OPUS_55, SONNET_55 = (
    "claude-sonnet-4-5-20250929",
    "claude-opus-4-5",
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
)


def written(model: str = OLD, **asked: Any) -> Written:
    ask = Ask(**{"stream": False, "turns": (HI,), **asked})
    return messages_body(ask, model, output_tokens_max=10_000)


def sent(model: str = OLD, **asked: Any) -> dict[str, Any]:
    return {name: value for name, value in written(model, **asked).body.items() if name not in ("model", "messages")}


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("claude-3-5-haiku-20241022", "budgets=False"),
        ("claude-3-7-sonnet-20250219", "budgets=True"),
        ("claude-sonnet-4-20250514", "schemas=False"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "schemas=True"),
        ("claude-opus-4-6", "adaptive=True"),
        ("claude-opus-4-7@20260101", "sampling=False"),
        ("claude-opus-5", "stops_thinking=True"),
        ("claude-haiku-5-5", "stops_thinking=True"),
        ("claude-fable-5", "stops_thinking=False"),
        ("claude-opus-5-5", "forced_tools=False"),
        ("claude-sonnet-5-5", "between_tools=True"),
        ("claude-something-7", "forced_tools=False"),
        ("deepseek-chat", "budgets=True"),
    ],
)
def test_a_generation_is_known_by_its_name(name: str, version: str) -> None:
    assert version in repr(rules_of(name))
    assert rules_of("kimi-k2") == Rules()


@pytest.mark.parametrize(
    ("asked", "model", "expected"),
    [
        ({}, OLD, {"max_tokens": 10_000}),
        ({"output_tokens_max": 5}, OLD, {"max_tokens": 5}),
        ({"output_tokens_max": 99_999}, OLD, {"max_tokens": 10_000}),
        ({"stream": True}, OLD, {"max_tokens": 10_000, "stream": True}),
        ({"temperature": 0.5, "top_k": 3}, OLD, {"max_tokens": 10_000, "temperature": 0.5, "top_k": 3}),
        ({"temperature": 1.7}, OLD, {"max_tokens": 10_000, "temperature": 1}),
        ({"temperature": 0.5, "top_p": 0.9}, OLD, {"max_tokens": 10_000, "temperature": 0.5}),
        ({"temperature": 0.5}, OPUS_48, {"max_tokens": 10_000}),
        ({"stops": ("END", "\n")}, OLD, {"max_tokens": 10_000, "stop_sequences": ["END"]}),
        ({"end_user": "u"}, OLD, {"max_tokens": 10_000, "metadata": {"user_id": "u"}}),
        ({"service_tier": "default"}, OLD, {"max_tokens": 10_000, "service_tier": "standard_only"}),
        ({"service_tier": "auto"}, OLD, {"max_tokens": 10_000, "service_tier": "auto"}),
    ],
    ids=str,
)
def test_what_is_sent(asked: dict[str, Any], model: str, expected: dict[str, Any]) -> None:
    assert sent(model, **asked) == expected


ADAPTIVE, LOW = {"type": "adaptive"}, {"effort": "low"}


@pytest.mark.parametrize(
    ("asked", "model", "thinking", "config"),
    [
        ({"reasoning_effort": "medium"}, OLD, {"type": "enabled", "budget_tokens": 2500}, None),
        ({"reasoning_effort": "high"}, OLD, {"type": "enabled", "budget_tokens": 5000}, None),
        ({"reasoning_effort": "high", "output_tokens_max": 1000}, OLD, None, None),
        ({"reasoning_effort": "low", "output_tokens_max": 1500}, OLD, {"type": "enabled", "budget_tokens": 1024}, None),
        ({"reasoning_effort": "none"}, OLD, None, None),
        ({"reasoning_tokens_max": 2000}, OLD, {"type": "enabled", "budget_tokens": 2000}, None),
        ({"reasoning_effort": "max"}, OPUS_45, {"type": "enabled", "budget_tokens": 5000}, {"effort": "high"}),
        ({"reasoning_effort": "minimal"}, OPUS_46, ADAPTIVE, LOW),
        ({"reasoning_effort": "xhigh"}, OPUS_46, ADAPTIVE, {"effort": "high"}),
        ({"reasoning_effort": "xhigh"}, OPUS_48, ADAPTIVE, {"effort": "xhigh"}),
        ({"reasoning_tokens_max": 30_000}, OPUS_48, ADAPTIVE, {"effort": "high"}),
        ({"reasoning_effort": "none"}, OPUS_48, None, None),
        ({"reasoning_effort": "none"}, OPUS_5, {"type": "disabled"}, None),
        ({"reasoning_effort": "none"}, SONNET_55, {"type": "between_tools"}, None),
        ({"reasoning_effort": "none"}, OPUS_55, None, LOW),
        ({"reasoning_effort": "high"}, "claude-3-5-haiku-20241022", None, None),
        ({"reasoning_effort": "high"}, "deepseek-reasoner", {"type": "enabled", "budget_tokens": 5000}, None),
    ],
    ids=str,
)
def test_effort_is_what_the_model_knows(asked: dict[str, Any], model: str, thinking: Any, config: Any) -> None:
    body = sent(model, **asked)
    assert (body.get("thinking"), body.get("output_config")) == (thinking, config)
    if thinking is not None and "budget_tokens" in thinking:
        assert thinking["budget_tokens"] < body["max_tokens"]


@pytest.mark.parametrize(
    ("choice", "parallel", "model", "expected"),
    [
        (None, None, OLD, None),
        (None, False, OLD, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, OLD, {"type": "auto"}),
        (ToolChoice("required"), None, OLD, {"type": "any"}),
        (
            ToolChoice("named", "weather"),
            False,
            OLD,
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        ),
        (ToolChoice("none"), False, OLD, {"type": "none"}),
        (ToolChoice("required"), None, OPUS_55, {"type": "auto"}),
    ],
    ids=str,
)
def test_tools_and_their_choice(choice: ToolChoice | None, parallel: bool | None, model: str, expected: Any) -> None:
    told = written(model, tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel)
    assert told.body["tools"] == [{"name": "weather", "description": "Tells it.", "input_schema": WEATHER.schema}]
    assert told.body.get("tool_choice") == expected
    assert ("tool_choice>auto" in told.mapped) == (model == OPUS_55)
    assert ("system" in told.body) == (model == OPUS_55)


def test_a_model_that_must_call_does_not_think_first() -> None:
    body = sent(OLD, tools=(WEATHER,), tool_choice=ToolChoice("required"), reasoning_effort="high")
    assert "thinking" not in body


def test_a_schema_is_kept_where_the_model_can_and_told_where_not() -> None:
    wanted = Format({"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}})
    assert sent(OPUS_48, format=wanted)["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"n": {"type": "integer", "description": "(minimum: 3)"}},
            "additionalProperties": False,
        },
    }
    told = written("claude-3-7-sonnet-20250219", format=wanted)
    assert '"minimum":3' in told.body["system"][0]["text"]
    assert told.mapped == ("response_format>system",)
    assert "one JSON object" in sent(OPUS_48, format=Format())["system"][0]["text"]


def test_a_strict_schema_is_closed_all_the_way_down() -> None:
    inner = {"properties": {"a": {"maxLength": 3}}}
    made = strict_schema(
        {"type": "object", "$defs": {"x": inner}, "properties": {"y": {"items": inner, "minItems": 1}}}
    )
    closed = {"properties": {"a": {"description": "(maxLength: 3)"}}, "additionalProperties": False}
    assert made["$defs"]["x"] == closed
    assert made["properties"]["y"] == {"items": closed, "minItems": 1}
    assert strict_schema({"oneOf": [inner], "minItems": 2}) == {"anyOf": [closed], "description": "(minItems: 2)"}


def test_what_has_no_place_is_named() -> None:
    told = written(OPUS_48, seed=1, frequency_penalty=0.0, presence_penalty=0.5, top_p=0.5, extra={"store": True})
    assert told.ignored == ("seed", "presence_penalty", "store", "top_p")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"choices": 2}, "n"),
        ({"logprobs": 0}, "logprobs"),
        ({"tools": (Tool("t", custom=True),)}, "tools"),
        ({"turns": (Turn("user", (Audio("AA", "wav"),)),)}, "messages"),
        ({"turns": (Turn("user", (Image("data:nonsense"),)),)}, "messages"),
    ],
    ids=str,
)
def test_what_would_change_the_answer_is_refused(asked: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        written(**asked)
    assert caught.value.param == param


def messages(*turns: Turn, said: str = "", prefill: bool = False) -> Any:
    return messages_body(Ask(stream=False, turns=turns, said=said), OLD, output_tokens_max=100, prefill=prefill).body[
        "messages"
    ]


def said_by(role: Any, *texts: str) -> Turn:
    return Turn(role, tuple(Text(text) for text in texts))


@pytest.mark.parametrize(
    ("turns", "said", "prefill", "expected"),
    [
        ((HI,), "", False, ["user: hi"]),
        ((HI, said_by("user", "there")), "", False, ["user: hi|there"]),
        ((said_by("system", "Be kind."), HI, said_by("developer", "Be short.")), "", False, ["user: hi"]),
        ((HI, said_by("assistant", "  "), said_by("user", "")), "", False, ["user: hi"]),
        ((said_by("assistant", "Hello"),), "", True, ["user: Continue.", "assistant: Hello"]),
        ((said_by("system", "Be kind."),), "", False, ["user: Continue."]),
        ((HI, said_by("assistant", "So: ")), "", True, ["user: hi", "assistant: So:"]),
        ((HI, said_by("assistant", "So: ")), "", False, ["user: hi", "assistant: So: ", "user: Continue."]),
        ((HI,), "Once upon\n", True, ["user: hi", "assistant: Once upon"]),
        ((HI,), " \n", True, ["user: hi"]),
        ((HI, said_by("assistant", "So: ")), "one", True, ["user: hi", "assistant: So: |one"]),
    ],
    ids=str,
)
def test_turns_become_messages(turns: tuple[Turn, ...], said: str, prefill: bool, expected: list[str]) -> None:
    found = [
        f"{message['role']}: {'|'.join(block['text'] for block in message['content'])}"
        for message in messages(*turns, said=said, prefill=prefill)
    ]
    assert found == expected


def test_system_prompts_are_joined_in_order() -> None:
    told = written(turns=(said_by("system", "One."), HI, said_by("developer", "Two.")))
    assert [block["text"] for block in told.body["system"]] == ["One.", "Two."]


def test_tools_that_were_called_and_their_results() -> None:
    calls = Turn(
        "assistant",
        (
            Reasoning("why", "signed"),
            Reasoning("unsigned"),
            Reasoning(redacted="hidden"),
            ToolUse("call:1", "f", '{"a":1}'),
            ToolUse("call_2", "g", "nonsense"),
        ),
    )
    results = Turn(
        "user", (Text("and?"), ToolResult("call:1", parts=(Text("ok"),)), ToolResult("call_2", is_error=True))
    )
    assert messages(HI, calls, results)[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "why", "signature": "signed"},
                {"type": "redacted_thinking", "data": "hidden"},
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
                {"type": "tool_use", "id": "call_2", "name": "g", "input": {"input": "nonsense"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "ok"}]},
                {"type": "tool_result", "tool_use_id": "call_2", "is_error": True},
                {"type": "text", "text": "and?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("part", "source"),
    [
        (Image("https://x/a.png"), {"type": "url", "url": "https://x/a.png"}),
        (Image(data="AA", media_type="image/jpeg"), {"type": "base64", "media_type": "image/jpeg", "data": "AA"}),
        (Image("data:image/gif;base64,BB"), {"type": "base64", "media_type": "image/gif", "data": "BB"}),
        (Document("https://x/a.pdf"), {"type": "url", "url": "https://x/a.pdf"}),
        (Document(data="CC"), {"type": "base64", "media_type": "application/pdf", "data": "CC"}),
        (Document(data="aGk=", media_type="text/plain"), {"type": "text", "media_type": "text/plain", "data": "hi"}),
        (Document(file_id="file_1"), {"type": "file", "file_id": "file_1"}),
    ],
    ids=str,
)
def test_pictures_and_documents(part: Any, source: dict[str, Any]) -> None:
    assert messages(Turn("user", (part,)))[0]["content"][0]["source"] == source


def test_the_strongest_effort_that_is_not_above_is_sent() -> None:
    assert [nearest_effort(each, ("low", "high")) for each in ("minimal", "low", "medium", "max")] == [
        "low",
        "low",
        "low",
        "high",
    ]


# -- Anthropic's callers, others' models


def asked(paid: int | None = None, **fields: Any) -> Ask:
    body = msgspec.json.encode(
        {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **fields}
    )
    return ask_of_messages(body, read_messages(body), paid)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"output_tokens_max": 100}),
        ({"stream": True}, {"stream": True}),
        ({"stop_sequences": ["a"], "top_k": 1, "top_p": 0.5, "temperature": 0.1}, {"stops": ("a",), "top_k": 1}),
        ({"metadata": {"user_id": "u"}, "service_tier": "standard_only"}, {"end_user": "u", "service_tier": "default"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 9000},
            {"reasoning_effort": "medium", "reasoning_tokens_max": 5000},
        ),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}},
            {"reasoning_effort": "xhigh", "reasoning_tokens_max": None},
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {"format": Format({"type": "object"}, strict=True)},
        ),
        ({"container": "c", "mcp_servers": []}, {"extra": {"container": "c", "mcp_servers": []}}),
        (
            {
                "tools": [{"name": "f", "input_schema": {"type": "object"}}],
                "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            },
            {
                "tools": (Tool("f", None, {"type": "object"}),),
                "tool_choice": ToolChoice("named", "f"),
                "parallel_tool_calls": False,
            },
        ),
    ],
    ids=str,
)
def test_what_is_asked(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    ask = asked(**fields)
    assert {name: getattr(ask, name) for name in expected} == expected


def test_no_more_is_asked_than_can_be_paid() -> None:
    assert asked(7).output_tokens_max == 7
    assert asked(700).output_tokens_max == 100


def test_turns_are_read_with_all_their_blocks() -> None:
    ask = asked(
        system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                    {"type": "document", "title": "t", "source": {"type": "url", "url": "https://x"}},
                    {
                        "type": "search_result",
                        "source": "https://s",
                        "title": "T",
                        "content": [{"type": "text", "text": "x"}],
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "why", "signature": ""},
                    {"type": "redacted_thinking", "data": "hidden"},
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1]}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": True}],
            },
        ],
    )
    assert ask.turns == (
        Turn("system", (Text("Be kind.", cache=True),)),
        Turn(
            "user",
            (
                Image(None, "AA", "image/png"),
                Text("words"),
                Document("https://x", None, None, None, "t"),
                Text("T https://s"),
                Text("x"),
            ),
        ),
        Turn("assistant", (Reasoning("why"), Reasoning(redacted="hidden"), ToolUse("t1", "f", '{"a":[1]}'))),
        Turn("user", (ToolResult("t1", "f", (Text("ok"),), True),)),
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, "tools[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}, "messages"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ]
            },
            "messages",
        ),
    ],
    ids=str,
)
def test_what_only_anthropic_can_do_is_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        asked(**fields)
    assert caught.value.param == param


def test_a_request_that_is_read_and_written_asks_the_same() -> None:
    fields: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            HI_SENT,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "x"}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "3°"}]}],
            },
        ],
        "tools": [{"name": "weather", "description": "Tells it.", "input_schema": WEATHER.schema}],
        "tool_choice": {"type": "any"},
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "metadata": {"user_id": "u"},
    }
    told = messages_body(asked(**fields), OLD, output_tokens_max=500)
    assert json.loads(json.dumps(told.body)) == {"model": OLD, "max_tokens": 100, **fields}
    assert (told.ignored, told.mapped) == ((), ())
