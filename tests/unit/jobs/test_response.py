"""Responses in the background, on a real database: how each of them ends, whatever comes between."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
import pytest

from waystation.errors import ApiError, InvalidKey, RateLimitExceeded, UpstreamFailed
from waystation.gateway.call import Call
from waystation.jobs import store
from waystation.jobs.response import WAITS_MAX_S, AnswerResponse
from waystation.jobs.worker import Jobs
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.storage.responses import events
from waystation.storage.responses.background import Background
from waystation.storage.responses.model import Row
from waystation.storage.responses.service import Responses
from waystation.storage.vault import Vault
from waystation.terms import Caller, Dialect, Done, Event, Operation, Piece, Secret, Usage
from waystation.testing.clock import FakeClock
from waystation.wire.responses import read_response

CALLER = Caller("key_1", "proj_1", "org_1")


def in_a_loop(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(story)
    def run(**fixtures: Any) -> None:
        asyncio.run(story(**fixtures))

    return run


def sse(kind: str, **members: Any) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode({"type": kind, "sequence_number": 0, **members})


class Stand:
    """A gateway's side and a jobs process's, with a model that does as it is told."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, FakeClock()
        vault = Vault(Secret("a key of enough characters"))
        self.responses = Responses(self.clock, Ids().new, vault, None)
        self.background = Background(database, self.clock, Ids().new, vault, self.responses, self.admit)
        kind = AnswerResponse(self.clock, vault, self.responses, self.caller_of, self.call_of, self.answer)
        self.jobs = Jobs(database, self.clock, "1", {events.JOB: kind}, 8)
        self.fails: ApiError | None = None
        self.refused: ApiError | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.asked = 0
        self.closed = 0

    async def admit(self, call: Call, caller: Caller) -> None:
        return

    async def caller_of(self, _key_id: str) -> Caller:
        if self.refused is not None:
            raise self.refused
        return CALLER

    def call_of(self, payload: Any, response_id: str, _caller: Caller) -> Call:
        return self.call(bytes(payload.body), response_id)

    def call(self, body: bytes, response_id: str) -> Call:
        call = Call(Operation.CHAT, "req_1", body, read_response(body), None, {}, "", 0, Dialect.RESPONSES)
        call.answer_id = response_id
        return call

    async def answer(self, call: Call) -> AsyncGenerator[Event]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        response = {"id": call.answer_id, "status": "in_progress", "output": []}
        try:
            yield Piece(sse("response.created", response=response) + sse("response.in_progress", response=response))
            yield Piece(sse("response.output_text.delta", delta="Hi"))
            await self.go.wait()
            yield Done(sse("response.completed", response={**response, "status": "completed"}), Usage())
        finally:
            self.closed += 1

    async def ask(self, response_id: str = "resp_1") -> AsyncGenerator[Event]:
        body = msgspec.json.encode({"model": "m", "input": "hi", "background": True, "stream": True})
        row = Row(
            id=response_id,
            project_id=CALLER.project_id,
            key_id=CALLER.key_id,
            model="m",
            status="queued",
            background=True,
            stream=True,
            input=b"[]",
            body=b"{}",
            created_at=self.clock.now_s(),
            expires_at=self.clock.now_s() + 86_400,
        )
        stream = self.background.answered(
            self.call(body, response_id),
            CALLER,
            {"object": "response", "output": []},
            lambda connection, queued: self.responses.insert(connection, msgspec.structs.replace(row, body=queued), []),
        )
        await anext(stream)
        return stream

    async def step(self) -> None:
        self.clock.advance(1)
        await self.jobs.step()

    async def idle(self) -> None:
        async with asyncio.timeout(5):
            while self.jobs._running or self.jobs._leaving:
                await asyncio.sleep(0.001)

    async def body(self, response_id: str = "resp_1") -> dict[str, Any]:
        row = await self.database.read(lambda c: self.responses.retrieve(c, CALLER.project_id, response_id))
        body: dict[str, Any] = msgspec.json.decode(row.body)
        assert body["status"] == row.status
        return body

    async def kinds(self, response_id: str = "resp_1") -> list[str]:
        found = b"".join([data async for data in self.background.follow(response_id, -1)])
        told = [msgspec.json.decode(line[6:]) for line in found.splitlines() if line.startswith(b"data: ")]
        assert [each["sequence_number"] for each in told] == list(range(len(told)))
        return [each["type"].removeprefix("response.") for each in told]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@in_a_loop
async def test_it_is_answered_and_its_events_are_all_there(database: Database) -> None:
    stand = Stand(database)
    await (await stand.ask()).aclose()  # the client has left
    await stand.step()
    await stand.idle()
    assert (await stand.body())["status"] == "completed"
    assert await stand.kinds() == ["created", "queued", "in_progress", "output_text.delta", "completed"]


@pytest.mark.parametrize("stops", ["killed", "drained"])
@in_a_loop
async def test_one_that_was_begun_with_ends_as_failed_and_is_not_asked_for_again(
    database: Database, stops: str
) -> None:
    stand = Stand(database)
    stand.go.clear()
    await stand.ask()
    await stand.step()
    async with asyncio.timeout(5):
        while not stand.asked:
            await asyncio.sleep(0.001)
    if stops == "drained":
        await stand.jobs.drain(0)
    else:
        await database.write(lambda connection: store.release(connection, "1"))
        heir = Stand(database)
        heir.clock = stand.clock
        heir.jobs._worker = "2"
        await heir.jobs.step()
        await heir.idle()
        assert heir.asked == 0
        await stand.step()  # it finds that it has lost it
        await stand.idle()
    body = await stand.body()
    assert (body["status"], body["error"]["code"]) == ("failed", "server_error")
    assert "interrupted" in body["error"]["message"]
    assert (await stand.kinds())[-1] == "failed"
    assert (stand.asked, stand.closed) == (1, 1)


@in_a_loop
async def test_what_only_waits_for_room_waits_again_but_not_for_ever(database: Database) -> None:
    stand = Stand(database)
    stand.fails = RateLimitExceeded("Too many requests are waiting for this model.", retry_after_ms=1_000)
    await stand.ask()
    for _ in range(10):
        await stand.step()
        await stand.idle()
        assert (await stand.body())["status"] == "queued"
    stand.clock.advance(WAITS_MAX_S)
    await stand.step()
    await stand.idle()
    assert (await stand.body())["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("refused", "fails", "code"),
    [
        (InvalidKey("This API key has been revoked: key_1."), None, "server_error"),
        (None, UpstreamFailed("The provider broke off."), "server_error"),
    ],
    ids=["revoked", "upstream"],
)
@in_a_loop
async def test_what_goes_wrong_is_said_in_the_response(
    database: Database, refused: ApiError | None, fails: ApiError | None, code: str
) -> None:
    stand = Stand(database)
    stand.refused, stand.fails = refused, fails
    await stand.ask()
    await stand.step()
    await stand.idle()
    error = refused or fails
    assert error is not None
    assert (await stand.body())["error"] == {"code": code, "message": error.message}
    assert (await stand.kinds())[-1] == "failed"


@in_a_loop
async def test_cancelled_from_outside_its_call_is_closed_and_stays_cancelled(database: Database) -> None:
    stand = Stand(database)
    stand.go.clear()
    await stand.ask()
    await stand.step()
    async with asyncio.timeout(5):
        while not stand.asked:
            await asyncio.sleep(0.001)
    for _ in range(2):
        await database.write(lambda c: stand.background.cancel(c, CALLER.project_id, "resp_1"))
    await stand.step()
    await stand.idle()
    assert stand.closed == 1
    assert (await stand.body())["status"] == "cancelled"
    assert "completed" not in await stand.kinds()


@in_a_loop
async def test_deleted_while_it_runs_it_leaves_nothing(database: Database) -> None:
    stand = Stand(database)
    stand.go.clear()
    stream = await stand.ask()
    await stand.step()
    async with asyncio.timeout(5):
        while not stand.asked:
            await asyncio.sleep(0.001)
    await database.write(lambda c: stand.responses.delete(c, CALLER.project_id, "resp_1"))
    await stand.step()
    await stand.idle()
    assert stand.closed == 1
    async with asyncio.timeout(5):
        async for _ in stream:  # who follows it comes to an end
            pass
    assert await database.read(store.counts) == (0, 0)
