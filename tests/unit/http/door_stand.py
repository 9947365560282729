"""A door with a way of our own behind it, on a real socket: what the door's tests stand on."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.config import Config
from uvicorn.server import Server

from waystation.errors import ModelNotFound
from waystation.gateway.call import Call
from waystation.http.bounds import Bounds
from waystation.http.door import Doorway
from waystation.http.repeats import Answers
from waystation.terms import Abilities, Caller, Deployment, Done, Event, Model, Operation, Piece, Price, Usage

BOUNDS = Bounds(
    head_bytes_max=4096,
    body_bytes_max=64 * 1024,
    body_decompressed_bytes_max=256 * 1024,
    head_time_s=5.0,
    body_time_s=5.0,
    write_stall_s=5.0,
    keep_alive_s=5.0,
    connections_max=100,
    streams_max=10,
    pipelined_max=4,
    silence_s=15.0,
)
MODEL = Model(
    "m",
    Deployment("p/m", "p", "m"),
    Abilities(frozenset(Operation), 1000, 1000),
    Price("USD", 0, 0),
)


class StandingWay:
    """A way whose routing is a function of the test; `closed` counts the answers that were closed before their end."""

    def __init__(self, attempt: Callable[[Call], AsyncGenerator[Event]] | None = None, *, drain: bool = False) -> None:
        self.auth: Any = self
        self.catalogue: Any = self
        self.policy: Any = self
        self.ledger: Any = self
        self.routing: Any = self
        self.memory: Any = self
        self.calls: list[Call] = []
        self.closed = 0
        self.settled = 0
        self.drain = drain  # what the caller's project says
        self._attempt = attempt or echo

    def identify(self, call: Call) -> Caller:
        self.calls.append(call)
        return Caller("key", "project", "organization", drain=self.drain)

    def answered(
        self, call: Call, caller: Caller, answer: Callable[[Call], AsyncGenerator[Event]]
    ) -> AsyncGenerator[Event]:
        return answer(call)

    def resolve(self, call: Call, caller: Caller) -> Model:
        if call.request.model == "missing":
            raise ModelNotFound("The model `missing` does not exist.")
        return MODEL

    def admit(self, call: Call, caller: Caller, model: Model) -> Call:
        return call

    def hold(self, caller: Caller, model: Model, call: Call) -> "StandingWay":
        return self

    async def __aenter__(self) -> "StandingWay":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settled += 1

    short = False

    def meter(self, event: Event) -> Event:
        return event

    async def extend(self) -> None:
        raise AssertionError("nothing here grows beyond its hold")

    async def attempt(self, call: Call, model: Model) -> AsyncGenerator[Event]:
        try:
            async for event in self._attempt(call):
                yield event
        except (GeneratorExit, asyncio.CancelledError):
            self.closed += 1
            raise


async def echo(call: Call) -> AsyncGenerator[Event]:
    """Answers with the request's own `user`, so that a test can tell answers apart."""
    user = call.request.end_user or ""
    if call.request.stream:
        yield Piece(b"data: " + msgspec.json.encode({"user": user}) + b"\n\n")
        yield Done(b"data: [DONE]\n\n", Usage(1, 1))
    else:
        yield Done(msgspec.json.encode({"user": user}), Usage(1, 1))


def stand(
    scenario: Callable[["Stand"], Awaitable[None]],
    way: StandingWay | None = None,
    bounds: Bounds = BOUNDS,
    watch_every_s: float = 0.02,
    answers: Answers | None = None,
    others: Any = None,
) -> StandingWay:
    """Run a scenario against a door on a free port of loopback. `others`: an app for what is no call, but /page."""
    way = way or StandingWay()
    asyncio.run(at_the_door(scenario, way, bounds, watch_every_s, answers, others))
    return way


async def at_the_door(
    scenario: Callable[["Stand"], Awaitable[None]],
    way: StandingWay,
    bounds: Bounds = BOUNDS,
    watch_every_s: float = 0.02,
    answers: Answers | None = None,
    others: Any = None,
) -> None:
    """The same in a loop that runs already."""
    numbers = itertools.count(1)
    doorway = Doorway(way, bounds, lambda: f"req_{next(numbers):032x}", answers)

    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"page {(await request.body()).decode()}")

    app = others or Starlette(routes=[Route("/page", page, methods=["GET", "POST"])])
    config = Config(app, http=doorway.protocol(), lifespan="off", log_config=None, access_log=False, port=0, ws="none")
    config.timeout_graceful_shutdown = 1
    server = Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    await server.on_tick(0)  # the date header
    watching = asyncio.ensure_future(doorway.watch(watch_every_s))
    await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(20):
            await scenario(Stand(port, doorway, server))
    finally:
        watching.cancel()
        server.force_exit = True
        await server.shutdown()


class Stand:
    def __init__(self, port: int, doorway: Doorway, server: Server) -> None:
        self.port = port
        self.doorway = doorway
        self.server = server

    async def connect(self) -> "Line":
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Line(reader, writer)

    async def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        line = await self.connect()
        line.send(data)
        answer = await line.answer()
        await line.close()
        return answer


class Line:
    """One connection of a client that speaks bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), headers

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int((await self.reader.readuntil(b"\r\n"))[:-2], 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return status, headers, body

    async def closed(self) -> bool:
        """Whether the server has ended the connection (waits for it)."""
        with suppress(ConnectionResetError):
            return await self.reader.read() == b""
        return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def chat(user: str = "a", *, stream: bool = False, extra: str = "", target: str = "/v1/chat/completions") -> bytes:
    body = msgspec.json.encode(
        {"model": "m", "messages": [{"role": "user", "content": "hi"}], "user": user, "stream": stream}
    )
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
