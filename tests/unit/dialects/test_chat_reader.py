"""Answers in OpenAI's dialect as they are read: cut anywhere, from servers that add and forget things."""

import contextlib
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.dialects.chat_reader import ChatReader
from waystation.dialects.saying import (
    BadAnswer,
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    ErrorInAnswer,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.terms import Usage
from waystation.testing.script import ARGUMENTS, CHINESE, REASONS, WORDS, Act, answer

MODES = ("plain", "tools", "reasoning", "crlf", "split-utf8", "usage-in-choices", "no-usage", "no-done")


def told(mode: str, **more: Any) -> bytes:
    """What the fake upstream answers in a mode."""
    body = json.dumps({"model": mode, "stream": True, "stream_options": {"include_usage": True}, **more}).encode()
    return b"".join(step for step in answer("/v1/chat/completions", {}, body).steps if not isinstance(step, Act))


def read(data: bytes, cuts: list[int] | None = None) -> list[Saying]:
    reader = ChatReader()
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or ())})
    sayings: list[Saying] = []
    for begin, end in pairwise(places):
        if not reader.over:
            sayings += reader.feed(data[begin:end])
    return sayings + reader.finish()


def texts(sayings: list[Saying], kind: type) -> str:
    return "".join(getattr(saying, "text", "") for saying in sayings if type(saying) is kind)


def event(*choices: Any, **more: Any) -> bytes:
    return b"data: " + json.dumps({"id": "x", "model": "m", "choices": list(choices), **more}).encode() + b"\n\n"


def delta(index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": index, "delta": more, "finish_reason": finish}


END = event(delta(finish="stop")) + b"data: [DONE]\n\n"


@given(st.sampled_from(MODES), st.lists(st.integers(0, 5000), max_size=20))
def test_cut_anywhere_it_reads_the_same(mode: str, cuts: list[int]) -> None:
    data = told(mode)
    assert read(data, cuts) == read(data)


@pytest.mark.parametrize(
    ("mode", "kind", "text", "stream"),
    [
        ("plain", TextDelta, "".join(WORDS), False),
        ("plain", TextDelta, "".join(WORDS), True),
        ("split-utf8", TextDelta, "".join(CHINESE), True),
        ("reasoning", ReasoningDelta, "".join(REASONS), True),
    ],
)
def test_a_stream_and_a_body_say_the_same(mode: str, kind: type, text: str, stream: bool) -> None:
    sayings = read(told(mode, stream=stream, stream_options={"include_usage": True} if stream else None))
    assert isinstance(sayings[0], Begun)
    assert sayings[0].id
    assert texts(sayings, kind) == text
    assert isinstance(sayings[-1], Used)
    assert sayings[-2] == Ended("stop")


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_tools_are_read(stream: bool) -> None:
    sayings = read(told("tools", stream=stream, stream_options={"include_usage": True} if stream else None))
    (begun,) = [saying for saying in sayings if isinstance(saying, CallBegun)]
    assert (begun.index, begun.name, bool(begun.id)) == (0, "weather", True)
    assert "".join(saying.arguments for saying in sayings if isinstance(saying, CallDelta)) == "".join(ARGUMENTS)
    assert Ended("tool_calls") in sayings


def call(index: int | None, id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:  # noqa: A002
    given = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("parts", "calls"),
    [
        # each as one server or another does it
        ([[call(0, "a", "f", "")], [call(0, None, None, "{}")]], [("a", "f", "{}")]),
        ([[call(0, "a", "f", "{")], [call(0, "a", None, "}")]], [("a", "f", "{}")]),  # the id in every chunk
        ([[call(0, "a", "f", "{}")], [call(0, "b", "g", "{}")]], [("a", "f", "{}"), ("b", "g", "{}")]),  # all are 0
        ([[call(None, "a", "f", "{}"), call(None, "b", "g", "{}")]], [("a", "f", "{}"), ("b", "g", "{}")]),
        ([[call(0, "a", None, "")], [call(0, None, "f", "{")], [call(0, None, None, "}")]], [("a", "f", "{}")]),
        ([[call(0, None, "f", {"x": 1})]], [("call_x_0_0", "f", '{"x":1}')]),  # no id, arguments as an object
        ([[call(7, "a", "f", "{}")]], [("a", "f", "{}")]),
    ],
)
def test_whatever_a_server_says_of_its_calls_they_are_told_apart(
    parts: list[list[dict[str, Any]]], calls: list[tuple[str, str, str]]
) -> None:
    data = b"".join(event(delta(tool_calls=part)) for part in parts) + event(delta(finish="tool_calls"))
    sayings = read(data + b"data: [DONE]\n\n")
    begun = [saying for saying in sayings if isinstance(saying, CallBegun)]
    assert [saying.index for saying in begun] == list(range(len(calls)))
    told_of = [
        (
            each.id,
            each.name,
            "".join(more.arguments for more in sayings if isinstance(more, CallDelta) and more.index == each.index),
        )
        for each in begun
    ]
    assert told_of == calls


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"reasoning_content": "b", "reasoning": "b"}, [ReasoningDelta("b")]),
        ({"reasoning": "b", "content": "a"}, [ReasoningDelta("b"), TextDelta("a")]),
        ({"refusal": "no"}, [RefusalDelta("no")]),
        ({"content": [{"type": "text", "text": "a"}, "b"]}, [TextDelta("ab")]),
        ({"content": None, "role": "assistant"}, []),
        ({"function_call": {"name": "f", "arguments": "{}"}}, [CallBegun(0, "call_x_0_0", "f"), CallDelta(0, "{}")]),
        (
            {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "go"}}]},
            [CallBegun(0, "a", "f", custom=True), CallDelta(0, "go")],
        ),
    ],
)
def test_what_is_said_is_read_wherever_it_is(said: dict[str, Any], expected: list[Saying]) -> None:
    assert read(event(delta(**said)) + END)[1:-1] == expected


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("something new", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("sensitive", "content_filter"),
        ("function_call", "tool_calls"),
    ],
)
def test_ends_have_few_reasons(reason: str, expected: str) -> None:
    assert read(event(delta(finish=reason)))[-1] == Ended(expected)  # type: ignore[arg-type]


def test_stop_after_calls_is_an_end_for_calls() -> None:
    data = event(delta(tool_calls=[call(0, "a", "f", "{}")])) + event(delta(finish="stop"))
    assert read(data)[-1] == Ended("tool_calls")


@pytest.mark.parametrize("reason", ["insufficient_system_resource", "network_error", "abort", "error"])
def test_an_end_that_is_none_breaks_the_answer(reason: str) -> None:
    with pytest.raises(BadAnswer):
        read(event(delta(content="a")) + event(delta(finish=reason)))


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "x", "code": "1301"}},
        {"code": "InvalidParameter", "message": "x", "request_id": "r"},
        {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_in_the_answer_is_one(body: dict[str, Any], stream: bool) -> None:
    data = json.dumps(body).encode()
    with pytest.raises(ErrorInAnswer) as caught:
        read(event(delta(content="a")) + b"data: " + data + b"\n\n" if stream else data)
    assert caught.value.body == data


def test_what_was_good_comes_before_the_error() -> None:
    reader = ChatReader()
    sayings = reader.feed(event(delta(content="a")) + b'data: {"error":{"message":"x"}}\n\n' + END)
    assert sayings == [Begun("x", "m"), TextDelta("a")]
    assert reader.over
    with pytest.raises(ErrorInAnswer):
        reader.finish()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b" \n",
        b"{",
        b"[]",
        b"<html>",
        b"data: [1]\n\n",
        b"data: oops\n\n",
        b"data: {oops\n\n",
        b"data: {}{}\n\n",
        b'{"choices": []}',
        b'{"choices": 7}',
        b'{"choices": [7]}',
        b'{"choices": [{"message": {"content": "a"}}]}',
        b'{"x":' + b"[" * 100_000,
        b"data: " + b"x" * (5 << 20),
        event({"delta": {"content": "a"}}),
        event(delta(finish="stop"), delta(1, content="a")),
        event(delta(tool_calls="odd")),
        event(delta(tool_calls=[7])),
        event(delta(tool_calls=[call(0, "a", None, "{}")])) + event(delta(finish="tool_calls")),
        event(delta(tool_calls=[call(i, f"i{i}", "f", "{}") for i in range(2000)])),
        b"data: [DONE]\n\n",
    ],
    ids=range(22),
)
def test_nonsense_and_half_an_answer_are_no_answer(bad: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(bad)


@given(st.binary(max_size=200))
def test_no_bytes_do_any_harm(data: bytes) -> None:
    with contextlib.suppress(BadAnswer, ErrorInAnswer):
        read(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "message",
                        "index",
                        "content",
                        "tool_calls",
                        "function",
                        "name",
                        "usage",
                        "text",
                    ]
                ),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_no_json_does_any_harm(value: Any) -> None:
    for data in (json.dumps({"choices": value}), "data: " + json.dumps({"choices": [value]}) + "\n\n"):
        with contextlib.suppress(BadAnswer, ErrorInAnswer):
            read(data.encode())


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        ([event(delta(finish="stop")), event(usage={"prompt_tokens": 5, "completion_tokens": 2})], Usage(5, 2)),
        ([event(delta(finish="stop") | {"usage": {"prompt_tokens": 5, "completion_tokens": 2}})], Usage(5, 2)),
        ([event(delta(finish="stop"), usage={"prompt_tokens": -1})], None),
        (
            [event(delta(finish="stop"), usage={"prompt_tokens": 5, "completion_tokens": 2}, service_tier="flex")],
            Usage(5, 2, tier="flex"),
        ),
        (
            [event(delta(finish="stop"), usage={"prompt_tokens": 5, "completion_tokens": 2}, service_tier="default")],
            Usage(5, 2),
        ),
    ],
)
def test_usage_is_told_at_last(chunks: list[bytes], usage: Usage | None) -> None:
    last = read(b"".join(chunks))[-1]
    assert last == (Ended("stop") if usage is None else Used(usage))


@pytest.mark.parametrize("begin", [b"\n" * 50, b": keep-alive\n\n" * 3, b"\xef\xbb\xbf"])
def test_what_comes_before_the_first_event_does_no_harm(begin: bytes) -> None:
    assert read(begin + event(delta(content="a")) + END, [1, 2, 3])[1] == TextDelta("a")


def test_a_last_event_without_its_empty_line_counts() -> None:
    assert read(event(delta(content="a")) + event(delta(finish="stop")).rstrip())[-1] == Ended("stop")
