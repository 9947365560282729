"""The door: an HTTP/1.1 protocol that takes the API's calls itself and leaves every other URL to uvicorn and its ASGI app.

It is uvicorn's httptools protocol with the parser's callbacks replaced: a call never becomes an ASGI scope. That class is not
public API, so uvicorn is pinned to a minor version and `tests/unit/http/test_door.py` walks each seam. What is ours here:
strict parsing (no lenient flags), bounds in size and time, calls, errors in OpenAI's form, and answers in the order of the
requests of a pipeline, calls and other URLs mixed.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from waystation.errors import (
    ApiError,
    HeadTooLarge,
    InvalidRequest,
    MethodNotAllowed,
    RequestTimeout,
    RequestTooLarge,
    TooManyConnections,
)
from waystation.gateway.answer import Way
from waystation.http.bounds import Bounds
from waystation.http.calls import serve_call
from waystation.http.exchange import Draining, Exchange, StreamsOpen, as_cycle
from waystation.http.presented import Presented, shown_key
from waystation.http.repeats import Answers
from waystation.http.routes import CALL_ROUTES

_NOTHING: dict[bytes, bytes] = {}
_READ_UNKNOWN_BYTES_MAX = 64 * 1024  # of a body before anybody has looked at the key
_RENEWED_BYTES = (
    1024 * 1024
)  # of a body that is no call's: each gets the whole time, so that a large file may take longer
_LINGER_S = 2.0  # how long a refused client may go on sending before the connection is cut


class Doorway:
    """What all connections of a worker share: the way, the bounds, the counters and the clock that looks for the late."""

    def __init__(
        self, way: Way, bounds: Bounds, new_request_id: Callable[[], str], answers: Answers | None = None
    ) -> None:
        self.way = way
        self.answers = answers
        self.bounds = bounds
        self.new_request_id = new_request_id
        self.doors: set[Door] = set()
        self.streams = StreamsOpen(bounds.streams_max)
        self.draining_calls = Draining()
        self.calls_total = 0
        self.draining = False
        self.now = 0.0  # loop time, as exact as deadlines need it: set by each look of `watch`
        self._headers_of: list[tuple[bytes, bytes]] | None = None
        self._headers = b""

    def protocol(self) -> Any:
        """What uvicorn calls for each connection. It is typed as a protocol class there; a function does as well."""

        def make(
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> Door:
            return Door(self, config, server_state, app_state, _loop)

        return make

    def common_headers(self, server_state: ServerState) -> bytes:
        """uvicorn's default headers (the date, once a second) as encoded lines."""
        headers = server_state.default_headers
        if headers is not self._headers_of:
            self._headers_of = headers
            self._headers = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._headers

    async def watch(self, every_s: float = 1.0) -> None:
        """Once a second: end what is late. One look over all connections costs less than a timer for each request."""
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        while True:
            await asyncio.sleep(every_s)
            self.now = now = loop.time()
            for door in list(self.doors):
                if door.deadline <= now:
                    door.too_late()


class Door(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        doorway: Doorway,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.doorway = doorway
        self.bounds = doorway.bounds
        self.client_address = ""
        self.deadline = float("inf")  # loop time by which what we wait for must have come
        self._fields: dict[bytes, bytes] = {}
        self._in_head = True
        self._head_size = 0
        self._body_size = 0  # of a request that is no call, since its time was renewed
        self._declined: bytes | None = None  # a head that offered another protocol, without the offer
        self._refused = False  # a request could not be parsed: nothing that follows it is read
        # The parser calls this once a header: a method of dict is the one callback that costs no Python frame.
        self.on_header = self._fields.__setitem__  # type: ignore[method-assign,assignment]
        self.parser = httptools.HttpRequestParser(self)  # uvicorn's has a lenient flag set; this one is strict

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client_address = self.client[0] if self.client else ""
        self.doorway.doors.add(self)
        self.deadline = self.doorway.now + self.bounds.head_time_s
        if len(self.doorway.doors) > self.bounds.connections_max:
            self._refuse(
                TooManyConnections("The server has too many open connections. Try again.", retry_after_ms=1000)
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self.doorway.doors.discard(self)
        cycle: Any = self.cycle
        pipeline = [pair[0] for pair in self.pipeline]
        super().connection_lost(exc)
        self.pipeline.clear()
        for waiting in (cycle, *pipeline):
            if isinstance(waiting, Exchange):
                waiting.leave()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._in_head:
            if self._head_size == 0:
                self.deadline = self.doorway.now + self.bounds.head_time_s
            self._head_size += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(_cause(error))
        else:
            if self._in_head and self._head_size > self.bounds.head_bytes_max:
                self._refuse(HeadTooLarge(f"The request's head is larger than {self.bounds.head_bytes_max} bytes."))

    def too_late(self) -> None:
        """The deadline has passed: an idle connection is closed, a half-sent request is told so, a stuck reader dropped."""
        cycle: Any = self.cycle
        if self.flow.read_paused and not self._in_head and type(cycle) is not Exchange and not cycle.response_complete:
            # It is we who don't read, because the store of files is slow: the client is not late.
            self.deadline = self.doorway.now + self.bounds.body_time_s
            return
        self.deadline = float("inf")
        if self.flow.write_paused or self._refused:
            self.transport.abort()
        elif self._head_size == 0 and self._in_head:
            self.transport.close()
        else:
            self._refuse(RequestTimeout("The request did not arrive in time. Send it again."))

    def part(self, *, abruptly: bool) -> None:
        """Close after an answer. A client that is still sending is given time to read it: a close with unread bytes is a reset."""
        self._refused = True
        if abruptly or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.deadline = self.loop.time() + _LINGER_S

    def shutdown(self) -> None:
        """The server drains: what is being answered is finished, then the connection closes."""
        self.doorway.draining = True
        for waiting, _ in self.pipeline:
            waiting.keep_alive = False
        super().shutdown()

    # -- the parser's callbacks, in the order of a request

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._body_size = 0
        if self._head_size > self.bounds.head_bytes_max and self._head_is_too_large():
            raise HeadTooLarge(f"The request's head is larger than {self.bounds.head_bytes_max} bytes.")
        fields = {name.lower(): value for name, value in self._fields.items()}
        self._fields.clear()
        self.deadline = self.doorway.now + self.bounds.body_time_s
        if self.parser.should_upgrade() and not self._is_websocket(fields):
            self._declined = self._head_without_offer(fields)
            return
        target = self.url
        if not target.startswith(b"/"):  # RFC 9112 3.2.2: a server takes the absolute form too, as proxies are sent it
            target = _path_of(target)
        if b"?" in target:
            target = target.partition(b"?")[0]
        route = CALL_ROUTES.get(target)
        if route is None:
            self._leave_to_asgi(fields)
            return
        exchange = Exchange(
            self,
            route,
            fields,
            self.parser.should_keep_alive() and not self.doorway.draining,
            self.doorway.new_request_id(),
            time.monotonic_ns(),
        )
        method = self.parser.get_method()
        if method != b"POST":
            if method in (b"OPTIONS", b"HEAD", b"GET"):  # some URLs of calls have lists of what was answered
                self._leave_to_asgi(fields)
                return
            exchange.error = MethodNotAllowed(
                f"Not allowed to {method.decode()} on {target.decode('latin-1')}. Only POST is.",
                headers=(("allow", "POST, OPTIONS"),),
            )
        length = fields.get(b"content-length")
        if length is not None and int(length) > self.bounds.body_bytes_max:
            exchange.error = self._too_large()
            exchange.keep_alive = False
        elif length is None or int(length) > _READ_UNKNOWN_BYTES_MAX or b"content-encoding" in fields:
            self._ask_who_sends(exchange)
        if fields.get(b"expect", b"").lower() == b"100-continue" and exchange.error is None:
            self._tell_to_continue()
        self._queue(exchange)

    def _ask_who_sends(self, exchange: Exchange) -> None:
        """A body that is large, or may be once unpacked, is read from those only who have a key: that costs."""
        try:
            self.doorway.way.auth.identify(Presented(shown_key(exchange.fields)))
        except ApiError as refusal:
            exchange.error = refusal
            exchange.keep_alive = False

    def _tell_to_continue(self) -> None:
        # Not while earlier answers are due: they come first, and a client that waits for this sends no request ahead.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _head_is_too_large(self) -> bool:
        # What was received by the end of the head may hold some of the body too: only now its own size can be told.
        size = len(self.url) + sum(len(name) + len(value) for name, value in self._fields.items())
        return size > self.bounds.head_bytes_max

    def on_body(self, body: bytes) -> None:
        cycle: Any = self.cycle
        if type(cycle) is not Exchange:
            super().on_body(body)
            self._body_size += len(body)
            if self._body_size >= _RENEWED_BYTES and not cycle.response_complete:
                self._body_size = 0
                self.deadline = self.doorway.now + self.bounds.body_time_s
        elif not cycle.response_complete and cycle.error is None:
            cycle.feed(body)
            if cycle.body_size > self.bounds.body_bytes_max:
                cycle.error = self._too_large()
                cycle.keep_alive = False
                cycle.take_body()
                self._start_asgi_task(as_cycle(cycle), None)

    def on_message_complete(self) -> None:
        if self._declined is not None:
            return
        self._in_head = True
        self._head_size = 0
        self.deadline = float("inf")
        cycle: Any = self.cycle
        if type(cycle) is not Exchange:
            super().on_message_complete()
            return
        cycle.read_whole = True
        if not self.pipeline or self.pipeline[0][0] is not cycle:  # nobody is before it
            self._start(cycle)

    # -- the pipeline: answers leave in the order of their requests

    def _queue(self, exchange: Exchange) -> None:
        before: Any = self.cycle
        self.cycle = as_cycle(exchange)
        if before is None or before.response_complete:
            if exchange.error is not None:
                self._start(exchange)
        else:
            self.pipeline.appendleft((as_cycle(exchange), None))  # type: ignore[arg-type]
            if len(self.pipeline) >= self.bounds.pipelined_max:
                self.flow.pause_reading()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """uvicorn calls this for the request whose turn it is."""
        if type(cycle) is Exchange:
            if cycle.read_whole or cycle.error is not None:
                self._start(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _start(self, exchange: Exchange) -> None:
        if exchange.task is not None or exchange.response_complete:
            return
        if exchange.error is not None:
            # Nothing to await: the refusal is written at once. What the client still sends of the body is not kept.
            exchange.fail(exchange.error)
            return
        doorway = self.doorway
        doorway.calls_total += 1
        exchange.task = task = self.loop.create_task(self._serve(exchange))
        self.tasks.add(task)

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await serve_call(exchange, self.doorway.way, self.bounds, self.doorway.answers)
        finally:  # not by a callback of the task: that would be one more turn of the loop for each call
            self.tasks.discard(exchange.task)
            if exchange.disconnected and exchange.call is not None:
                self.doorway.draining_calls.calls.discard(exchange.call)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            if len(self.pipeline) < self.bounds.pipelined_max:
                self.flow.resume_reading()
            self._start_asgi_task(cycle, app)
        else:
            self.flow.resume_reading()
            if self._in_head and self._head_size == 0:
                self.deadline = self.doorway.now + self.bounds.keep_alive_s

    def _refuse(self, error: ApiError) -> None:
        """Answer what can't be read, in its turn, and close: where one request ends and the next begins is not known."""
        self._refused = True
        self.deadline = self.loop.time() + self.bounds.write_stall_s
        current: Any = self.cycle
        if (
            type(current) is Exchange
            and not current.read_whole
            and not current.response_complete
            and current.task is None
        ):
            current.error, current.keep_alive = error, False
            if not self.pipeline or self.pipeline[0][0] is not current:
                self._start(current)
            return
        if (
            current is not None
            and not current.response_complete
            and type(current) is not Exchange
            and current.more_body
        ):
            self.transport.close()  # an ASGI request broken in its body: its app sees the disconnect
            return
        exchange = Exchange(self, None, _NOTHING, False, self.doorway.new_request_id(), time.monotonic_ns())
        exchange.error = error
        self._queue(exchange)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"The request body is larger than {self.bounds.body_bytes_max} bytes. Send less, or raise server.body_bytes_max."
        )

    # -- what is not a call

    def _leave_to_asgi(self, fields: dict[bytes, bytes]) -> None:
        self.headers = list(fields.items())
        self.expect_100_continue = fields.get(b"expect", b"").lower() == b"100-continue"
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "root_path": self.root_path,
            "headers": self.headers,
            "state": self.app_state.copy(),
        }  # type: ignore[typeddict-item]
        super().on_headers_complete()

    def _upgrade(self, rest: bytes) -> None:
        """The parser has stopped at the end of a head that offers another protocol."""
        if self._declined is None:
            self.handle_websocket_upgrade()
            return
        # Somebody offers h2c: RFC 9110 7.8 lets us go on in HTTP/1.1, but the parser takes the body for the new protocol's.
        # So it reads the same head again, without the offer.
        head, self._declined = self._declined, None
        self._in_head, self._head_size = True, 0
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    def _is_websocket(self, fields: dict[bytes, bytes]) -> bool:
        return fields.get(b"upgrade", b"").lower() == b"websocket" and self._should_upgrade_to_ws()

    def _head_without_offer(self, fields: dict[bytes, bytes]) -> bytes:
        kept = [
            b"%b: %b\r\n" % pair
            for pair in fields.items()
            if pair[0] not in (b"upgrade", b"connection", b"http2-settings")
        ]
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (self.parser.get_method(), self.url, b"".join(kept))

    # -- for the exchanges

    def common_headers(self) -> bytes:
        return self.doorway.common_headers(self.server_state)

    async def drained(self) -> None:
        """Wait until the client has read enough for more to be written."""
        self.deadline = self.loop.time() + self.bounds.write_stall_s
        await self.flow.drain()
        self.deadline = float("inf")


def _path_of(target: bytes) -> bytes:
    """The path of a target in absolute form, with its query; the target itself when it is none (`*`, CONNECT's authority)."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return target
    return b"/" + rest.partition(b"/")[2]


def _cause(error: httptools.HttpParserError) -> ApiError:
    """What to tell of a parser's error: our own refusal raised in a callback, or that this is no HTTP."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ApiError):
            return seen
        seen = seen.__context__
    return InvalidRequest("The request is not valid HTTP/1.1.", detail=str(error))
