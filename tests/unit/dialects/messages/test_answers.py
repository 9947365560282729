"""Anthropic's answers: read into the vocabulary however they are cut, written so that reading gives the same again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialects.messages.documented import OVERLOADED, TEXT, TOOLS, WHOLE
from waystation.dialects.messages.reader import StreamReader, WholeReader
from waystation.dialects.messages.writer import MessagesWriter, envelope_of, new_envelope
from waystation.dialects.saying import (
    BadAnswer,
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    ErrorInAnswer,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.dialects.table import Envelope
from waystation.terms import Usage
from waystation.wire.sse import Framer, data_of

USAGE = Usage(50, 20, 10, 5, cache_write_tokens=4)


def read(data: bytes, cuts: tuple[int, ...] = ()) -> list[Saying]:
    reader, said, begin = StreamReader(), list[Saying](), 0
    for cut in (*sorted(cuts), len(data)):
        said += reader.feed(data[begin:cut])
        begin = cut
    return said + reader.finish()


TEXT_SAYINGS = [
    Begun("msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "claude-opus-5-5"),
    TextDelta("Hello"),
    TextDelta("!"),
    Ended("stop"),
    Used(Usage(35, 15, 7, cache_write_tokens=3)),
]
TOOLS_SAYINGS = [
    Begun("msg_014p7gG3wDgGV9EUtLvnow3U", "claude-opus-5-5"),
    ReasoningDelta("The weather."),
    ReasoningDelta(signature="EqQBCgIYAhIM1gbcDa9GJwZA2b3h"),
    ReasoningDelta(redacted="EmwKAhgBEgy3va3pzix"),
    CallBegun(0, "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather"),
    CallDelta(0, '{"location":'),
    CallDelta(0, ' "Paris"}'),
    CallBegun(1, "toolu_02", "now"),
    CallDelta(1, "{}"),
    Ended("tool_calls"),
    Used(Usage(472, 89, 0, 12)),
]


@pytest.mark.parametrize(("data", "said"), [(TEXT, TEXT_SAYINGS), (TOOLS, TOOLS_SAYINGS)], ids=["text", "tools"])
@given(cuts=st.lists(st.integers(0, len(TOOLS)), max_size=8))
def test_a_stream_reads_alike_however_it_is_cut(data: bytes, said: list[Saying], cuts: list[int]) -> None:
    assert read(data, tuple(min(cut, len(data)) for cut in cuts)) == said


def test_a_whole_message_reads_like_its_stream() -> None:
    reader = WholeReader()
    assert reader.feed(WHOLE[:50]) + reader.feed(WHOLE[50:]) == []
    assert reader.finish() == [
        Begun("msg_01XFDUDYJgAACzvnptvVoYEL", "claude-opus-5-5"),
        TextDelta("Hi!"),
        CallBegun(0, "toolu_1", "f"),
        CallDelta(0, '{"a":[1,2]}'),
        Ended("tool_calls"),
        Used(Usage(12, 6)),
    ]
    assert reader.over
    assert reader.finish() == []


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("end_turn", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "refusal"),
        ("something_new", "stop"),
    ],
)
def test_every_stop_reason_has_its_finish_reason(told: str, reason: FinishReason) -> None:
    assert read(TEXT.replace(b"end_turn", told.encode()))[-2] == Ended(reason)


def test_a_stop_sequence_is_told() -> None:
    data = TEXT.replace(b'"end_turn", "stop_sequence":null', b'"stop_sequence", "stop_sequence":"END"')
    assert read(data)[-2] == Ended("stop", "END")
    assert b'"stop_reason":"stop_sequence","stop_sequence":"END"' in written(read(data))


@pytest.mark.parametrize(
    "data",
    [
        b"data: nonsense\n\n",
        b"data: {}\n\n",
        TEXT.partition(b"event: message_delta")[0],
        TEXT.partition(b"event: message_delta")[0] + b'data: {"type":"message_stop"}\n\n',
        b'data: {"type":"content_block_delta","delta":{"text":7}}\n\n',
        b"",
    ],
    ids=["no JSON", "no event", "broken off", "ends without a reason", "of a wrong type", "nothing"],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        read(data)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"type":"message"}', b'{"id":"x","content":[],"stop_reason":"end_turn"}']
)
def test_what_is_no_whole_message_is_refused(body: bytes) -> None:
    reader = WholeReader()
    reader.feed(body)
    with pytest.raises(BadAnswer):
        reader.finish()


def test_an_error_in_a_stream_is_told_as_one() -> None:
    with pytest.raises(ErrorInAnswer) as caught:
        read(TEXT.partition(b"event: ping")[0] + OVERLOADED)
    assert b"overloaded_error" in caught.value.body


def test_unknown_events_and_blocks_are_passed_over() -> None:
    new = b'data: {"type":"brand_new","x":1}\n\n'
    block = b'{"type":"server_tool_use","id":"s","name":"n","input":{}}'
    server = b'data: {"type":"content_block_start","index":5,"content_block":' + block + b"}\n\n"
    delta = (
        b'data: {"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"{}"}}\n\n'
    )
    head, _, rest = TEXT.partition(b"event: ping")
    assert read(head + new + server + delta + b"event: ping" + rest) == TEXT_SAYINGS


def test_only_message_stop_may_be_missing() -> None:
    assert read(TEXT.partition(b"event: message_stop")[0]) == TEXT_SAYINGS


# -- writing


def written(sayings: list[Saying], usage: Usage | None = USAGE) -> bytes:
    """A stream, one piece a saying, with the tail where there is one."""
    writer = MessagesWriter(Envelope("msg_1", "m", 0))
    data = b"".join(writer.piece([saying]) for saying in sayings)
    done = writer.done(usage)
    return data + done.data + (done.tail(USAGE) if done.tail is not None else b"")


def events(data: bytes) -> list[dict[str, Any]]:
    found = []
    for frame in Framer().feed(data):
        event = msgspec.json.decode(data_of(frame))
        assert frame.startswith(b"event: %b\n" % event["type"].encode())
        found.append(event)
    return found


def merged(sayings: list[Saying]) -> list[Saying]:
    """Deltas of the same thing as one: how an answer is cut means nothing."""
    out: list[Saying] = []
    for saying in sayings:
        last = out[-1] if out else None
        if isinstance(saying, TextDelta) and isinstance(last, TextDelta):
            out[-1] = TextDelta(last.text + saying.text)
        elif isinstance(saying, CallDelta) and isinstance(last, CallDelta) and last.index == saying.index:
            out[-1] = CallDelta(last.index, last.arguments + saying.arguments)
        elif (
            isinstance(saying, ReasoningDelta)
            and isinstance(last, ReasoningDelta)
            and not (saying.redacted or last.redacted or last.signature)
        ):
            out[-1] = ReasoningDelta(last.text + saying.text, saying.signature)
        elif not (isinstance(saying, TextDelta) and not saying.text):
            out.append(saying)
    return out


words = st.text(min_size=1, max_size=5)
middles: st.SearchStrategy[list[list[Saying]]] = st.lists(
    st.one_of(
        st.lists(words, min_size=1, max_size=3).map(lambda texts: [TextDelta(text) for text in texts]),
        st.tuples(words, words).map(lambda pair: [ReasoningDelta(pair[0]), ReasoningDelta(signature=pair[1])]),
        words.map(lambda data: [ReasoningDelta(redacted=data)]),
        st.just(list[Saying]()),
    ),
    max_size=6,
)


@st.composite
def answers(draw: st.DrawFn) -> list[Saying]:
    said: list[Saying] = [Begun("msg_1", "m")]
    calls = 0
    for part in draw(middles):
        if not part:  # a call
            arguments = msgspec.json.encode(draw(st.dictionaries(words, st.integers(), max_size=2))).decode()
            cut = draw(st.integers(0, len(arguments)))
            said += CallBegun(calls, f"toolu_{calls}", "f"), CallDelta(calls, arguments[:cut])
            said.append(CallDelta(calls, arguments[cut:]))
            calls += 1
        else:
            said += part
    reason: FinishReason = draw(st.sampled_from(["stop", "length", "tool_calls", "refusal"]))
    return [*said, Ended(reason), Used(USAGE)]


@given(answers(), st.booleans())
def test_what_is_written_reads_as_what_was_said(said: list[Saying], known: bool) -> None:
    assert merged(read(written(said, USAGE if known else None))) == merged(said)


@given(answers())
def test_a_whole_message_says_the_same(said: list[Saying]) -> None:
    done = MessagesWriter(Envelope("msg_1", "m", 0)).whole(said, USAGE)
    reader = WholeReader()
    reader.feed(done.data)
    assert [each for each in merged(reader.finish()) if not isinstance(each, CallDelta)] == [
        each for each in merged(said) if not isinstance(each, CallDelta)
    ]


@given(answers())
def test_blocks_begin_grow_and_stop_in_turn(said: list[Saying]) -> None:
    kinds = events(written(said))
    assert [kinds[0]["type"], kinds[1]["type"]] == ["message_start", "ping"]
    assert [event["type"] for event in kinds[-2:]] == ["message_delta", "message_stop"]
    open_block: int | None = None
    count = 0
    for event in kinds[2:-2]:
        if event["type"] == "content_block_start":
            assert (open_block, event["index"]) == (None, count)
            open_block, count = event["index"], count + 1
        else:
            assert event["index"] == open_block
            open_block = None if event["type"] == "content_block_stop" else open_block
    assert open_block is None


def test_a_refusal_is_words_and_a_reason() -> None:
    data = written([RefusalDelta("No."), Ended("refusal")])
    assert read(data)[1:3] == [TextDelta("No."), Ended("refusal")]


def test_an_answer_without_words_is_whole_too() -> None:
    assert [event["type"] for event in events(written([]))] == [
        "message_start",
        "ping",
        "message_delta",
        "message_stop",
    ]


def test_a_cut_ends_for_its_length_and_tells_the_settled_usage() -> None:
    writer = MessagesWriter(Envelope("msg_1", "m", 0))
    data = writer.piece([Begun(), TextDelta("Once ")])
    done = writer.cut()
    assert done.usage is None
    assert done.tail is not None
    said = read(data + done.data + done.tail(USAGE))
    assert said[-2:] == [Ended("length"), Used(USAGE)]


def test_an_envelope_is_found_in_the_first_event() -> None:
    writer = MessagesWriter(Envelope(*new_envelope("m", 5)))
    name, model, created = envelope_of(writer.piece([TextDelta("x")]))
    assert (name[:4], model, created) == ("msg_", "m", 0)


@pytest.mark.parametrize(
    "usage",
    [
        b'{"input_tokens": -1, "output_tokens": 5}',
        b'{"input_tokens": true, "output_tokens": 1}',
        b'{"output_tokens": 3}',
        b"7",
    ],
)
def test_counts_that_are_none_make_no_usage(usage: bytes) -> None:
    body = WHOLE.partition(b'"usage":')[0] + b'"usage":' + usage + b"}"
    reader = WholeReader()
    reader.feed(body)
    assert isinstance(reader.finish()[-1], Ended)
