"""A streamed response as bytes: however it is cut into pieces, the same comes out; whatever is in it, nothing else is raised."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.providers.openai.stand import chunks, response_call
from waystation.dialects.responses.events import NOT_PLAIN
from waystation.errors import UpstreamFailed
from waystation.providers.openai.responses_stream import ErrorEvent, ResponseStream
from waystation.terms import Done, Piece, Usage
from waystation.testing.responses_script import response_events, stream_of

WHOLE = b"".join(stream_of(response_events("web-search", {"tools": [{"type": "web_search"}]})))
# As the examples of ResponseFailedEvent and ResponseErrorEvent in OpenAI's description (August 2026): documented, not recorded.
FAILED = (
    b"event: response.failed\n"
    b'data: {"type":"response.failed","response":{"id":"resp_123","object":"response","created_at":1740855869,'
    b'"status":"failed","error":{"code":"server_error","message":"The model failed to generate a response."},'
    b'"output":[],"usage":null},"sequence_number":1}\n\n'
)
ERROR = (
    b"event: error\n"
    b'data: {"type":"error","code":"ERR_SOMETHING","message":"Something went wrong","param":null,"sequence_number":1}\n\n'
)


def fed(pieces: list[bytes]) -> tuple[bytes, str, Done]:
    """What goes out, its text, and its end."""
    stream = ResponseStream(response_call(tools=[{"type": "web_search"}], stream=True))
    out: list[Piece] = []
    for data in pieces:
        if stream.over:
            break
        piece = stream.feed(data)
        out += [] if piece is None else [piece]
    last, done = stream.finish()
    out += [] if last is None else [last]
    return b"".join(piece.data for piece in out), "".join(piece.text for piece in out), done


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_it_may_be_cut_anywhere(cuts: list[int]) -> None:
    ends = sorted({0, *cuts, len(WHOLE)})
    pieces = [WHOLE[begin:end] for begin, end in pairwise(ends)]
    data, text, done = fed(pieces)
    once, said, end = fed([WHOLE])
    assert (data, text, done.data, done.usage) == (once, said, end.data, end.usage)
    assert done.usage is not None
    assert done.usage.tool_calls == {"web_search": 2}


@given(st.integers(0, len(WHOLE)), st.binary(max_size=12) | st.sampled_from([b"null", b"[]", b"{}", b'"', b"\n\n"]))
def test_a_spoiled_one_is_an_answer_or_a_fault(at: int, spoil: bytes) -> None:
    try:
        fed([WHOLE[:at] + spoil + WHOLE[at + len(spoil) :]])
    except (ErrorEvent, UpstreamFailed):
        return


@pytest.mark.parametrize("data", [FAILED, ERROR], ids=["failed", "error"])
def test_a_failure_comes_after_what_was_good(data: bytes) -> None:
    stream = ResponseStream(response_call(stream=True))
    events = stream_of(response_events("plain", {}))
    begun = stream.feed(b"".join(events[:6]) + data)
    assert begun is not None
    assert begun.text
    with pytest.raises(ErrorEvent):
        stream.finish()


def test_only_its_last_event_ends_it() -> None:
    events = stream_of(response_events("plain", {}))
    with pytest.raises(UpstreamFailed, match="broke off"):
        fed(events[:-1])


@given(st.integers(2, 11))
def test_a_cut_one_ends_with_numbers_that_go_on(at: int) -> None:
    stream = ResponseStream(response_call(stream=True))
    piece = stream.feed(b"".join(stream_of(response_events("plain", {}))[:at]))
    done = stream.cut()
    assert piece is not None
    assert done.tail is not None
    told = chunks(piece, done, Piece(done.tail(Usage(1, 1))))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[-1]["response"]["status"] == "incomplete"


def test_a_tool_that_has_begun_is_nothing_to_go_on_from() -> None:
    events = stream_of(response_events("web-search", {}))
    assert NOT_PLAIN.search(b"".join(events[:2])) is None
    assert NOT_PLAIN.search(events[2]) is not None
