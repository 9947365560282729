"""The framing never gives what was not sent: split anywhere, any byte changed, any nonsense."""

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialects.asks import split
from waystation.dialects.converse.eventstream import MESSAGE_BYTES_MAX, BadMessage, Decoder, Message
from waystation.testing.eventstream import message

headers = st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4)
messages = st.lists(st.builds(Message, headers, st.binary(max_size=200)), max_size=5)


def written(sent: list[Message]) -> bytes:
    return b"".join(message(each.headers, each.payload) for each in sent)


@given(messages, st.lists(st.integers(min_value=0), max_size=20))
def test_messages_arrive_as_they_were_sent_however_they_are_split(sent: list[Message], cuts: list[int]) -> None:
    decoder = Decoder()
    assert [got for piece in split(written(sent), cuts) for got in decoder.feed(piece)] == sent
    assert decoder.is_clean


@given(headers, st.binary(max_size=60), st.data())
def test_no_changed_byte_passes(names: dict[str, str], payload: bytes, data: st.DataObject) -> None:
    good = message(names, payload)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadMessage):
        Decoder().feed(bytes(bad))


@given(st.binary(max_size=400))
def test_nonsense_is_refused_or_waited_for(data: bytes) -> None:
    decoder = Decoder()
    try:
        assert decoder.feed(data) == []
    except BadMessage:
        return
    assert len(data) < 12


def framed(size: int, headers_size: int, rest: bytes) -> bytes:
    """A message whose checksums are right whatever its lengths say."""
    prelude = struct.pack(">II", size, headers_size)
    data = prelude + struct.pack(">I", crc32(prelude)) + rest
    return data + struct.pack(">I", crc32(data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (framed(MESSAGE_BYTES_MAX + 1, 0, b""), "longer than"),
        (framed(200_000, 150_000, b""), "longer than"),
        (framed(15, 0, b""), "shorter than"),
        (framed(20, 10, b"abcd"), "shorter than"),
        (framed(16 + 3, 3, b"\x01ax"), "malformed"),  # an unknown type
        (framed(16 + 4, 4, b"\x09abc"), "malformed"),  # a name beyond its end
        (framed(16 + 6, 6, b"\x01a\x07\x00\x05b"), "malformed"),  # a value beyond its end
        (framed(16 + 6, 6, b"\x01a\x07\x00\x01\xff"), "malformed"),  # no UTF-8
        (framed(16 + 4, 4, b"\x01a\x07\x00"), "malformed"),  # no whole length
    ],
    ids=["huge", "headers", "tiny", "inside", "type", "name", "value", "bytes", "length"],
)
def test_lengths_that_lie_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadMessage, match=words):
        Decoder().feed(data)


def test_headers_of_all_types_are_passed_over() -> None:
    kinds = b"".join(
        b"\x01" + bytes((97 + kind, kind)) + value
        for kind, value in enumerate(
            (b"", b"", b"1", b"12", b"1234", b"12345678", b"\x00\x02ab", b"\x00\x02ok", b"12345678", b"1" * 16)
        )
    )
    assert Decoder().feed(framed(16 + len(kinds), len(kinds), kinds)) == [Message({"h": "ok"}, b"")]
