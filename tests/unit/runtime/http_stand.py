"""A server that says exactly what a test tells it to, on a real socket, and a client to ask it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from waystation.runtime.http_client import HttpClient
from waystation.wire.http import Origin, Response, Timeouts

QUICK = Timeouts(connect_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=4.0)


class Line:
    """One connection, as its server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[bytes] = []

    async def request(self) -> bytes:
        """The next request: its head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        request = head + (await self.reader.readexactly(size) if size else b"")
        self.requests.append(request)
        return request

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Returns when the client has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def close(self) -> None:
        self.writer.close()


Script = Callable[[Line], Awaitable[None]]


class Server:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.lines: list[Line] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.origin = Origin("http", "", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        line = Line(reader, writer)
        self.lines.append(line)
        try:
            await self.script(line)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            line.close()
            self.tasks.discard(task)


@asynccontextmanager
async def serving(script: Script, **options: Any) -> AsyncIterator[Server]:
    """A server on a free port that plays `script` on every connection."""
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, **options)
    server.origin = Origin("http", "127.0.0.1", listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        listener.close()
        for task in list(server.tasks):
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)


async def get(http: HttpClient, server: Server, timeouts: Timeouts = QUICK, method: str = "GET") -> Response:
    return await http.request(server.origin, method, "/", (), b"", timeouts)


def whole(body: bytes, extra: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), extra, body)
