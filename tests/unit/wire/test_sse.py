"""wire/sse.py: whole events, wherever the stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.wire.sse import EventTooLarge, Framer, data_of


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"data: a\n\n"]),
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a\r\n\r\n", b"data: b\r\n\r\n"]),
        (b"data: a\r\rdata: b\r\r", [b"data: a\r\r", b"data: b\r\r"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"data: a\n\r\n", b"data: b\r\n\n"]),
        (b"data: a\n\n\ndata: b\n\n", [b"data: a\n\n", b"\ndata: b\n\n"]),
        (b"id: 1\r\ndata: a\r\ndata: b\r\n\r\n", [b"id: 1\r\ndata: a\r\ndata: b\r\n\r\n"]),
        (b"data: a\n", []),
    ],
)
def test_events_are_cut_at_empty_lines(stream: bytes, events: list[bytes]) -> None:
    framer = Framer()
    assert framer.feed(stream) + framer.finish() == events
    assert b"".join(events) + framer.rest == stream


lines = st.sampled_from([b"data: x", b"data:y", b": comment", b"", b"event: e", "data: 你好".encode(), b"data"])
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
streams = st.lists(st.tuples(lines, ends)).map(lambda parts: b"".join(line + end for line, end in parts))


@given(streams, st.lists(st.integers(0, 200)))
def test_cutting_the_stream_anywhere_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    whole = Framer()
    expected = whole.feed(stream) + whole.finish()
    framer = Framer()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    events = []
    for begin, end in pairwise(places):
        events += framer.feed(stream[begin:end])
    events += framer.finish()
    assert events == expected
    assert framer.rest == whole.rest


@given(streams)
def test_byte_by_byte_gives_the_same_events(stream: bytes) -> None:
    whole, framer = Framer(), Framer()
    expected = whole.feed(stream) + whole.finish()
    events = [event for at in range(len(stream)) for event in framer.feed(stream[at : at + 1])]
    assert events + framer.finish() == expected


def test_lf_events_go_out_as_soon_as_they_are_whole() -> None:
    framer = Framer()
    assert framer.feed(b"data: a\n\ndata: b") == [b"data: a\n\n"]
    assert framer.feed(b"\n") == []
    assert framer.feed(b"\n") == [b"data: b\n\n"]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 100 + b"\n\n", b"data: " + b"x" * 100, b"data: a\r\n\r\n" * 20])
def test_only_an_event_beyond_the_bound_is_refused(stream: bytes) -> None:
    framer = Framer(event_bytes_max=50)
    if b"x" in stream:
        with pytest.raises(EventTooLarge):
            framer.feed(stream)
    else:
        assert len(framer.feed(stream)) == 20


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\n\n", b"{}"),
        (b"data:  a\r\n\r\n", b" a"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data\n\n", b""),
        (b": comment\n\n", b""),
        (b": comment\ndata: a\nid: 7\n\n", b"a"),
        (b"\xef\xbb\xbfdata: a\n\n", b"a"),
        (b"\n\ndata: a\n\n", b"a"),
        (b"event: ping\n\n", b""),
        (b"database: x\n\n", b""),
        (b"data: a\r\r", b"a"),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes) -> None:
    assert data_of(event) == data
