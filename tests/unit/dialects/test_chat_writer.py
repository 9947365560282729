"""Answers to OpenAI's callers as they are written: in OpenAI's form to the byte, and read back as they were."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.dialects.chat_reader import ChatReader
from waystation.dialects.chat_writer import ChatWriter, envelope_of, new_chat_envelope, new_completion_envelope
from waystation.dialects.completions_writer import CompletionWriter
from waystation.dialects.saying import (
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.dialects.table import SPOKEN, Envelope
from waystation.terms import Dialect, Done, Operation, Usage
from waystation.wire.answers import ChatCompletion, ChatCompletionChunk, Completion

ENVELOPE = Envelope("chatcmpl-1", "gpt-x", 1_700_000_000)
USAGE = Usage(9, 5, 2, 1)


def request(*, usage: bool = False, choices: int = 1, legacy: bool = False) -> Any:
    return SimpleNamespace(include_usage=usage, choices=choices, tools=None, functions=[{}] if legacy else None)


def writer(**asked: Any) -> ChatWriter:
    return ChatWriter(ENVELOPE, request(**asked))


HEAD = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-x","choices":['


def chunk(delta: bytes, finish: bytes = b"null", index: int = 0) -> bytes:
    return HEAD + b'{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}]}\n\n' % (index, delta, finish)


FIRST = chunk(b'{"role":"assistant","content":"","refusal":null}')
FIRST_CALL = chunk(b'{"role":"assistant","content":null,"refusal":null}')


@pytest.mark.parametrize(
    ("saying", "written"),
    [
        (Begun("theirs", "their-model"), b""),
        (Used(USAGE), b""),
        (TextDelta(""), b""),
        (ReasoningDelta(signature="s"), b""),
        (TextDelta('H"é'), FIRST + chunk('{"content":"H\\"é"}'.encode())),
        (ReasoningDelta("hm"), FIRST + chunk(b'{"reasoning_content":"hm"}')),
        (RefusalDelta("no"), FIRST + chunk(b'{"refusal":"no"}')),
        (Ended("stop"), FIRST + chunk(b"{}", b'"stop"')),
        (Ended("refusal"), FIRST + chunk(b"{}", b'"content_filter"')),
        (
            CallBegun(0, "c", "f"),
            FIRST_CALL
            + chunk(b'{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}'),
        ),
        (CallDelta(0, "{}"), FIRST + chunk(b'{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}')),
    ],
)
def test_an_event_is_written_as_openai_writes_it(saying: Saying, written: bytes) -> None:
    assert writer().piece([saying]) == written


def test_the_role_is_said_once_for_each_choice() -> None:
    piece = writer(choices=2).piece([TextDelta("a"), TextDelta("b"), TextDelta("c", 1)])
    assert piece.count(b'"role"') == 2


def test_usage_is_a_chunk_of_its_own_only_where_it_was_asked_for() -> None:
    asked = writer(usage=True)
    assert asked.piece([TextDelta("a")]).count(b'"usage":null') == 2
    done = asked.done(USAGE)
    assert done.data.startswith(HEAD + b'],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,')
    assert done.data.endswith(b"data: [DONE]\n\n")
    assert done.usage == USAGE
    assert writer().done(USAGE).data == b"data: [DONE]\n\n"
    unknown = asked.done(None)
    assert unknown.data == b""
    assert unknown.tail is not None
    assert unknown.tail(USAGE) == done.data


@pytest.mark.parametrize("make", [ChatWriter, CompletionWriter])
def test_a_stream_that_is_cut_ends_its_open_choices(make: Callable[..., Any]) -> None:
    cut = make(ENVELOPE, request(choices=3, usage=True))
    cut.piece([TextDelta("a"), TextDelta("b", 1), Ended("stop")])
    done = cut.cut()
    (end,) = [json.loads(line[6:]) for line in done.data.split(b"\n\n") if line]
    assert (end["id"], end["model"], end["choices"][0]["index"]) == ("chatcmpl-1", "gpt-x", 1)
    assert end["choices"][0]["finish_reason"] == "length"
    assert done.tail is not None
    assert done.tail(USAGE).endswith(b"data: [DONE]\n\n")
    assert make(ENVELOPE, request(choices=2)).cut().data.count(b'"length"') == 2


def test_old_callers_get_function_calls() -> None:
    sayings: list[Saying] = [CallBegun(0, "c", "f"), CallDelta(0, "{}"), CallBegun(1, "d", "g"), Ended("tool_calls")]
    piece = writer(legacy=True).piece(sayings)
    assert piece == FIRST_CALL + chunk(b'{"function_call":{"name":"f","arguments":""}}') + chunk(
        b'{"function_call":{"arguments":"{}"}}'
    ) + chunk(b"{}", b'"function_call"')
    choice = json.loads(writer(legacy=True).whole(sayings, None).data)["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"


def test_a_whole_answer_is_openais() -> None:
    done = writer().whole([Begun(), ReasoningDelta("hm"), TextDelta("a"), TextDelta("b"), Ended("stop")], USAGE)
    body = json.loads(done.data)
    message = {"role": "assistant", "content": "ab", "refusal": None, "reasoning_content": "hm"}
    assert body["choices"] == [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    assert body["usage"]["total_tokens"] == 14
    assert "usage" not in json.loads(writer().whole([TextDelta("a"), Ended("stop")], None).data)


# -- read back

TEXTS = st.text(min_size=1, max_size=8)


@st.composite
def answers(draw: st.DrawFn) -> list[Saying]:
    """An answer of one or two choices, as a provider of any dialect may give it."""
    sayings: list[Saying] = [Begun("chatcmpl-1", "gpt-x")]
    for choice in range(draw(st.integers(1, 2))):
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from([TextDelta, ReasoningDelta, RefusalDelta]))
            sayings.append(kind(text=draw(TEXTS), choice=choice))
        calls = draw(st.integers(0, 3))
        for index in range(calls):
            sayings.append(CallBegun(index, f"call_{index}", draw(TEXTS), draw(st.booleans()), choice=choice))
            sayings += [CallDelta(index, text, choice) for text in draw(st.lists(TEXTS, max_size=3))]
        reasons: list[FinishReason] = ["length", "content_filter", "tool_calls" if calls else "stop"]
        sayings.append(Ended(draw(st.sampled_from(reasons)), choice=choice))
    if draw(st.booleans()):
        sayings.append(Used(Usage(draw(st.integers(0, 99)), draw(st.integers(0, 99)))))
    return sayings


def used(sayings: list[Saying]) -> Usage | None:
    return sayings[-1].usage if isinstance(sayings[-1], Used) else None


def read(data: bytes) -> list[Saying]:
    reader = ChatReader()
    return [*reader.feed(data), *reader.finish()]


@given(answers())
def test_what_is_written_is_read_back(sayings: list[Saying]) -> None:
    stream = writer(usage=True, choices=2)
    data = b"".join(stream.piece([saying]) for saying in sayings) + stream.done(used(sayings)).data
    assert read(data) == sayings


@given(answers())
def test_a_whole_answer_is_read_back_in_one_piece_of_each_kind(sayings: list[Saying]) -> None:
    data = writer(choices=2).whole(sayings, used(sayings)).data
    again = read(data)
    assert gathered(again) == gathered(sayings)
    assert used(again) == used(sayings)


def gathered(sayings: list[Saying]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for saying in sayings:
        if isinstance(saying, TextDelta | ReasoningDelta | RefusalDelta):
            key: Any = (type(saying), saying.choice)
            found[key] = found.get(key, "") + saying.text
        elif isinstance(saying, CallBegun):
            found["call", saying.choice, saying.index] = (saying.id, saying.name, saying.custom)
        elif isinstance(saying, CallDelta):
            key = ("arguments", saying.choice, saying.index)
            found[key] = found.get(key, "") + saying.arguments
        elif isinstance(saying, Ended):
            found["end", saying.choice] = saying.reason
    return found


@given(answers())
def test_what_is_written_has_the_shapes_that_are_described(sayings: list[Saying]) -> None:
    plain = [each for each in sayings if not (isinstance(each, CallBegun) and each.custom)]
    known = {each.index for each in plain if isinstance(each, CallBegun)}
    plain = [each for each in plain if not isinstance(each, CallDelta) or each.index in known]
    stream = writer(usage=True, choices=2)
    data = stream.piece(plain) + stream.done(USAGE).data
    events = [line[6:] for line in data.split(b"\n\n") if line]
    assert events.pop() == b"[DONE]"
    for each in events:
        msgspec.json.decode(each, type=ChatCompletionChunk)
    msgspec.json.decode(writer(choices=2).whole(sayings, USAGE).data, type=ChatCompletion)


@given(answers())
def test_completions_have_their_shape_and_their_text(sayings: list[Saying]) -> None:
    stream = CompletionWriter(ENVELOPE, request(usage=True, choices=2))
    data = b"".join(stream.piece([saying]) for saying in sayings) + stream.done(USAGE).data
    events = [line[6:] for line in data.split(b"\n\n") if line]
    assert events.pop() == b"[DONE]"
    chunks = [msgspec.json.decode(each, type=Completion) for each in events]
    whole = msgspec.json.decode(
        CompletionWriter(ENVELOPE, request(choices=2)).whole(sayings, USAGE).data, type=Completion
    )
    for choice in whole.choices:
        parts = [each.text for chunk in chunks for each in chunk.choices if each.index == choice.index]
        said = [each for each in sayings if isinstance(each, TextDelta | RefusalDelta) and each.choice == choice.index]
        assert "".join(parts) == "".join(each.text for each in said)
        assert sorted(choice.text) == sorted("".join(parts))
        assert choice.finish_reason is not None
    assert stream.done(None).tail is not None
    assert isinstance(CompletionWriter(ENVELOPE, request()).done(None), Done)


# -- envelopes


def test_an_envelope_is_found_in_what_went_out() -> None:
    piece = writer().piece([TextDelta("a"), TextDelta("b")])
    assert envelope_of(piece) == ENVELOPE
    assert envelope_of(writer().whole([TextDelta("a"), Ended("stop")], None).data) == ENVELOPE
    assert envelope_of(b'data: {"choices":[]}\r\n\r\n') == Envelope("", "", 0)


@pytest.mark.parametrize(("operation", "begin"), [(Operation.CHAT, "chatcmpl-"), (Operation.COMPLETION, "cmpl-")])
def test_the_table_speaks_openais_dialect(operation: Operation, begin: str) -> None:
    spoken = SPOKEN[Dialect.OPENAI, operation]
    one, other = spoken.new_envelope("m", 7), spoken.new_envelope("m", 7)
    assert one.id.startswith(begin)
    assert one.id != other.id
    assert (one.model, one.created) == ("m", 7)
    data = spoken.writer(one, request()).piece([TextDelta("a")])
    assert spoken.envelope(data) == one
    assert new_chat_envelope("m", 7).id.startswith("chatcmpl-")
    assert new_completion_envelope("m", 7).id.startswith("cmpl-")
