"""Streams as they pass, without sockets: cut anywhere, the bytes, the text and the usage stay the same."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.errors import UpstreamFailed
from waystation.providers.openai.stream import ErrorEvent, Stream
from waystation.terms import Done, Usage
from waystation.testing.script import Act, answer

MODES = ("plain", "tools", "reasoning", "crlf", "split-utf8", "usage-in-choices", "no-usage", "no-done")


def said(mode: str, **more: Any) -> bytes:
    """What the fake upstream streams in a mode."""
    body = json.dumps({"model": mode, "stream": True, "stream_options": {"include_usage": True}, **more}).encode()
    return b"".join(step for step in answer("/v1/chat/completions", {}, body).steps if not isinstance(step, Act))


COUNTED = Usage(1, 2)  # by the ledger, where nobody has said it


def read(data: bytes, cuts: list[int], include_usage: bool = False) -> tuple[bytes, str, Done]:
    stream = Stream(include_usage)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = []
    for begin, end in pairwise(places):
        if not stream.over:
            pieces.append(stream.feed(data[begin:end]))
    last, done = stream.finish()
    if done.tail is not None:
        done = Done(done.data + done.tail(COUNTED), done.usage)
    kept = [piece for piece in (*pieces, last) if piece is not None]
    return b"".join(piece.data for piece in kept), "".join(piece.text for piece in kept), done


@given(st.sampled_from(MODES), st.lists(st.integers(0, 5000), max_size=20), st.booleans())
def test_cut_anywhere_the_answer_is_the_same(mode: str, cuts: list[int], include_usage: bool) -> None:
    data = said(mode)
    assert read(data, cuts, include_usage) == read(data, [], include_usage)


def test_what_goes_on_is_what_came() -> None:
    data = said("plain")
    passed, _, done = read(data, [], include_usage=True)
    assert passed + done.data == data


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


END = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"delta": {"content": "a", "reasoning_content": "b", "refusal": "c"}}, "abc"),
        ({"delta": {"reasoning_content": "b", "reasoning": "b"}}, "b"),
        ({"delta": {"content": None, "role": "assistant"}}, ""),
        ({"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}}, "f{}"),
        ({"delta": {"function_call": {"name": "f", "arguments": "{}"}}}, "f{}"),
        ({"text": "a"}, "a"),
        ({"delta": {"content": ["odd", {"text": "parts"}]}}, "oddparts"),
        ({"delta": {"content": "a", "tool_calls": {"odd": "b"}}}, "ab"),
        ({"delta": "odd"}, "odd"),
        ({"index": "odd", "delta": {"content": "a"}}, "a"),
    ],
)
def test_all_text_is_metered_wherever_it_is(choice: dict[str, Any], text: str) -> None:
    _, metered, _ = read(event({"choices": [choice]}) + END, [])
    assert metered == text


@pytest.mark.parametrize(
    ("first", "passes"),
    [
        (event({"choices": [], "prompt_filter_results": []}), False),  # Azure's first chunk
        (event({"choices": []}), False),
        (b": a comment\n\n", False),
        (b"event: ping\n\n", False),
        (event({"choices": [{"delta": {}}], "usage": {"prompt_tokens": 1, "completion_tokens": 0}}), True),
    ],
)
def test_what_has_no_choice_does_not_go_on(first: bytes, passes: bool) -> None:
    passed, _, _ = read(first + END, [])
    assert passed.startswith(first) == passes


def test_the_last_good_usage_counts() -> None:
    usages = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 2)]
    chunks = [event({"choices": [{"delta": {}}], "usage": usage}) for usage in (*usages, None, {"prompt_tokens": -1})]
    _, _, done = read(b"".join(chunks) + END, [])
    assert done.usage == Usage(5, 2)


@pytest.mark.parametrize(
    "bad",
    [
        b"data: oops\n\n",
        b"data: {oops\n\n",
        b"data: [1]\n\n",
        b"data: {}{}\n\n",
        event({"choices": 7}),
        event({"choices": [7]}),
        b'data: {"x":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_nonsense_ends_the_answer_after_what_was_good(bad: bytes) -> None:
    stream = Stream(False)
    good = event({"choices": [{"delta": {"content": "a"}}]})
    piece = stream.feed(good + bad + END)
    assert piece is not None
    assert piece.data == good
    assert stream.over
    with pytest.raises(UpstreamFailed):
        stream.finish()


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "x"}},
        {"code": "Throttling.RateQuota", "message": "x", "request_id": "r"},  # DashScope
        {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "x"}},  # MiniMax
    ],
)
def test_an_error_in_the_stream_is_an_error(error: dict[str, Any]) -> None:
    with pytest.raises(ErrorEvent):
        read(event(error), [])


@pytest.mark.parametrize(
    ("more", "usage"),
    [({}, None), ({"usage": {"prompt_tokens": 5, "completion_tokens": 2}}, Usage(5, 2))],
    ids=["nobody said", "said with the last choice"],
)
def test_usage_that_was_asked_for_is_told_even_if_the_upstream_forgets_the_chunk(
    more: dict[str, Any], usage: Usage | None
) -> None:
    last = {"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **more}]}
    _, _, done = read(event(last) + b"data: [DONE]\n\n", [], include_usage=True)
    told, end = done.data.split(b"\n\n")[:2]
    assert end == b"data: [DONE]"
    assert done.usage == usage
    chunk = json.loads(told[6:])
    assert (chunk["id"], chunk["choices"]) == ("x", [])
    counted = usage or COUNTED
    assert chunk["usage"]["total_tokens"] == counted.input_tokens + counted.output_tokens


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (END, True),
        (END.removesuffix(b"\n"), True),
        (END.partition(b"data: [DONE]")[0], True),
        (b"data: [DONE]\n\n", True),
        (b"", False),
        (event({"choices": [{"index": 1, "delta": {}}]}) + END.partition(b"data: [DONE]")[0], False),
        (event({"choices": [{"delta": {"content": "a"}}]}), False),
        (event({"choices": [{"delta": {"content": "a"}, "finish_reason": ""}]}), False),
    ],
)
def test_an_answer_is_whole_with_done_or_every_finish_reason(data: bytes, whole: bool) -> None:
    if whole:
        assert read(data, [])[2].data == b"data: [DONE]\n\n"
    else:
        with pytest.raises(UpstreamFailed, match="broke off"):
            read(data, [])


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        ([None, None], None),
        (["default", "default"], None),
        (["flex", "flex"], "flex"),
        ([None, "priority"], "priority"),
        (["batch", None], "batch"),
        (["auto", "something new"], None),
        ([{"odd": 1}, "flex"], "flex"),
    ],
)
def test_the_tier_that_was_served_goes_with_the_usage(said: list[Any], tier: str | None) -> None:
    chunks = [event({"choices": [{"delta": {}}], "service_tier": each}) for each in said]
    usage = event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})
    _, _, done = read(b"".join(chunks) + usage + END, [])
    assert done.usage == Usage(5, 2, tier=tier)


def test_only_choices_that_have_begun_and_not_ended_are_cut() -> None:
    stream = Stream(False)
    stream.feed(event({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    assert not stream.all_ended(3)
    stream.feed(event({"id": "x", "choices": [{"index": 2, "delta": {}}, {"index": 1, "delta": {}}]}))
    ends = stream.cut(completion=False).data.split(b"\n\n")
    assert [json.loads(end[6:])["choices"][0]["index"] for end in ends[:-2]] == [1, 2]
    assert ends[-2:] == [b"data: [DONE]", b""]


def test_an_event_without_end_is_refused() -> None:
    stream = Stream(False, event_bytes_max=1000)
    with pytest.raises(UpstreamFailed, match="too large"):
        stream.feed(b"data: " + b"x" * 1001)
