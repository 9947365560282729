"""Tapes: everybody reads the whole answer, and no tape grows without end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from waystation.errors import IdempotencyConflict, ServiceUnavailable
from waystation.idempotency.tape import AHEAD_BYTES_MAX, SLICE_BYTES_MAX, Reader, Room, Tape


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await story()

    asyncio.run(bounded())


async def read(reader: Reader) -> bytes:
    with reader:
        await reader.begun()
        parts = []
        while not reader.over:
            parts.append(await reader.next())
            assert len(parts[-1]) < 2 * SLICE_BYTES_MAX
        return b"".join(parts)


def test_whoever_comes_reads_from_the_beginning() -> None:
    async def story() -> None:
        tape = Tape("req", Room())
        early = asyncio.create_task(read(tape.reader(first=True)))
        await asyncio.sleep(0)
        tape.begin(200, b"", stream=True)
        tape.write(b"one ")
        await asyncio.sleep(0)
        between = asyncio.create_task(read(tape.reader()))
        await asyncio.sleep(0)
        tape.write(b"two ")
        tape.end(b"three")
        assert [await early, await between, await read(tape.reader())] == [b"one two three"] * 3

    run(story)


def test_only_the_first_is_no_repeat() -> None:
    tape, loaded = Tape("req", Room()), Tape("req", Room())
    assert [tape.reader(first=True).replayed, tape.reader().replayed] == [False, True]
    assert loaded.load("req_0", b"", b"x" * 3 * SLICE_BYTES_MAX, stream=True)
    reader = loaded.reader(first=True)
    assert (reader.replayed, reader.request_id) == (True, "req_0")
    assert asyncio.run(read(reader)) == b"x" * 3 * SLICE_BYTES_MAX


def test_an_error_is_told_when_it_is_published() -> None:
    async def story() -> None:
        tape = Tape("req", Room())
        reading = asyncio.create_task(read(tape.reader(first=True)))
        tape.begin(429, b"", stream=False)
        tape.end(b"no")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not reading.done()
        tape.publish()
        assert await reading == b"no"

    run(story)


def test_one_that_breaks_off_is_read_up_to_there() -> None:
    async def story() -> None:
        tape = Tape("req", Room())
        tape.begin(200, b"", stream=True)
        tape.write(b"some")
        tape.fail(ServiceUnavailable("gone"))
        with tape.reader() as reader:
            await reader.begun()
            assert await reader.next() == b"some"
            with pytest.raises(ServiceUnavailable):
                await reader.whole()

    run(story)


@pytest.mark.parametrize(("of_one", "of_all"), [(100_000, 10**9), (10**9, 100_000)])
def test_one_that_grows_too_large_waits_for_who_reads_along_and_is_kept_for_nobody_else(
    of_one: int, of_all: int
) -> None:
    async def story() -> None:
        room = Room(of_all)
        tape = Tape("req", room, of_one)
        chunk, chunks = b"x" * 10_000, 300
        ahead_max = 0
        read_bytes = 0

        async def write() -> None:
            nonlocal ahead_max
            tape.begin(200, b"", stream=True)
            for number in range(chunks):
                tape.write(chunk)
                if tape.too_large:
                    ahead_max = max(ahead_max, (number + 1) * len(chunk) - read_bytes)
                while tape.stalled:
                    await tape.drained()
            tape.end()

        writing = asyncio.create_task(write())
        with tape.reader(first=True) as reader:
            while not reader.over:
                await asyncio.sleep(0.0001)
                read_bytes += len(await reader.next())
            await writing
        assert read_bytes == chunks * len(chunk)
        assert ahead_max <= AHEAD_BYTES_MAX + max(len(chunk), SLICE_BYTES_MAX + len(chunk))
        assert (tape.too_large, room.bytes) == (True, 0)
        with pytest.raises(IdempotencyConflict) as caught:
            tape.reader()
        assert caught.value.code == "idempotency_answer_too_large"

    run(story)


def test_one_whose_last_reader_has_left_is_waited_for_by_nobody() -> None:
    async def story() -> None:
        tape = Tape("req", Room(), 100)
        with tape.reader(first=True):
            tape.begin(200, b"", stream=True)
            tape.write(b"x" * 10 * AHEAD_BYTES_MAX)
            assert tape.stalled
            waiting = asyncio.create_task(tape.drained())
            await asyncio.sleep(0)
        await waiting
        assert not tape.stalled

    run(story)


def test_room_is_given_back_when_the_last_one_is_done() -> None:
    async def story() -> None:
        room = Room(100)
        tape = Tape("req", room)
        reader = tape.reader(first=True)
        tape.begin(200, b"", stream=True)
        tape.end(b"x" * 60)
        assert not Tape("req", room).load("req", b"", b"x" * 60, stream=False)
        tape.release()
        assert room.bytes == 60
        assert len(await read(reader)) == 60
        assert room.bytes == 0

    run(story)
