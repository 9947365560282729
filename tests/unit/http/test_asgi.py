"""The same calls on a plain ASGI server: uvicorn with its own protocol, no door."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.server import Server

from tests.unit.http.door_stand import BOUNDS, Line, StandingWay, chat
from waystation.gateway.call import Call
from waystation.http.asgi import AsgiCalls
from waystation.http.repeats import Answers
from waystation.terms import Done, Event, Piece, Usage


def serve(way: StandingWay, scenario: Callable[[Line], Awaitable[None]], answers: Answers | None = None) -> None:
    async def run() -> None:
        numbers = itertools.count(1)
        app = AsgiCalls(way, BOUNDS, lambda: f"req_{next(numbers):032x}", Starlette(), answers)
        config = Config(app, lifespan="off", log_config=None, access_log=False, port=0, ws="none")
        config.load()
        server = Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
        try:
            async with asyncio.timeout(10):
                await scenario(Line(reader, writer))
        finally:
            writer.close()
            server.force_exit = True
            await server.shutdown()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (chat("a"), 200, b'{"user":"a"}'),
        (chat("b", stream=True), 200, b'data: {"user":"b"}\n\ndata: [DONE]\n\n'),
    ],
)
def test_an_asgi_server_answers_calls(request_bytes: bytes, status: int, body: bytes) -> None:
    async def scenario(line: Line) -> None:
        line.send(request_bytes)
        got, headers, answer = await line.answer()
        assert (got, answer) == (status, body)
        assert headers["x-request-id"].startswith("req_")

    serve(StandingWay(), scenario)


def test_errors_have_the_same_form() -> None:
    async def scenario(line: Line) -> None:
        line.send(b"PUT /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n")
        status, _, body = await line.answer()
        assert status == 405
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}

    serve(StandingWay(), scenario)


def test_a_client_that_leaves_cancels_its_answer() -> None:
    left = asyncio.Event()

    async def endless(call: Call) -> AsyncGenerator[Event]:
        try:
            while True:
                yield Piece(b"data: {}\n\n")
                await asyncio.sleep(0.005)
        finally:
            left.set()

    async def scenario(line: Line) -> None:
        line.send(chat(stream=True))
        await line.reader.readuntil(b"{}\n\n")
        line.writer.transport.abort()
        await left.wait()

    serve(StandingWay(endless), scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_where_the_project_says_so_an_answer_is_read_to_its_end_though_the_client_has_left(stream: bool) -> None:
    began, left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def long(call: Call) -> AsyncGenerator[Event]:
        began.set()
        if stream:
            yield Piece(b"data: {}\n\n")
        await left.wait()
        if stream:
            for _ in range(100):  # more than may wait for a reader
                yield Piece(b"data: {}\n\n")
        yield Done(b"{}", Usage(1, 1))
        ended.set()

    async def scenario(line: Line) -> None:
        line.send(chat(stream=stream))
        await began.wait()
        line.writer.transport.abort()
        await asyncio.sleep(0.05)
        left.set()
        await ended.wait()

    serve(StandingWay(long, drain=True), scenario)
