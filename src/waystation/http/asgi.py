"""Calls on any ASGI server: the same way as the door's, only slower. Tests and embedding programs use it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from waystation.errors import ApiError, MethodNotAllowed, RequestTooLarge
from waystation.gateway.answer import Way
from waystation.gateway.call import Call
from waystation.http.bounds import Bounds
from waystation.http.calls import serve_call
from waystation.http.exchange import Draining, StreamsOpen, errors_of, identity_lines, refusal_lines
from waystation.http.repeats import Answers
from waystation.http.routes import CALL_ROUTES, CallRoute

_WAITING_MAX = 16  # messages that the server has not taken yet; past it the answer waits
_COMMENT = b": still working\n\n"
_STREAM = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


class AsgiCalls:
    """An ASGI app that answers the calls itself and leaves every other URL to `others`."""

    def __init__(
        self,
        way: Way,
        bounds: Bounds,
        new_request_id: Callable[[], str],
        others: Any,
        answers: Answers | None = None,
    ) -> None:
        self._way = way
        self._answers = answers
        self._bounds = bounds
        self._new_request_id = new_request_id
        self._others = others
        self._streams = StreamsOpen(bounds.streams_max)
        self._draining = Draining()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = CALL_ROUTES.get(scope["path"].encode()) if scope["type"] == "http" else None
        if route is None or scope["method"] in ("OPTIONS", "HEAD", "GET"):
            await self._others(scope, receive, send)
            return
        exchange = AsgiExchange(scope, route, self._new_request_id(), self._streams)
        if scope["method"] != "POST":
            exchange.error = MethodNotAllowed(f"Not allowed to {scope['method']} on {scope['path']}. Only POST is.")
        elif not await exchange.read(receive, self._bounds.body_bytes_max):
            return
        work = asyncio.create_task(serve_call(exchange, self._way, self._bounds, self._answers))
        leaving = asyncio.create_task(exchange.wait_for_leave(receive))
        try:
            await exchange.pump(send, work)
            if exchange.disconnected and self._draining.takes(exchange.call):
                await asyncio.wait({work})
        finally:
            leaving.cancel()
            work.cancel()
            await asyncio.gather(leaving, work, return_exceptions=True)
            if exchange.call is not None:
                self._draining.calls.discard(exchange.call)


class AsgiExchange:
    """A Reply whose messages wait in a short queue until the server has taken them."""

    def __init__(self, scope: Scope, route: CallRoute, request_id: str, streams: StreamsOpen) -> None:
        self.route: CallRoute | None = route
        self.fields: dict[bytes, bytes] = dict(scope["headers"])
        self.client_address: str = (scope.get("client") or ("",))[0]
        self.streams = streams
        self.request_id = request_id
        self.started_ns = time.monotonic_ns()
        self.error: ApiError | None = None
        self.call: Call | None = None
        self.streaming = False
        self.went_out = (b"", b"")
        self.disconnected = False
        self._chunks: list[bytes] = []
        self._messages: deque[dict[str, Any]] = deque()
        self._moved = asyncio.Event()
        self._ended = False
        self._silence: asyncio.TimerHandle | None = None
        self._wrote_at = 0.0

    async def read(self, receive: Receive, size_bytes_max: int) -> bool:
        """Take the request's body; False when the client left before it was whole."""
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > size_bytes_max:
                self.error = RequestTooLarge(f"The request body is larger than {size_bytes_max} bytes.")
                return True
            self._chunks.append(chunk)
            if not message.get("more_body"):
                return True

    async def pump(self, send: Send, work: "asyncio.Task[None]") -> None:
        """Hand the messages to the server as it takes them."""
        work.add_done_callback(lambda _: self._moved.set())
        while not (self._ended and not self._messages):
            while self._messages:
                await send(self._messages.popleft())
                self._moved.set()
            if self._ended or self.disconnected or work.done():
                return
            self._moved.clear()
            await self._moved.wait()

    async def wait_for_leave(self, receive: Receive) -> None:
        """Find out when the client leaves: then nothing more is put, and the pump stops."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected = True
        self._messages.clear()
        self._moved.set()

    # -- as a Reply

    @property
    def stalled(self) -> bool:
        return len(self._messages) >= _WAITING_MAX

    async def drained(self) -> None:
        while self.stalled:
            self._moved.clear()
            await self._moved.wait()

    def take_body(self) -> bytes:
        return b"".join(self._chunks)

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        if not self._ended:
            length = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
            self._start(status, length + headers)
            self._put(body, more=False)

    def begin_stream(self, headers: bytes) -> None:
        self.streaming = True
        self._start(200, _STREAM + headers)

    def send(self, data: bytes) -> None:
        if not self._ended:
            self._put(data, more=True)

    def finish(self, data: bytes) -> None:
        if not self._ended:
            self._put(data, more=False)

    def fail(self, error: ApiError, headers: bytes = b"") -> None:
        form = errors_of(self.route)
        body = form.body(error, self.request_id)
        if self.streaming:
            self.finish(form.event(body, *self.went_out))
        else:
            self.answer(form.status(error), refusal_lines(error) + headers, body)

    def watch_silence(self, silence_s: float, headers: Callable[[], bytes]) -> None:
        loop = asyncio.get_running_loop()
        self._wrote_at = loop.time()

        def look() -> None:
            if self._ended or self.disconnected:
                return
            if loop.time() - self._wrote_at >= silence_s:
                if not self.streaming:
                    self.begin_stream(headers())
                self.send(_COMMENT)
            self._silence = loop.call_later(silence_s, look)

        self._silence = loop.call_later(silence_s, look)

    def _start(self, status: int, lines: bytes) -> None:
        lines += identity_lines(self.request_id, self.started_ns, self.route)
        pairs = [tuple(line.split(b": ", 1)) for line in lines.split(b"\r\n") if line]
        self._messages.append({"type": "http.response.start", "status": status, "headers": pairs})
        self._moved.set()

    def _put(self, data: bytes, *, more: bool) -> None:
        if not self.disconnected:
            self._messages.append({"type": "http.response.body", "body": data, "more_body": more})
        self._wrote_at = asyncio.get_running_loop().time()
        if not more:
            self._ended = True
            if self._silence is not None:
                self._silence.cancel()
        self._moved.set()
