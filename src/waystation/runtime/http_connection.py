"""One connection to a server, and the answer on its way over it. The pool and the sending are in `http_client.py`.

Written for few objects and frames: httptools calls the connection, the connection fills the answer, and whoever reads
the answer waits on a bare future, if at all.
"""

import asyncio
import math
import ssl
from typing import Protocol, cast

import httptools

from waystation.runtime.dial_faults import tls_failed
from waystation.wire.http import BadAnswer, Disconnected, HttpFault, Stage, TimedOut, Timeouts

BARREN_BYTES_MAX = 64 * 1024
"""Bytes in a row that bring no body: heads, interim answers, chunk extensions, trailers."""
BUFFER_BYTES_MAX = 256 * 1024
"""An unread answer of this size stops the sender. `next` takes all of it, so it then starts from nothing."""
DRAIN_BYTES_MAX = 16 * 1024
"""What may still come of an answer that nobody wants any more."""
DRAIN_S = 1.0
"""How long that may take."""
NEVER = math.inf
_LEFT = "the answer was closed before its end"


class Owner(Protocol):
    """The pool, as a connection sees it."""

    def give_back(self, connection: "Connection") -> None:
        """The answer is whole and the connection can carry another."""

    def forget(self, connection: "Connection") -> None:
        """The connection is closed or closing. May be called twice."""


class Answer:
    """A `Response`. It holds its connection only while more is to come, so a late `close` never hits another call."""

    __slots__ = (
        "chunks",
        "connection",
        "drained",
        "fault",
        "headers",
        "patient_until",
        "size",
        "size_max",
        "status",
        "timeouts",
        "total_at",
        "waiter",
        "whole",
    )

    def __init__(self, connection: "Connection", timeouts: Timeouts, started: float) -> None:
        self.connection: Connection | None = connection
        self.chunks: list[bytes] = []
        self.drained = False  # nobody reads on
        self.fault: HttpFault | None = None
        self.headers: dict[bytes, bytes] = {}
        self.patient_until = started + timeouts.first_byte_s  # until the first piece of the body: some send heads early
        self.size = 0  # of the chunks
        self.size_max = BUFFER_BYTES_MAX
        self.status = 0  # until the head has arrived
        self.timeouts = timeouts
        self.total_at = started + timeouts.total_s
        self.waiter: asyncio.Future[None] | None = None
        self.whole = False  # the reader wants all of it: pieces don't wake it

    async def read(self, size_bytes_max: int) -> bytes:
        self.whole = True
        self.size_max = size_bytes_max
        while self.connection is not None and self.size <= size_bytes_max:
            try:
                await self._more(self.connection)
            except BaseException:
                self.close()
                raise
        if self.fault is None and self.size > size_bytes_max:
            self.close()
            self.fault = BadAnswer(f"the answer is longer than {size_bytes_max} bytes")
        if self.fault is not None:
            raise self.fault
        return self._take()

    async def next(self) -> bytes:
        while not self.chunks:
            if self.connection is None:
                if self.fault is not None:
                    raise self.fault
                return b""
            try:
                await self._more(self.connection)
            except BaseException:
                self.close()
                raise
        self.patient_until = 0.0
        return self._take()

    def drain(self) -> None:
        connection = self.connection
        if connection is None:
            return
        if connection.paused:
            self.close()
            return
        self.chunks.clear()
        self.drained = self.whole = True
        self.size_max = self.size + DRAIN_BYTES_MAX
        connection.deadline = connection.loop.time() + DRAIN_S

    def close(self) -> None:
        if self.connection is not None and not self.drained:
            self.chunks.clear()
            self.connection.fail(Disconnected(_LEFT, before_head=False))

    def deadline(self, now: float) -> float:
        return min(max(now + self.timeouts.idle_s, self.patient_until), self.total_at)

    def wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _take(self) -> bytes:
        chunks = self.chunks
        self.chunks = []
        self.size = 0
        connection = self.connection
        if connection is not None and connection.paused:
            connection.resume()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _more(self, connection: "Connection") -> asyncio.Future[None]:
        """What to await until there is more. Not a coroutine: that would be a frame per piece."""
        loop = connection.loop
        connection.deadline = self.deadline(loop.time())
        if connection.paused:
            connection.resume()
        waiter: asyncio.Future[None] = loop.create_future()
        self.waiter = waiter
        return waiter


class Connection(asyncio.Protocol):
    """Carries one answer at a time. Any byte that nobody asked for ends it."""

    __slots__ = (
        "answer",
        "barren",
        "deadline",
        "done",
        "head_only",
        "headers",
        "keep",
        "loop",
        "owner",
        "parser",
        "paused",
        "received",
        "reused",
        "surplus",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: Answer | None = None
        self.barren = 0  # bytes since the last that belonged to a body
        self.deadline = NEVER  # by loop.time(): when whoever waits has waited long enough, or idling ends
        self.done = False
        self.head_only = False
        self.headers: dict[bytes, bytes] | None = None  # None: trailers, which nobody reads
        self.keep = False
        self.loop = loop
        self.owner = owner
        self.parser = httptools.HttpResponseParser(self)
        self.paused = False
        self.received = 0  # barren bytes if what is being parsed has no body
        self.reused = False
        self.surplus = False

    # -- by the client

    def expect(self, answer: Answer, head_only: bool) -> None:
        """A request goes out; `answer` takes what comes."""
        self.answer = answer
        self.barren = 0
        self.done = False
        self.head_only = head_only
        self.headers = answer.headers

    def resume(self) -> None:
        self.paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def fail(self, fault: HttpFault) -> None:
        """End the connection, and the answer with a fault."""
        answer = self.answer
        if answer is not None:
            self.answer = None
            answer.connection = None
            answer.fault = fault
            answer.wake()
        self.drop()

    def drop(self) -> None:
        self.owner.forget(self)
        self.deadline = NEVER
        self.transport.abort()

    def expire(self, now: float) -> None:
        """The deadline is past: of an idle connection, of a wait, or of a wait that is over, which means nothing."""
        answer = self.answer
        if answer is None:
            self.drop()
        elif answer.drained:
            self.fail(Disconnected(_LEFT, before_head=False))
        elif answer.waiter is None:
            self.deadline = NEVER
        else:
            stage: Stage = "idle"
            seconds = answer.timeouts.idle_s
            if now >= answer.total_at:
                stage, seconds = "total", answer.timeouts.total_s
            elif answer.patient_until:
                stage, seconds = "first_byte", answer.timeouts.first_byte_s
            self.fail(TimedOut(stage, seconds))

    # -- by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None:
            self.drop()  # unsolicited: whoever came next would take it for its answer
            return
        size = answer.size
        self.received = received = self.barren + len(data)
        fault = None
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            fault = error
        if self.done:
            self._finish(answer, fault is None and self.keep and not self.surplus)
        elif fault is not None:
            cause = fault.__context__ if isinstance(fault.__context__, HttpFault) else None
            self.fail(cause or BadAnswer(f"not HTTP: {fault}"))
        elif answer.size == size:
            self.barren = received
            if received > BARREN_BYTES_MAX:
                self.fail(BadAnswer(f"more than {BARREN_BYTES_MAX} bytes of head"))
        else:
            self.barren = 0
            if answer.drained:
                if answer.size > answer.size_max:
                    self.fail(Disconnected(_LEFT, before_head=False))
            elif answer.size > answer.size_max:
                if not answer.whole:
                    self.paused = True
                    self.transport.pause_reading()
                answer.wake()
            elif answer.whole:
                answer.patient_until = 0.0
                self.deadline = answer.deadline(self.loop.time())
            else:
                answer.wake()

    def eof_received(self) -> None:
        self._ended(None)
        self.drop()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended(error)
        self.owner.forget(self)

    def _ended(self, error: Exception | None) -> None:
        answer = self.answer
        if answer is None:
            return
        if answer.status and error is None and _until_close(answer.headers):
            self._finish(answer, False)
            return
        nothing_came = not answer.status and not self.barren
        if nothing_came and not self.reused and isinstance(error, ssl.SSLError):
            # In TLS 1.3 a server judges our certificate after we have begun to speak: it has read nothing of that.
            self.fail(tls_failed(error, "the server"))
            return
        self.fail(Disconnected(f"the server closed the connection: {error or 'end'}", before_head=nothing_came))

    def _finish(self, answer: Answer, keep: bool) -> None:
        self.answer = None
        answer.connection = None
        transport = self.transport
        # An answer that came before the request was sent whole: the rest must not run into the next request.
        if keep and not transport.is_closing() and not transport.get_write_buffer_size():
            self.owner.give_back(self)
        else:
            self.drop()
        answer.wake()

    # -- by the parser

    def on_message_begin(self) -> None:
        if self.done:
            self.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self.headers
        if headers is not None:
            name = name.lower()
            headers[name] = headers[name] + b", " + value if name in headers else value

    def on_headers_complete(self) -> None:
        answer = self.answer
        headers = self.headers
        if self.done or answer is None or headers is None:
            return
        status = self.parser.get_status_code()
        if self.received > BARREN_BYTES_MAX and sum(map(len, (*headers, *headers.values()))) > BARREN_BYTES_MAX:
            raise BadAnswer(f"more than {BARREN_BYTES_MAX} bytes of head")
        if status < 200:
            headers.clear()  # 100, 103: the answer itself is to come
            return
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise BadAnswer("an unknown transfer-encoding")
        answer.status = status
        self.headers = None
        self.keep = self.parser.should_keep_alive()
        if self.head_only:
            self.done, self.keep = True, False  # llhttp can't be told that no body follows
        answer.wake()

    def on_body(self, body: bytes) -> None:
        answer = self.answer
        if answer is not None and not self.done:
            answer.chunks.append(body)
            answer.size += len(body)

    def on_message_complete(self) -> None:
        if self.headers is None:
            self.done = True


def _until_close(headers: dict[bytes, bytes]) -> bool:
    """An answer without a length ends where the connection ends (RFC 9112, 6.3)."""
    return b"content-length" not in headers and b"transfer-encoding" not in headers
