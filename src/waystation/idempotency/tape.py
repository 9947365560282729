"""An answer as it is being written, to be read by everybody who wants it, from its beginning and as it grows."""

import asyncio
from types import TracebackType

from waystation.errors import ApiError
from waystation.idempotency.model import refused

KEPT_BYTES_MAX = 8 * 1024 * 1024
"""Of one answer. One that is larger is passed on to those who read along, and not kept."""
ROOM_BYTES_MAX = 256 * 1024 * 1024
"""Of all tapes of a worker."""
SLICE_BYTES_MAX = 64 * 1024
"""So much is read at a time, so that a client that reads slowly is noticed."""
AHEAD_BYTES_MAX = 256 * 1024
"""So far may one that is not kept be ahead of its slowest reader; then its writer waits."""


class Room:
    """Counts the bytes of all tapes."""

    def __init__(self, most: int = ROOM_BYTES_MAX) -> None:
        self.most = most
        self.bytes = 0

    def take(self, size: int) -> bool:
        """False: there is not so much room left."""
        if self.bytes + size > self.most:
            return False
        self.bytes += size
        return True


class Tape:
    """One answer. The call writes it (`begin`, `write`, `end`); `reader()` gives everybody a place of their own in it.

    An answer with another status than 200 is not shown before `publish`.
    """

    def __init__(self, request_id: str, room: Room, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self.request_id = request_id  # of the call that wrote it
        self.status = 0  # until it begins
        self.headers = b""  # as encoded lines
        self.stream = False
        self.ended = False
        self.too_large = False
        self.loaded = False  # it comes from an earlier call
        self._chunks: list[bytes] = []
        self._error: ApiError | None = None
        self._gone = 0  # so many of the first chunks are let go
        self._kept_bytes_max = kept_bytes_max
        self._moved = asyncio.Event()
        self._published = False
        self._readers: set[Reader] = set()
        self._released = False
        self._room = room
        self._size = 0  # counted in the room

    # -- written

    def begin(self, status: int, headers: bytes, *, stream: bool) -> None:
        self.status, self.headers, self.stream = status, headers, stream
        if status == 200:
            self.publish()

    def write(self, data: bytes) -> None:
        if not data or self.ended:
            return
        if not self.too_large:
            if self._size + len(data) <= self._kept_bytes_max and self._room.take(len(data)):
                self._size += len(data)
            else:
                self.too_large = True
                self._give_back()
        self._chunks.append(data)
        if self.too_large:
            self._let_go()
        self._wake()

    def end(self, data: bytes = b"") -> None:
        self.write(data)
        self.ended = True
        self._wake()

    def load(self, request_id: str, headers: bytes, body: bytes, *, stream: bool) -> bool:
        """Be the answer of an earlier call. False: there is no room for it."""
        if not self._room.take(len(body)):
            return False
        self._size = len(body)
        self.request_id, self.loaded = request_id, True
        self._chunks = [body[at : at + SLICE_BYTES_MAX] for at in range(0, len(body), SLICE_BYTES_MAX)]
        self.ended = True
        self.begin(200, headers, stream=stream)
        return True

    def fail(self, error: ApiError) -> None:
        """There is no answer, or no more of it: readers get the error when they have read what there is."""
        self._error = error
        self.ended = True
        self.publish()

    def publish(self) -> None:
        self._published = True
        self._wake()

    @property
    def stalled(self) -> bool:
        """The writer is to wait, in `drained`: it is too far ahead of somebody whose chunks are kept for him alone."""
        return self.too_large and sum(map(len, self._chunks[self._gone :])) > AHEAD_BYTES_MAX

    async def drained(self) -> None:
        while self.stalled:
            await self._moved.wait()

    @property
    def body(self) -> bytes:
        """The whole, of one that is not too large."""
        return b"".join(self._chunks)

    def release(self) -> None:
        """Nothing more is written, and nobody new will read."""
        self._released = True
        if not self._readers:
            self._give_back()

    # -- read

    def reader(self, *, first: bool = False) -> "Reader":
        """A place at the beginning. Raises IdempotencyConflict when the beginning is not there any more."""
        if self.too_large:
            raise refused("idempotency_answer_too_large")
        return Reader(self, first)

    async def wait(self) -> None:
        await self._moved.wait()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _let_go(self) -> None:
        """Drop what all readers have."""
        read = min((reader.at for reader in self._readers), default=len(self._chunks))
        for number in range(self._gone, read):
            self._chunks[number] = b""
        self._gone = max(self._gone, read)

    def _give_back(self) -> None:
        self._room.bytes -= self._size
        self._size = 0


class Reader:
    """One who reads a tape; `with` it, so that nothing is kept for one who has left."""

    def __init__(self, tape: Tape, first: bool) -> None:
        self.tape = tape
        self.at = 0
        self._first = first
        tape._readers.add(self)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tape = self.tape
        tape._readers.discard(self)
        if tape.too_large:
            tape._let_go()
            tape._wake()
        if tape._released and not tape._readers:
            tape._give_back()

    @property
    def request_id(self) -> str:
        return self.tape.request_id

    @property
    def status(self) -> int:
        return self.tape.status

    @property
    def headers(self) -> bytes:
        return self.tape.headers

    @property
    def stream(self) -> bool:
        return self.tape.stream

    @property
    def replayed(self) -> bool:
        """The answer is one that another request has asked for."""
        return not self._first or self.tape.loaded

    @property
    def over(self) -> bool:
        """Everything is read."""
        return self.tape.ended and self.at == len(self.tape._chunks)

    async def begun(self) -> None:
        """Wait until the answer begins. Raises an ApiError when there is none."""
        tape = self.tape
        while not tape._published:
            await tape.wait()
        if tape._error is not None and not tape.status:
            raise tape._error

    async def next(self) -> bytes:
        """What there is to read, a slice at a time; empty when nothing more comes. Raises an ApiError if it breaks off."""
        tape = self.tape
        chunks = tape._chunks
        while self.at == len(chunks) and not tape.ended:
            await tape.wait()
        begin, size = self.at, 0
        while self.at < len(chunks) and size < SLICE_BYTES_MAX:
            size += len(chunks[self.at])
            self.at += 1
        data = b"".join(chunks[begin : self.at])
        if tape.too_large:
            tape._let_go()
            tape._wake()
        if not data and tape._error is not None:
            raise tape._error
        return data

    async def whole(self) -> bytes:
        """All of it, once it is there."""
        while not self.tape.ended:
            await self.tape.wait()
        parts = []
        while data := await self.next():
            parts.append(data)
        return b"".join(parts)
