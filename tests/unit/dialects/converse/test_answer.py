"""What Converse's answers say, however they arrive."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialects.asks import arguments_in, read, split, text_in
from tests.unit.dialects.converse.documented import USAGE, WHOLE, short, stream
from waystation.dialects.converse.answer import ConverseStreamReader, ConverseWholeReader, read_usage
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
from waystation.testing.eventstream import event, exception, message

USED = Usage(40, 7, cached_tokens=20, cache_write_tokens=10)


def whole(answer: Any) -> list[Saying]:
    return read(ConverseWholeReader(), [json.dumps(answer).encode()])


def streamed(data: bytes) -> list[Saying]:
    return read(ConverseStreamReader(), [data])


def test_a_whole_answer_says_thoughts_text_call_end_and_usage() -> None:
    assert whole(WHOLE) == [
        Begun(),
        ReasoningDelta("They greet.", "c2lnbmVk"),
        ReasoningDelta(redacted="aGlkZGVu"),
        TextDelta("Hello there."),
        CallBegun(0, "tooluse_1", "weather"),
        CallDelta(0, '{"city":"Zürich"}'),
        Ended("tool_calls"),
        Used(USED),
    ]


@given(st.lists(st.integers(min_value=0), max_size=20))
def test_a_stream_says_the_same_however_it_is_split(cuts: list[int]) -> None:
    sayings = read(ConverseStreamReader(), split(stream(), cuts))
    assert sayings == streamed(stream())
    assert text_in(sayings) == "Hello thére."
    assert arguments_in(sayings) == '{"city":"Zürich"}'


def test_a_stream_says_all_in_its_order() -> None:
    sayings = streamed(stream())
    assert sayings[:3] == [Begun(), ReasoningDelta("They greet."), ReasoningDelta("", "c2lnbmVk")]
    assert sayings[5] == CallBegun(0, "tooluse_1", "weather")
    used = Usage(40, 7, cached_tokens=20, cache_write_tokens=10, tier="flex")
    # The second call took nothing, and nothing came of it: its arguments are an object all the same.
    assert sayings[-4:] == [CallBegun(1, "tooluse_2", "now"), CallDelta(1, "{}"), Ended("tool_calls"), Used(used)]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("refusal", "refusal"),
        ("a_new_one", "stop"),
    ],
)
def test_each_stop_reason_has_its_meaning(stop: str, reason: str) -> None:
    assert Ended(reason) in streamed(short(stop))  # type: ignore[arg-type]
    assert Ended(reason) in whole(WHOLE | {"stopReason": stop, "output": {"message": {"content": []}}})  # type: ignore[arg-type]


def test_claude_says_which_stop_sequence_it_was() -> None:
    fields = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    assert Ended("stop", "END") in streamed(short("stop_sequence", **fields))
    assert Ended("stop") in streamed(short("end_turn", **fields))


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
def test_an_answer_that_the_model_spoiled_is_none(stop: str) -> None:
    with pytest.raises(BadAnswer, match=stop):
        whole(WHOLE | {"stopReason": stop})


def test_an_exception_in_a_stream_comes_after_what_was_good() -> None:
    reader = ConverseStreamReader()
    assert (
        text_in(reader.feed(stream(exception("throttlingException", {"message": "Slow"}), events=6))) == "Hello thére."
    )
    assert reader.over
    with pytest.raises(ErrorInAnswer) as caught:
        reader.finish()
    assert json.loads(caught.value.body) == {"message": "Slow", "__type": "throttlingException"}


def test_an_error_of_the_protocol_is_an_error() -> None:
    headers = {":message-type": "error", ":error-code": "InternalServerException", ":error-message": "Oh"}
    with pytest.raises(ErrorInAnswer) as caught:
        streamed(message(headers, b""))
    assert json.loads(caught.value.body) == {"__type": "InternalServerException", "message": "Oh"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        stream(events=13),
        stream(events=14)[:-1],
        stream(events=14) + b"\x00",
        b"data: no\n\n data: no\n\n",
        event("messageStop", {}),
        event("contentBlockDelta", {"contentBlockIndex": "0", "delta": {}}),
        message({":message-type": "event", ":event-type": "messageStop"}, b"{"),
        message({":message-type": "news"}, b"{}"),
    ],
    ids=["empty", "no end", "cut", "rest", "sse", "reason", "index", "json", "type"],
)
def test_nonsense_is_no_answer(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        streamed(data)


def test_an_event_of_an_unknown_kind_is_passed_over() -> None:
    assert streamed(event("news", {"a": 1}) + short("end_turn")) == streamed(short("end_turn"))


@pytest.mark.parametrize("data", [b"", b"[]", b'{"output":{}}', b"{", b"[" * 100_000], ids=len)
def test_nonsense_is_no_whole_answer(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(ConverseWholeReader(), [data])


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (USAGE, USED),
        ({"inputTokens": 3, "outputTokens": 1, "totalTokens": 4}, Usage(3, 1)),
        ({"outputTokens": 1}, None),
        ({"inputTokens": -3, "outputTokens": 1}, None),
        ({"inputTokens": 2**63 - 1, "outputTokens": 1, "cacheReadInputTokens": 1}, None),
        (None, None),
    ],
    ids=["documented", "least", "part", "negative", "huge", "none"],
)
def test_usage_is_ours_or_none(told: dict[str, Any] | None, usage: Usage | None) -> None:
    assert read_usage(json.dumps(told).encode()) == usage
