"""What is said becomes a response of OpenAI's shape, streamed or not, and both say the same."""

import json
from typing import Any

import pytest

from tests.contract.shapes import assert_shape
from waystation.dialects.envelope import Envelope
from waystation.dialects.responses.thoughts import opened
from waystation.dialects.responses.writer import ResponsesWriter, envelope_of
from waystation.dialects.saying import (
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
)
from waystation.terms import Usage
from waystation.wire.responses import read_response
from waystation.wire.sse import Framer, data_of

ENVELOPE = Envelope("resp_0123", "m", 1_790_000_000)
USAGE = Usage(7, 5, 3, 2)

ANSWERS: dict[str, list[Saying]] = {
    "nothing": [Begun(), Ended("stop")],
    "text": [Begun(), TextDelta("Hel"), TextDelta(""), TextDelta("lo"), Ended("stop")],
    "too long": [Begun(), TextDelta("Hel"), Ended("length")],
    "filtered": [Begun(), TextDelta("Hel"), Ended("content_filter")],
    "declined": [Begun(), RefusalDelta("No"), RefusalDelta("."), Ended("refusal")],
    "text, then declined": [Begun(), TextDelta("Well"), RefusalDelta("no"), Ended("stop")],
    "a call": [
        Begun(),
        CallBegun(0, "call_a", "f"),
        CallDelta(0, '{"x"'),
        CallDelta(0, ":1}"),
        Ended("tool_calls"),
    ],
    "calls side by side": [
        Begun(),
        TextDelta("Both."),
        CallBegun(0, "call_a", "f"),
        CallBegun(1, "call_b", "g", custom=True),
        CallDelta(1, "SELECT"),
        CallDelta(0, "{}"),
        CallDelta(1, " 1"),
        Ended("tool_calls"),
    ],
    "thoughts": [
        Begun(),
        ReasoningDelta("Hm"),
        ReasoningDelta(" so."),
        ReasoningDelta(signature="sig"),
        ReasoningDelta(redacted="hidden"),
        TextDelta("42"),
        Ended("stop"),
    ],
}
ASKED: dict[str, dict[str, Any]] = {
    "plain": {},
    "summary": {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    "much": {
        "instructions": "Be brief.",
        "max_output_tokens": 99,
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}},
            {"type": "custom", "name": "g"},
        ],
        "tool_choice": "auto",
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "metadata": {"a": "b"},
        "store": False,
        "user": "me",
        "service_tier": "flex",
        "conversation": {"id": "conv_1"},
    },
}


def writer_for(**asked: Any) -> ResponsesWriter:
    body = json.dumps({"model": "m", "input": "Hi, as json", **asked}).encode()
    return ResponsesWriter(ENVELOPE, read_response(body), monotonic_s=lambda: 5.0)


def streamed(sayings: list[Saying], **asked: Any) -> list[dict[str, Any]]:
    writer = writer_for(**asked)
    data = b"".join(writer.piece((saying,)) for saying in sayings)
    done = writer.done(None)
    assert done.tail is not None
    return events_of(data + done.data + done.tail(USAGE))


def events_of(data: bytes) -> list[dict[str, Any]]:
    events = []
    for event in Framer().feed(data):
        read = json.loads(data_of(event))
        assert event.startswith(b"event: %b\n" % read["type"].encode())
        events.append(read)
    return events


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("answer", ANSWERS)
def test_every_event_is_as_openai_describes_it(answer: str, asked: str) -> None:
    events = streamed(ANSWERS[answer], **ASKED[asked])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        assert_shape("ResponseStreamEvent", event)
        if "response" in event:
            assert_shape("Response", event["response"])


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("answer", ANSWERS)
def test_streamed_or_not_it_is_the_same_response(answer: str, asked: str) -> None:
    whole = json.loads(writer_for(**ASKED[asked]).whole(ANSWERS[answer], USAGE).data)
    assert_shape("Response", whole)
    last = streamed(ANSWERS[answer], **ASKED[asked])[-1]
    assert last["response"] == whole
    assert last["type"] == f"response.{whole['status']}"


@pytest.mark.parametrize("answer", ANSWERS)
def test_deltas_add_up_to_what_is_done(answer: str) -> None:
    events = streamed(ANSWERS[answer], **ASKED["summary"])
    grown: dict[tuple[str, str, int], str] = {}
    for event in events:
        name, _, step = event["type"].removeprefix("response.").partition(".")
        if "delta" in event:
            place = (name, event["item_id"], event.get("content_index", 0))
            grown[place] = grown.get(place, "") + event["delta"]
        elif step == "done" and "item_id" in event and "part" not in event:
            said = next(event[key] for key in ("text", "refusal", "arguments", "input") if key in event)
            assert grown.get((name, event["item_id"], event.get("content_index", 0)), "") == said
    done = {event["item"]["id"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert list(events[-1]["response"]["output"]) == sorted(
        done.values(), key=lambda item: [event["item"]["id"] for event in events if "item" in event].index(item["id"])
    )


def test_a_text_comes_in_openais_order() -> None:
    events = streamed(ANSWERS["text"])
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    response = events[-1]["response"]
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }
    assert response["completed_at"] == 1_790_000_000


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ("text", "completed", None),
        ("too long", "incomplete", "max_output_tokens"),
        ("filtered", "incomplete", "content_filter"),
        ("declined", "completed", None),
    ],
)
def test_why_a_response_ended(answer: str, status: str, reason: str | None) -> None:
    response = streamed(ANSWERS[answer])[-1]["response"]
    assert response["status"] == status
    assert response["incomplete_details"] == (None if reason is None else {"reason": reason})
    assert response["output"][0]["status"] == ("incomplete" if reason else "completed")


def test_what_was_signed_or_hidden_comes_back_as_it_went_out() -> None:
    output = streamed(ANSWERS["thoughts"])[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "reasoning", "message"]
    assert output[0]["summary"] == []  # nobody asked for it
    first, second = (opened(item["encrypted_content"]) for item in output[:2])
    assert first is not None
    assert (first.text, first.signature) == ("Hm so.", "sig")
    assert second is not None
    assert second.redacted == "hidden"


def test_thoughts_are_shown_as_a_summary_where_one_was_asked_for() -> None:
    output = streamed(ANSWERS["thoughts"], reasoning={"summary": "auto"})[-1]["response"]["output"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "Hm so."}]


def test_a_stream_whose_money_ends_is_incomplete() -> None:
    writer = writer_for()
    writer.piece((Begun(), TextDelta("Hel")))
    done = writer.cut()
    assert done.tail is not None
    last = events_of(done.data + done.tail(USAGE))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["output"][0]["content"][0]["text"] == "Hel"


@pytest.mark.parametrize("at", range(5))
def test_who_goes_on_goes_on_where_the_stream_stands(at: int) -> None:
    """With the same ids, the next number, and no word twice."""
    words = ["One ", "two ", "three ", "four"]
    all_at_once = streamed([Begun(), *(TextDelta(word) for word in words), Ended("stop")])
    first = writer_for()
    pieces = [first.piece((Begun(),)), *(first.piece((TextDelta(word),)) for word in words[:at])]
    last = Framer().feed(pieces[-1])[-1]
    assert envelope_of(pieces[0]) == ENVELOPE
    second = writer_for()
    second.resume("".join(words[:at]), last)
    rest = b"".join(second.piece((TextDelta(word),)) for word in words[at:]) + second.piece((Ended("stop"),))
    assert events_of(b"".join(pieces) + rest + second.done(USAGE).data) == all_at_once
