"""Calls with an Idempotency-Key: an answer is recorded as it comes about, and every exchange that wants it follows.

Whether a call is a repeat, and what is kept of answers, is `Answers`' to know (`idempotency/service.py`).
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol

from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.http.bounds import Bounds
from waystation.http.exchange import Reply, errors_of, refusal_lines

KEY = b"idempotency-key"
_REPLAYED = b"idempotent-replayed: true\r\n"


class Tape(Protocol):
    """Where an answer is written."""

    @property
    def stalled(self) -> bool: ...
    async def drained(self) -> None: ...
    def begin(self, status: int, headers: bytes, *, stream: bool) -> None: ...
    def write(self, data: bytes) -> None: ...
    def end(self, data: bytes = b"") -> None: ...


class Reader(AbstractContextManager["Reader"], Protocol):
    """One who reads it, from its beginning."""

    @property
    def request_id(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> bytes: ...
    @property
    def stream(self) -> bool: ...
    @property
    def replayed(self) -> bool: ...
    @property
    def over(self) -> bool: ...
    async def begun(self) -> None: ...
    async def next(self) -> bytes: ...
    async def whole(self) -> bytes: ...


class Answers(Protocol):
    def open(
        self,
        project_id: str,
        key: bytes,
        operation: str,
        body: bytes,
        request_id: str,
        stream: bool,
        play: Callable[[Tape], Awaitable[None]],
    ) -> Reader:
        """The answer to a call that is to be answered once; `play` is called if nobody has asked before."""


class Recorder:
    """A Reply that goes onto a `tape`. It knows nothing of the connection: that may go while the answer comes."""

    tape: Tape  # set by who plays

    def __init__(self, exchange: Reply) -> None:
        self.route = exchange.route
        self.fields = exchange.fields
        self.request_id = exchange.request_id
        self.started_ns = exchange.started_ns
        self.client_address = exchange.client_address
        self.streams = exchange.streams
        self.error: ApiError | None = None
        self.call: Call | None = None
        self.streaming = False
        self.went_out = (b"", b"")
        self.disconnected = False

    @property
    def stalled(self) -> bool:
        return self.tape.stalled

    async def drained(self) -> None:
        await self.tape.drained()

    def take_body(self) -> bytes:
        return b""

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        self.tape.begin(status, headers, stream=False)
        self.tape.end(body)

    def begin_stream(self, headers: bytes) -> None:
        self.streaming = True
        self.tape.begin(200, headers, stream=True)

    def send(self, data: bytes) -> None:
        self.tape.write(data)

    def finish(self, data: bytes) -> None:
        self.tape.end(data)

    def fail(self, error: ApiError, headers: bytes = b"") -> None:
        form = errors_of(self.route)
        body = form.body(error, self.request_id)
        if self.streaming:
            self.finish(form.event(body, *self.went_out))
        else:
            self.answer(form.status(error), refusal_lines(error) + headers, body)

    def watch_silence(self, silence_s: float, headers: Callable[[], bytes]) -> None:
        """Silence is between an exchange and its client: no comment is recorded."""


async def follow(exchange: Reply, reader: Reader, bounds: Bounds, *, stream: bool) -> None:
    """Write an answer out as it is recorded. Raises an ApiError when there is none."""
    if stream:
        exchange.watch_silence(bounds.silence_s, lambda: b"")
    await reader.begun()
    exchange.request_id = reader.request_id
    headers = reader.headers + (_REPLAYED if reader.replayed else b"")
    if not reader.stream:
        body = await reader.whole()
        if exchange.streaming:  # with a comment, while this was an error in the making
            exchange.finish(errors_of(exchange.route).event(body, b"", b""))
        else:
            exchange.answer(reader.status, headers, body)
        return
    if not exchange.streaming:
        exchange.begin_stream(headers)
    while True:
        data = await reader.next()
        if reader.over:
            exchange.finish(data)
            return
        exchange.send(data)
        if exchange.stalled:
            await exchange.drained()
