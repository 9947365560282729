"""A form reads the same wherever its bytes are cut, holds nothing of what has passed, and its names are read as they are sent."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.errors import ApiError, InvalidRequest
from waystation.http.multipart import Event, Field, Opened, boundary_of, read_form

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    b"one\r\n--not the boundary\r\n\r\n-two\r\n--b--\r\nepilogue"
)


def read(*chunks: bytes) -> list[Event]:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def all_of_it() -> list[Event]:
        return [event async for event in read_form(stream(), b"b", "file")]

    return asyncio.run(all_of_it())


def joined(events: list[Event]) -> tuple[list[Event], bytes]:
    return (
        [event for event in events if not isinstance(event, bytes)],
        b"".join(event for event in events if isinstance(event, bytes)),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(FORM)), max_size=8))
def test_a_form_reads_the_same_wherever_it_is_cut(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(FORM)]
    pieces = [FORM[start:end] for start, end in pairwise(ends)]
    events, content = joined(read(*pieces))
    assert events == [Field("purpose", "batch"), Opened("a.txt")]
    assert content == b"one\r\n--not the boundary\r\n\r\n-two"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b'filename="a b.txt"', "a b.txt"),
        (b"filename=plain.txt", "plain.txt"),
        ('filename="报告.txt"'.encode(), "报告.txt"),
        (b'filename="say \\"hi\\".txt"', 'say "hi".txt'),
        (b'filename="say %22hi%22.txt"', 'say "hi".txt'),
        (b"filename*=UTF-8''%E6%8A%A5.txt", "报.txt"),
        (b"filename=\"x.txt\"; filename*=utf-8'en'%e6%8a%a5.txt", "报.txt"),
        (b"filename*=iso-8859-1''caf%E9.txt", "café.txt"),
        (b"filename=\"x.txt\"; filename*=klingon''y", "x.txt"),
        (b'filename="a;b=c.txt"', "a;b=c.txt"),
    ],
    ids=ascii,
)
def test_a_name_is_read_as_it_is_sent(said: bytes, name: str) -> None:
    events = read(b'--b\r\nContent-Disposition: form-data; name="file"; ' + said + b"\r\n\r\nx\r\n--b--\r\n")
    assert events[0] == Opened(name)


def test_heads_and_parts_have_bounds() -> None:
    huge = b'--b\r\nContent-Disposition: form-data; name="file"' + b"x" * 70_000
    many = b"".join(b'--b\r\nContent-Disposition: form-data; name="n%d"\r\n\r\n\r\n' % at for at in range(20))
    trailing = FORM + b"x" * 70_000
    for form in (huge, many, trailing):
        with pytest.raises(ApiError):
            read(form)


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_what_is_no_form_is_told(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        boundary_of(content_type)


def test_a_boundary_may_be_in_quotes() -> None:
    assert boundary_of('multipart/form-data; charset=utf-8; boundary="a b"') == b"a b"
