"""What Gemini's answers say, however they arrive."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialects.asks import arguments_in, read, split, text_in, thoughts_in
from tests.unit.dialects.gemini.documented import BLOCKED, CALLS, STREAM, TOO_OFTEN, USAGE, WHOLE, chunk, sse
from waystation.dialects.gemini.answer import GeminiReader, read_usage
from waystation.dialects.saying import (
    BadAnswer,
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    ErrorInAnswer,
    ReasoningDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.terms import Usage

USED = Used(Usage(20, 35, cached_tokens=8, reasoning_tokens=30, audio_input_tokens=2))


def whole(answer: Any) -> list[Saying]:
    return read(GeminiReader(stream=False, new_id=lambda: "call_new"), [json.dumps(answer).encode()])


def streamed(*chunks: dict[str, Any]) -> list[Saying]:
    return read(GeminiReader(stream=True, new_id=lambda: "call_new"), [sse(*chunks)])


def test_a_whole_answer_says_thoughts_text_end_and_usage() -> None:
    assert whole(WHOLE) == [
        Begun("abc123", "gemini-3.5-flash"),
        ReasoningDelta("The user greets."),
        TextDelta("Hello there."),
        ReasoningDelta(signature="gemini:c2lnbmVk"),
        Ended("stop"),
        USED,
    ]


def test_calls_have_ids_signatures_and_json() -> None:
    assert whole(CALLS)[1:-1] == [
        CallBegun(0, "fc-1", "weather", signature="c2lnbmVk"),
        CallDelta(0, '{"city":"Zürich"}'),
        CallBegun(1, "call_new", "now"),
        CallDelta(1, "{}"),
        Ended("tool_calls"),
    ]


def test_calls_of_a_stream_count_on() -> None:
    def part(name: str) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"functionCall": {"name": name, "args": {"n": 1}}}]}}]}

    sayings = streamed(part("a"), part("b"), chunk("", finish="STOP"))
    assert [saying.index for saying in sayings if isinstance(saying, CallBegun)] == [0, 1]
    assert arguments_in(sayings, 1) == '{"n":1}'
    assert Ended("tool_calls") in sayings


@given(st.lists(st.integers(min_value=0), max_size=12))
def test_a_stream_says_the_same_however_it_is_split(cuts: list[int]) -> None:
    sayings = read(GeminiReader(stream=True), split(sse(*STREAM), cuts))
    assert sayings == streamed(*STREAM)
    assert text_in(sayings) == "Hello thére."
    assert thoughts_in(sayings) == "Greets."
    assert sayings[-2:] == [Ended("stop"), USED]


def test_each_candidate_ends_by_itself() -> None:
    sayings = streamed(
        chunk("a"), chunk("b", index=1), chunk("", finish="STOP"), chunk("", index=1, finish="MAX_TOKENS")
    )
    assert sayings[1:] == [TextDelta("a"), TextDelta("b", 1), Ended("stop"), Ended("length", choice=1)]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("OTHER", "content_filter"),
        ("A_NEW_ONE", "content_filter"),
    ],
)
def test_each_finish_reason_has_its_meaning(finish: str, reason: str) -> None:
    ends = [saying for saying in streamed(chunk("a", finish=finish)) if isinstance(saying, Ended)]
    assert [end.reason for end in ends] == [reason]


@pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"])
def test_an_answer_that_the_model_spoiled_is_none(finish: str) -> None:
    with pytest.raises(BadAnswer, match=finish):
        whole(chunk("", finish=finish))


@pytest.mark.parametrize("read_it", [whole, streamed], ids=["whole", "streamed"])
def test_a_blocked_prompt_ends_for_its_content(read_it: Any) -> None:
    assert read_it(BLOCKED) == [Begun("", "gemini-3.5-flash"), Ended("content_filter"), Used(Usage(7, 0))]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{", b'{"candidates":7}', b'{"candidates":[{"finishReason":1}]}', b"[" * 100_000, b"\xff"],
    ids=["empty", "list", "null", "broken", "number", "type", "deep", "bytes"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_nonsense_is_no_answer(data: bytes, stream: bool) -> None:
    with pytest.raises(BadAnswer):
        read(GeminiReader(stream=stream), [b"data: " + data + b"\n\n" if stream else data])


@pytest.mark.parametrize("chunks", [[], [chunk("a")], [chunk("a", finish="STOP"), chunk("b", index=1)]], ids=len)
def test_an_answer_without_its_end_is_not_whole(chunks: list[dict[str, Any]]) -> None:
    with pytest.raises(BadAnswer):
        streamed(*chunks)


def test_an_event_without_its_last_line_end_is_read() -> None:
    assert read(GeminiReader(stream=True), [sse(*STREAM).rstrip()]) == streamed(*STREAM)


def test_an_error_in_a_stream_comes_after_what_was_good() -> None:
    reader = GeminiReader(stream=True)
    assert text_in(reader.feed(sse(chunk("good"), TOO_OFTEN))) == "good"
    assert reader.over
    with pytest.raises(ErrorInAnswer) as caught:
        reader.finish()
    assert json.loads(caught.value.body) == TOO_OFTEN


def test_an_error_instead_of_an_answer_is_told() -> None:
    with pytest.raises(ErrorInAnswer):
        whole(TOO_OFTEN)


def test_an_event_beyond_all_bounds_is_no_answer() -> None:
    with pytest.raises(BadAnswer, match="longer than"):
        read(GeminiReader(stream=True), [b"data: ", *[b"x" * 1_000_000] * 8])


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (USAGE, USED.usage),
        ({"promptTokenCount": 5}, Usage(5, 0)),
        (
            {"promptTokenCount": 5, "toolUsePromptTokenCount": 3, "cachedContentTokenCount": 99},
            Usage(8, 0, cached_tokens=8),
        ),
        ({}, None),
        ({"promptTokenCount": -1}, None),
        ({"promptTokenCount": True}, None),
        ({"promptTokenCount": "5"}, None),
        ({"promptTokenCount": 2**63 - 1, "toolUsePromptTokenCount": 1}, None),
        ({"promptTokenCount": 5, "candidatesTokenCount": 1.5}, None),
    ],
    ids=["documented", "least", "tools", "none", "negative", "true", "text", "huge", "half"],
)
def test_usage_is_ours_or_none(told: dict[str, Any], usage: Usage | None) -> None:
    assert read_usage(json.dumps(told).encode()) == usage
