"""Chats as they are asked for: read into the vocabulary, and written for an upstream as they were."""

import json
from typing import Any

import pytest

from waystation.dialects.ask import (
    Ask,
    Audio,
    Document,
    Format,
    Image,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.dialects.chat_ask import ask_of_chat
from waystation.dialects.chat_body import Prefill, chat_body
from waystation.dialects.completions import ask_of_completion, completion_body
from waystation.errors import InvalidRequest, Unsupported
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion

HI = {"role": "user", "content": "hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}}
RUN = {"type": "custom", "custom": {"name": "run"}}


def asked(*messages: Any, most: int | None = None, **more: Any) -> Ask:
    body = json.dumps({"model": "m", "messages": messages or [HI], **more}).encode()
    return ask_of_chat(body, read_chat(body), most)


def call(id: str, name: str = "weather") -> dict[str, Any]:  # noqa: A002
    return {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def test_every_kind_of_part_has_its_noun() -> None:
    content = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
        {"type": "file", "file": {"file_data": "QUJD"}},
    ]
    assert asked({"role": "user", "content": content, "name": "Li"}).turns == (
        Turn(
            "user",
            (
                Text("a", cache=True),
                Image(url="https://a.example/b.png", detail="low"),
                Image(data="QUJD", media_type="image/png"),
                Audio("QUJD", "wav"),
                Document(file_id="file-1"),
                Document(data="QUJD", media_type="application/pdf", name="a.pdf"),
                Document(data="QUJD", media_type="application/pdf"),
            ),
            "Li",
        ),
    )


def test_a_conversation_with_tools_knows_the_names_of_their_results() -> None:
    turns = asked(
        {"role": "developer", "content": "be brief"},
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        HI,
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call("1"), call("2", "time")]},
        {"role": "tool", "tool_call_id": "2", "content": "noon"},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "rain"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "refusal": "never"},
    ).turns
    assert turns == (
        Turn("developer", (Text("be brief"),)),
        Turn("system", (Text("a"), Text("b"))),
        Turn("user", (Text("hi"),)),
        Turn("assistant", (Reasoning("hm"), ToolUse("1", "weather", "{}"), ToolUse("2", "time", "{}"))),
        Turn("user", (ToolResult("2", "time", (Text("noon"),)), ToolResult("1", "weather", (Text("rain"),)))),
        Turn("assistant", (Text("a"), Refusal("no"))),
        Turn("assistant", (Refusal("never"),)),
    )


def test_old_functions_are_tools() -> None:
    ask = asked(
        HI,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "function", "name": "other", "content": None},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    assert ask.tools == (Tool("f", None, {"type": "object"}),)
    assert ask.tool_choice == ToolChoice("named", "f")
    use, result = ask.turns[1].parts[0], ask.turns[2].parts[0]
    assert isinstance(use, ToolUse)
    assert isinstance(result, ToolResult)
    assert use.id == result.call_id == "call_1"
    assert asked(functions=[{"name": "f"}], function_call="none").tool_choice == ToolChoice("none")


@pytest.mark.parametrize(
    ("choice", "mode", "name", "tools"),
    [
        (None, None, None, ["weather", "run"]),
        ("auto", "auto", None, ["weather", "run"]),
        ("required", "required", None, ["weather", "run"]),
        ({"type": "function", "function": {"name": "weather"}}, "named", "weather", ["weather", "run"]),
        ({"type": "custom", "custom": {"name": "run"}}, "named", "run", ["weather", "run"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "weather"}}],
                },
            },
            "required",
            None,
            ["weather"],
        ),
    ],
)
def test_the_choice_of_tools(choice: Any, mode: str | None, name: str | None, tools: list[str]) -> None:
    ask = asked(tools=[WEATHER, RUN], tool_choice=choice)
    assert [tool.name for tool in ask.tools] == tools
    assert (ask.tool_choice and (ask.tool_choice.mode, ask.tool_choice.name)) == (mode and (mode, name))


def test_every_other_parameter_has_its_place() -> None:
    ask = asked(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop="x",
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logit_bias={"5": 1},
        logprobs=True,
        top_logprobs=3,
        n=2,
        reasoning_effort="low",
        verbosity="high",
        user="u",
        service_tier="flex",
        metadata={"a": "b"},
        store=True,
        stream=True,
        enable_thinking=True,
        nothing=None,
        parallel_tool_calls=None,
    )
    assert ask == Ask(
        stream=True,
        turns=(Turn("user", (Text("hi"),)),),
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stops=("x",),
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logit_bias={"5": 1.0},
        logprobs=3,
        choices=2,
        reasoning_effort="low",
        verbosity="high",
        end_user="u",
        service_tier="flex",
        metadata={"a": "b"},
        extra={"store": True, "enable_thinking": True, "nothing": None},
    )
    assert asked(logprobs=True).logprobs == 0
    assert asked(stop=["a", "b"]).stops == ("a", "b")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, Format()),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            Format({"type": "object"}, "n"),
        ),
    ],
)
def test_the_form_of_the_answer(given: Any, expected: Format | None) -> None:
    assert asked({"role": "user", "content": "as json"}, response_format=given).format == expected


@pytest.mark.parametrize(
    ("given", "most", "expected"),
    [
        ({}, None, None),
        ({}, 7, 7),
        ({"max_tokens": 9}, 7, 7),
        ({"max_tokens": 5}, 7, 5),
        ({"max_completion_tokens": 5, "max_tokens": 9}, None, 5),
    ],
)
def test_the_smaller_limit_holds(given: dict[str, int], most: int | None, expected: int | None) -> None:
    assert asked(most=most, **given).output_tokens_max == expected


@pytest.mark.parametrize(
    ("message", "kind", "param"),
    [
        ({"role": "assistant", "audio": {"id": "a"}}, Unsupported, "messages[1].audio"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,raw"}}]},
            InvalidRequest,
            "messages[1].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:oops"}}]},
            InvalidRequest,
            "messages[1].content[0].file.file_data",
        ),
    ],
)
def test_what_has_no_noun_is_refused(message: Any, kind: type[InvalidRequest], param: str) -> None:
    with pytest.raises(kind) as caught:
        asked(HI, message)
    assert caught.value.param == param


# -- written

CONVERSATION = [
    {"role": "developer", "content": "be brief"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [call("1"), {"id": "2", "type": "custom", "custom": {"name": "run", "input": "go"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": "rain"},
    {"role": "tool", "tool_call_id": "2", "content": "gone"},
    {"role": "user", "content": "and then, as json?", "name": "Li"},
]
EVERYTHING: dict[str, Any] = {
    "tools": [WEATHER, RUN],
    "tool_choice": {"type": "custom", "custom": {"name": "run"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["x"],
    "seed": 7,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "logit_bias": {"5": 1.0},
    "logprobs": True,
    "top_logprobs": 3,
    "n": 2,
    "max_tokens": 50,
    "verbosity": "high",
    "user": "u",
    "service_tier": "flex",
    "metadata": {"a": "b"},
    "store": True,
    "min_p": 0.1,
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_a_request_is_written_as_it_came() -> None:
    assert chat_body(asked(*CONVERSATION, **EVERYTHING), "m") == {"model": "m", "messages": CONVERSATION, **EVERYTHING}


def test_a_plain_request_stays_plain() -> None:
    assert chat_body(asked(), "theirs") == {"model": "theirs", "messages": [HI]}


def test_upstreams_that_do_not_know_developers_hear_the_system() -> None:
    body = chat_body(asked(*CONVERSATION), "m", developer=False)
    assert body["messages"][0] == {"role": "system", "content": "be brief"}


def test_thoughts_go_back_only_where_they_are_wanted() -> None:
    ask = asked(HI, {"role": "assistant", "content": "a", "reasoning_content": "hm"}, HI)
    assert chat_body(ask, "m")["messages"][1] == {"role": "assistant", "content": "a"}
    wanted = chat_body(ask, "m", reasoning="reasoning_content")["messages"][1]
    assert wanted == {"role": "assistant", "content": "a", "reasoning_content": "hm"}


@pytest.mark.parametrize(
    ("given", "members"),
    [
        ({"reasoning_effort": "low", "output_tokens_max": 9}, {"reasoning_effort": "low", "max_completion_tokens": 9}),
        ({"reasoning_tokens_max": 0}, {"reasoning_effort": "none"}),
        ({"reasoning_tokens_max": 1024}, {"reasoning_effort": "low"}),
        ({"reasoning_tokens_max": 32_000}, {"reasoning_effort": "high"}),
        ({"reasoning_effort": "none", "reasoning_tokens_max": 5}, {"reasoning_effort": "none"}),
        ({"format": Format()}, {"response_format": {"type": "json_object"}}),
        ({"tool_choice": ToolChoice("auto")}, {}),
    ],
)
def test_what_other_dialects_ask_for_has_openais_words(given: dict[str, Any], members: dict[str, Any]) -> None:
    assert chat_body(Ask(stream=False, **given), "m") == {"model": "m", "messages": [], **members}


def test_what_tools_return_besides_text_follows_as_the_users() -> None:
    result = ToolResult("1", "look", (Text("see"), Image(url="https://a.example/b.png")), is_error=True)
    messages = chat_body(Ask(stream=False, turns=(Turn("user", (result, Text("well?"))),)), "m")["messages"]
    assert messages == [
        {"role": "tool", "tool_call_id": "1", "content": "Error: see"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "well?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("prefill", "mark", "members"),
    [
        ("message", {}, {}),
        ("partial", {"partial": True}, {}),
        ("prefix", {"prefix": True}, {}),
        ("continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
def test_an_upstream_goes_on_in_its_own_way(prefill: Prefill, mark: dict[str, Any], members: dict[str, Any]) -> None:
    ask = Ask(stream=False, turns=(Turn("user", (Text("hi"),)),), said="Once ")
    assert chat_body(ask, "m", prefill=prefill) == {
        "model": "m",
        "messages": [HI, {"role": "assistant", "content": "Once ", **mark}],
        **members,
    }


@pytest.mark.parametrize(
    "ask",
    [
        Ask(stream=False, said="Once "),
        Ask(stream=False, turns=(Turn("user", (Document(url="https://a.example/b.pdf"),)),)),
        Ask(stream=False, turns=(Turn("user", (Reasoning("hm"),)),)),
    ],
    ids=["no prefill", "a document's URL", "a user's thought"],
)
def test_what_can_not_be_said_here_is_refused(ask: Ask) -> None:
    with pytest.raises(Unsupported):
        chat_body(ask, "m")


# -- completions


def completion(**more: Any) -> Ask:
    body = json.dumps({"model": "m", **more}).encode()
    return ask_of_completion(body, read_completion(body), None)


def test_completions_are_read_and_written() -> None:
    ask = completion(prompt=["Once"], echo=True, n=2, best_of=3, stop="x", logprobs=2, top_k=4, user="u")
    assert (ask.prompt, ask.turns, ask.output_tokens_max, ask.choices, ask.logprobs) == ("Once", (), 16, 2, 2)
    assert ask.extra == {"echo": True, "best_of": 3, "top_k": 4}
    assert completion_body(ask, "theirs") == {
        "model": "theirs",
        "prompt": "Once",
        "max_tokens": 16,
        "n": 2,
        "stop": ["x"],
        "logprobs": 2,
        "user": "u",
        "echo": True,
        "best_of": 3,
        "top_k": 4,
    }
    streamed = completion_body(Ask(stream=True, prompt="Once", said=" upon"), "m")
    assert streamed == {"model": "m", "prompt": "Once upon", "stream": True, "stream_options": {"include_usage": True}}
    assert completion().prompt == ""


@pytest.mark.parametrize("prompt", [[1, 2], [[1], [2]], ["a", "b"]], ids=["tokens", "arrays", "several"])
def test_completions_of_other_prompts_are_refused(prompt: Any) -> None:
    with pytest.raises(Unsupported) as caught:
        completion(prompt=prompt)
    assert caught.value.param == "prompt"
