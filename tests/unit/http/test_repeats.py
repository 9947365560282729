"""Calls with an Idempotency-Key at the door: one call, however often and from wherever it is asked for."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from types import TracebackType

import msgspec
import pytest

from tests.unit.http.door_stand import BOUNDS, Line, Stand, StandingWay, chat, stand
from tests.unit.http.test_asgi import serve
from waystation.errors import InvalidKey, RateLimitExceeded
from waystation.gateway.call import Call
from waystation.http.bounds import Bounds
from waystation.idempotency.service import Answers
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.terms import Caller, Done, Event, Piece, Usage

KEY = "Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324\r\n"


class Once(StandingWay):
    """Counts what reaches the provider; streams go on when they are told to."""

    def __init__(self, attempt: Callable[[Call], AsyncGenerator[Event]] | None = None) -> None:
        super().__init__(attempt or self.tell)
        self.dispatched = self.holds = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    def identify(self, call: Call) -> Caller:
        if call.authorization == b"Bearer wrong":
            raise InvalidKey("Incorrect API key provided.")
        super().identify(call)
        return Caller("key", (call.authorization or b"proj_1").decode(), "organization")

    async def __aenter__(self) -> "Once":
        self.holds += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settled += 1

    async def tell(self, call: Call) -> AsyncGenerator[Event]:
        self.dispatched += 1
        if not call.request.stream:
            await self.go_on.wait()
            yield Done(b'{"number":%d}' % self.dispatched, Usage(1, 1))
            return
        yield Piece(b"data: %d\n\n" % self.dispatched)
        await self.go_on.wait()
        for _ in range(20):
            yield Piece(b"data: more\n\n")
            await asyncio.sleep(0)
        yield Done(b"data: [DONE]\n\n", Usage(1, 1))


def once(
    folder: Path, scenario: Callable[[Stand, Once], Awaitable[None]], way: Once | None = None, bounds: Bounds = BOUNDS
) -> Once:
    """Run a scenario at a door with answers that are kept."""
    way = way or Once()
    database = Database.open(f"sqlite:///{folder / 'w.db'}")
    answers = Answers(database, 1, Clock(), 3600)

    async def whole(at: Stand) -> None:
        await scenario(at, way)
        await answers.close()

    try:
        stand(whole, way, bounds, answers=answers)
    finally:
        database.close()
    return way


@pytest.mark.parametrize("stream", [False, True])
def test_a_repeat_gets_the_first_answer_to_the_byte(tmp_path: Path, stream: bool) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        first = await at.ask(chat(stream=stream, extra=KEY))
        again = await at.ask(chat(stream=stream, extra=KEY, target="/chat/completions"))
        assert (first[0], first[2]) == (again[0], again[2])
        assert "idempotent-replayed" not in first[1]
        assert again[1]["idempotent-replayed"] == "true"
        for name in ("x-request-id", "content-type", "x-waystation-deployment"):
            assert first[1][name] == again[1][name]
        assert first[1].get("x-waystation-cost") == again[1].get("x-waystation-cost")
        await at.ask(chat(stream=stream))
        assert (way.dispatched, way.holds, way.settled) == (2, 2, 2), "without a key every call is a new one"

    once(tmp_path, scenario)


def test_the_same_body_for_another_purpose_is_no_repeat(tmp_path: Path) -> None:
    body = '{"model":"m","input":"hi"}'

    def asking(target: str) -> bytes:
        return f"POST {target} HTTP/1.1\r\nHost: x\r\n{KEY}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    async def scenario(at: Stand, way: Once) -> None:
        assert (await at.ask(asking("/v1/responses")))[0] == 200
        status, _, said = await at.ask(asking("/v1/responses/compact"))
        assert (status, json.loads(said)["error"]["code"]) == (409, "idempotency_key_reused")

    once(tmp_path, scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_in_the_middle_and_comes_back_gets_it_all(tmp_path: Path, stream: bool) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        way.go_on.clear()
        line = await at.connect()
        line.send(chat(stream=stream, extra=KEY))
        if stream:
            await line.reader.readuntil(b"data: 1\n\n")
        while not way.dispatched:
            await asyncio.sleep(0.001)
        line.writer.transport.abort()
        while at.doorway.doors:
            await asyncio.sleep(0.001)
        lines = [await at.connect() for _ in range(3)]
        for back in lines:
            back.send(chat(stream=stream, extra=KEY))
        await asyncio.sleep(0)
        way.go_on.set()
        bodies = {(await back.answer())[2] for back in lines}
        expected = b"data: 1\n\n" + b"data: more\n\n" * 20 + b"data: [DONE]\n\n" if stream else b'{"number":1}'
        assert bodies == {expected}
        assert (way.dispatched, way.holds, way.settled, way.closed) == (1, 1, 1, 0)
        assert at.doorway.streams.count == 0

    once(tmp_path, scenario)


def test_a_key_is_its_projects_and_every_repeat_shows_who_asks(tmp_path: Path) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        assert (await at.ask(chat(extra=KEY)))[2] == b'{"number":1}'
        assert (await at.ask(chat(extra=KEY + "Authorization: proj_2\r\n")))[2] == b'{"number":2}'
        assert (await at.ask(chat(extra=KEY + "Authorization: Bearer wrong\r\n")))[0] == 401

    once(tmp_path, scenario)


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "retry"),
    [
        (chat("somebody else", extra=KEY), 409, "idempotency_key_reused", "false"),
        (chat(extra="Idempotency-Key: \r\n"), 400, "invalid_idempotency_key", None),
        (chat(extra=f"Idempotency-Key: {'x' * 256}\r\n"), 400, "invalid_idempotency_key", None),
    ],
)
def test_a_wrong_use_of_the_key_is_told(
    tmp_path: Path, request_bytes: bytes, status: int, code: str, retry: str | None
) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        await at.ask(chat(extra=KEY))
        got, headers, body = await at.ask(request_bytes)
        error = json.loads(body)["error"]
        assert (got, error["code"], error["param"]) == (status, code, "Idempotency-Key")
        assert error["type"] == "invalid_request_error"
        assert headers.get("x-should-retry") == retry
        assert way.dispatched == 1

    once(tmp_path, scenario)


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_anything_was_streamed_lets_a_retry_run_anew(tmp_path: Path, stream: bool) -> None:
    async def fails_first(call: Call) -> AsyncGenerator[Event]:
        way.dispatched += 1
        if way.dispatched == 1:
            raise RateLimitExceeded("slow down", retry_after_ms=5)
        yield Done(b"data: [DONE]\n\n", Usage(1, 1))

    way = Once(fails_first)

    async def scenario(at: Stand, way: Once) -> None:
        status, headers, body = await at.ask(chat(stream=stream, extra=KEY))
        assert (status, headers["retry-after-ms"]) == (429, "5")
        assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"
        assert (await at.ask(chat(stream=stream, extra=KEY)))[0] == 200

    once(tmp_path, scenario, way)


def test_a_stream_that_broke_off_is_repeated_as_it_was(tmp_path: Path) -> None:
    async def breaks(call: Call) -> AsyncGenerator[Event]:
        way.dispatched += 1
        yield Piece(b"data: {}\n\n")
        raise RateLimitExceeded("slow down", retry_after_ms=5)

    way = Once(breaks)

    async def scenario(at: Stand, way: Once) -> None:
        first, again = [await at.ask(chat(stream=True, extra=KEY)) for _ in range(2)]
        assert first[2] == again[2]
        assert b"rate_limit_exceeded" in first[2]
        assert way.dispatched == 1

    once(tmp_path, scenario, way)


def test_a_silent_stream_gets_comments_that_are_not_kept(tmp_path: Path) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        way.go_on.clear()
        line = await at.connect()
        line.send(chat(stream=True, extra=KEY))
        await line.reader.readuntil(b": still working\n\n")
        way.go_on.set()
        await line.reader.readuntil(b"[DONE]\n\n")
        await line.close()
        assert b"still" not in (await at.ask(chat(stream=True, extra=KEY)))[2]

    once(tmp_path, scenario, bounds=msgspec.structs.replace(BOUNDS, silence_s=0.02))


def test_an_error_after_a_comment_is_an_event(tmp_path: Path) -> None:
    async def late(call: Call) -> AsyncGenerator[Event]:
        await way.go_on.wait()
        if call.request.stream:
            raise RateLimitExceeded("slow down", retry_after_ms=5)
        yield Piece(b"")

    way = Once(late)

    async def scenario(at: Stand, way: Once) -> None:
        way.go_on.clear()
        line = await at.connect()
        line.send(chat(stream=True, extra=KEY))
        await line.reader.readuntil(b": still working\n\n")
        way.go_on.set()
        event = await line.reader.readuntil(b"}\n\n")
        assert b'data: {"error"' in event
        await line.close()

    once(tmp_path, scenario, way, msgspec.structs.replace(BOUNDS, silence_s=0.02))


def test_a_server_that_drains_waits_for_calls_whose_client_has_left(tmp_path: Path) -> None:
    async def scenario(at: Stand, way: Once) -> None:
        answers = at.doorway.answers
        assert isinstance(answers, Answers)
        answers.playing = at.server.server_state.tasks
        way.go_on.clear()
        line = await at.connect()
        line.send(chat(extra=KEY))
        while not way.dispatched:
            await asyncio.sleep(0.001)
        line.writer.transport.abort()
        while at.doorway.doors:
            await asyncio.sleep(0.001)
        stopping = asyncio.create_task(at.server.shutdown())
        await asyncio.sleep(0.01)
        assert not way.settled
        way.go_on.set()
        await stopping
        assert (way.settled, way.closed) == (1, 0)

    once(tmp_path, scenario)


def test_an_asgi_server_does_the_same(tmp_path: Path) -> None:
    way = Once()
    database = Database.open(f"sqlite:///{tmp_path / 'w.db'}")
    answers = Answers(database, 1, Clock(), 3600)

    async def scenario(line: Line) -> None:
        bodies = []
        for _ in range(2):
            line.send(chat(stream=True, extra=KEY))
            bodies.append((await line.answer())[2])
        assert bodies[0] == bodies[1]
        assert way.dispatched == 1
        await answers.close()

    try:
        serve(way, scenario, answers)
    finally:
        database.close()
