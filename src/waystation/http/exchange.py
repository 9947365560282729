"""One call at the door: a request being read, then its answer being written, on one connection.

`door.py` feeds it; `calls.py` answers it, and knows it only as a `Reply`. It stands in uvicorn's pipeline where uvicorn has its
request-response cycle, so it carries that class's few public attributes (`response_complete`, `disconnected`, `keep_alive`,
`message_event`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from waystation.errors import ApiError, ServiceUnavailable
from waystation.http.errors import OPENAI_ERRORS, ErrorForm, error_headers
from waystation.terms import Dialect

if TYPE_CHECKING:
    from waystation.gateway.call import Call
    from waystation.http.door import Door
    from waystation.http.routes import CallRoute

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
_STATUS_LINES[529] = b"HTTP/1.1 529 Overloaded\r\n"  # Anthropic's own
_ANTHROPIC = Dialect.ANTHROPIC  # an enum's member costs more to look up than all else that is asked of a route
_JSON = b"content-type: application/json\r\n"
_STREAM = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"
    b"transfer-encoding: chunked\r\n"
)
_CLOSE = b"connection: close\r\n"
# A key travels in a header that no browser adds by itself, so any page may read what its own request was answered.
_CORS = (
    b"access-control-allow-origin: *\r\naccess-control-expose-headers: "
    b"x-request-id, request-id, openai-processing-ms, retry-after, retry-after-ms, x-waystation-cost, x-waystation-deployment, "
    b"x-waystation-budget-clamped, x-waystation-served-by, x-waystation-attempts, x-waystation-model, "
    b"x-waystation-ignored, x-waystation-mapped, x-waystation-replacement, deprecation, sunset, age, idempotent-replayed, "
    b"x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, x-ratelimit-remaining-tokens, "
    b"x-ratelimit-reset-requests, x-ratelimit-reset-tokens\r\n"
)
_COMMENT = b": still working\n\n"


DRAINING_MAX = 256
"""Answers of a worker that are read to their end though their client has gone; one more is cancelled."""


class Draining:
    """Counts the calls whose client has gone and whose answer is still read, and lets in no more than `most`."""

    def __init__(self, most: int = DRAINING_MAX) -> None:
        self.most = most
        self.calls: set[Call] = set()

    def takes(self, call: Call | None) -> bool:
        """Whether a call whose client leaves goes on. `call` None: it is not even read."""
        if call is None or not call.drain or len(self.calls) >= self.most:
            return False
        self.calls.add(call)
        return True


class StreamsOpen:
    """Counts open streams: `with` lets one in, or raises ServiceUnavailable when there are too many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0

    def __enter__(self) -> None:
        if self.count >= self.most:
            raise ServiceUnavailable("The server has too many open streams. Try again.", retry_after_ms=1000)
        self.count += 1

    def __exit__(self, *exception: object) -> None:
        self.count -= 1


class Reply(Protocol):
    """What `calls.py` asks of an exchange, whatever carries it: the door's own protocol, or an ASGI server."""

    route: CallRoute | None
    fields: dict[bytes, bytes]  # the request's headers, names in lower case
    request_id: str
    started_ns: int
    error: ApiError | None  # the request was refused before it was read
    call: Call | None  # what was read of it, while it is answered
    streaming: bool
    went_out: tuple[bytes, bytes]
    """Of a stream that ended too early: its first and its last events."""
    disconnected: bool

    @property
    def client_address(self) -> str: ...
    @property
    def streams(self) -> StreamsOpen: ...
    @property
    def stalled(self) -> bool:
        """The client reads more slowly than we write: await `drained` before the next piece."""
        ...

    async def drained(self) -> None: ...
    def take_body(self) -> bytes: ...
    def answer(self, status: int, headers: bytes, body: bytes) -> None: ...
    def begin_stream(self, headers: bytes) -> None: ...
    def send(self, data: bytes) -> None: ...
    def finish(self, data: bytes) -> None: ...
    def fail(self, error: ApiError, headers: bytes = b"") -> None: ...
    def watch_silence(self, silence_s: float, headers: Callable[[], bytes]) -> None: ...


class _NoEvent:
    """uvicorn sets its cycle's event when the connection is lost; an exchange is told by `leave` instead."""

    def set(self) -> None: ...


_NO_EVENT = _NoEvent()


class Exchange:
    """A call's request and answer. Everything is written to the transport at most once, in order, and never after the end."""

    __slots__ = (
        "_chunks",
        "_head",
        "_silence",
        "body_size",
        "call",
        "disconnected",
        "door",
        "error",
        "fields",
        "keep_alive",
        "read_whole",
        "request_id",
        "response_complete",
        "route",
        "started_ns",
        "streaming",
        "task",
        "went_out",
        "wrote_at",
    )

    message_event = _NO_EVENT

    def __init__(
        self,
        door: Door,
        route: CallRoute | None,
        fields: dict[bytes, bytes],
        keep_alive: bool,
        request_id: str,
        started_ns: int,
    ) -> None:
        self.door = door
        self.route = route
        self.fields = fields
        self.keep_alive = keep_alive
        self.request_id = request_id
        self.started_ns = started_ns
        self.error: ApiError | None = None  # the door refuses it: no call is made of it
        self.went_out = (b"", b"")  # of a stream that ended too early: its first and last events
        self.call: Call | None = None
        self.read_whole = False
        self.body_size = 0
        self._chunks: list[bytes] = []
        self.task: asyncio.Task[None] | None = None
        self.streaming = False  # the head of a stream has gone out: from here on errors are events
        self.response_complete = False
        self.disconnected = False
        self._head = b""  # of a stream, until something goes out with it
        self._silence: asyncio.TimerHandle | None = None
        self.wrote_at = 0.0

    # -- the request

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.body_size += len(chunk)

    def take_body(self) -> bytes:
        """The body as it was sent, once; the pieces are let go."""
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    # -- the answer

    @property
    def client_address(self) -> str:
        return self.door.client_address

    @property
    def streams(self) -> StreamsOpen:
        return self.door.doorway.streams

    @property
    def stalled(self) -> bool:
        return self.door.flow.write_paused and not self.disconnected

    async def drained(self) -> None:
        await self.door.drained()

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        """Write a whole answer of JSON in one piece. `headers` are encoded lines."""
        if self.response_complete or self.disconnected:
            return
        head = b"%b%b%b%b%bcontent-length: %d\r\n\r\n" % (
            _STATUS_LINES[status],
            self._own_headers(),
            _JSON,
            headers,
            b"" if self.keep_alive else _CLOSE,
            len(body),
        )
        self.door.transport.write(head + body)
        self._end()

    def begin_stream(self, headers: bytes) -> None:
        """Begin a stream. Its head goes out with what is sent first, in one write."""
        self.streaming = True
        self._head = b"%b%b%b%b%b\r\n" % (
            _STATUS_LINES[200],
            self._own_headers(),
            _STREAM,
            headers,
            b"" if self.keep_alive else _CLOSE,
        )

    def _own_headers(self) -> bytes:
        """What every answer says: when, which, how long it took, and to a page of a browser, that it may look."""
        lines = b"%b%b" % (
            self.door.common_headers(),
            identity_lines(self.request_id, self.started_ns, self.route),
        )
        return lines + _CORS if b"origin" in self.fields else lines

    def send(self, data: bytes) -> None:
        """Write events of a stream. The caller awaits `drained` when the exchange is `stalled`."""
        if self.disconnected or self.response_complete:
            return
        self.door.transport.write(b"%b%x\r\n%b\r\n" % (self._take_head(), len(data), data))
        self.wrote_at = self.door.loop.time()

    def finish(self, data: bytes) -> None:
        """Write the last events of a stream and end it."""
        if self.disconnected or self.response_complete:
            return
        last = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        self.door.transport.write(self._take_head() + last)
        self._end()

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def fail(self, error: ApiError, headers: bytes = b"") -> None:
        """End with an error: a whole answer if nothing went out yet, else the stream's last event."""
        form = errors_of(self.route)
        body = form.body(error, self.request_id)
        if self.streaming:
            self.finish(form.event(body, *self.went_out))
            return
        self.answer(form.status(error), refusal_lines(error) + headers, body)

    def watch_silence(self, silence_s: float, headers: Callable[[], bytes]) -> None:
        """From now on send a comment whenever nothing was sent for `silence_s`; begins the stream if need be.

        `headers` is asked then: what is known of the call by that time.
        """
        loop = self.door.loop
        self.wrote_at = loop.time()

        def look() -> None:
            if self.response_complete or self.disconnected:
                return
            wait_s = self.wrote_at + silence_s - loop.time()
            if wait_s <= 0:
                if not self.streaming:
                    self.begin_stream(headers())
                self.send(_COMMENT)
                wait_s = silence_s
            self._silence = loop.call_later(wait_s, look)

        self._silence = loop.call_later(silence_s, look)

    def leave(self) -> None:
        """The client has gone: stop the call, which settles what it used; or let it come to its end unheard."""
        self.disconnected = True
        self._stop_timer()
        if self.task is None or self.task.done():  # a connection that closes after its last answer leaves nothing open
            return
        if not self.door.doorway.draining_calls.takes(self.call):
            self.task.cancel()

    def _stop_timer(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _end(self) -> None:
        self.response_complete = True
        self._stop_timer()
        if not self.keep_alive:
            self.door.part(abruptly=self.read_whole)
        self.door.on_response_complete()


def identity_lines(request_id: str, started_ns: int, route: CallRoute | None = None) -> bytes:
    """The headers by which an answer is known, as encoded lines: OpenAI's, and Anthropic's where that was asked."""
    lines = b"x-request-id: %b\r\nopenai-processing-ms: %d\r\nopenai-version: 2020-10-01\r\n" % (
        request_id.encode(),
        (time.monotonic_ns() - started_ns) // 1_000_000,
    )
    if route is not None and route.dialect is _ANTHROPIC:
        lines += b"request-id: %b\r\n" % request_id.encode()
    return lines


def errors_of(route: CallRoute | None) -> ErrorForm:
    """How an exchange on this route tells errors; one that can't be read has none."""
    return OPENAI_ERRORS if route is None else route.errors


def refusal_lines(error: ApiError) -> bytes:
    """The headers that go with an error, as encoded lines."""
    lines = b""
    for name, value in error_headers(error):
        lines += b"%b: %b\r\n" % (name.encode(), value.encode("latin-1", "replace"))
    return lines


def as_cycle(exchange: Exchange) -> Any:
    """The exchange in the place of uvicorn's cycle, which it need not subclass."""
    return exchange
