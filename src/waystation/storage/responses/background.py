"""Responses in the background: taken at once, answered by a job, followed from the rows that it writes, cancelled from anywhere."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from waystation.errors import InvalidRequest, RateLimitExceeded, ServiceUnavailable
from waystation.gateway.call import Call
from waystation.storage.responses import events
from waystation.storage.responses.events import JOB, RUNNING, Object, Recorder
from waystation.storage.vault import Vault
from waystation.tables import jobs
from waystation.terms import Caller, Done, Event, Piece, Usage

T = TypeVar("T")

WAITING_MAX = 1_000  # responses of one project that nobody has begun with
FOLLOWERS_MAX = 500  # streams that this process reads from rows at once
FOLLOW_EVERY_S = 0.05
DAY_S = 86_400

_FULL = "Too many responses of this project wait in the background."
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Database(Protocol):
    async def read(self, fn: Callable[[Connection], T]) -> T: ...
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...


class Clock(Protocol):
    def now_s(self) -> int: ...


class Kept(Protocol):
    """What is known of a response that is kept (`model.py:Row`)."""

    @property
    def status(self) -> str: ...
    @property
    def background(self) -> bool: ...
    @property
    def stream(self) -> bool: ...
    @property
    def body(self) -> bytes: ...


class Responses(Protocol):
    """The rows of responses (`service.py`)."""

    def retrieve(self, connection: Connection, project_id: str, response_id: str) -> Kept:
        """Raises NotFound."""

    def finish(self, connection: Connection, project_id: str, response_id: str, status: str, body: bytes) -> bool: ...


class Payload(msgspec.Struct, frozen=True):
    """What the job of a response carries."""

    request_id: str
    body: msgspec.Raw  # as the caller sent it, but asked for as a stream, and not in the background


class Background:
    """`admit`: raises what is wrong with a call as far as that can be known before it is made."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        new_id: Callable[[str], str],
        vault: Vault,
        responses: Responses,
        admit: Callable[[Call, Caller], Awaitable[object]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._responses = responses
        self._admit = admit
        self._followers = 0

    async def answered(
        self, call: Call, caller: Caller, queued: Object, keep: Callable[[Connection, bytes], object]
    ) -> AsyncGenerator[Event]:
        """Have a call answered by a job: its queued response, or its events as they come.

        What it refers to has been checked and `call.answer_id` is set. `queued`: the response as it is answered now;
        `keep(connection, body)` makes its row with that body. Raises InvalidRequest, and what `admit` raises.
        """
        request, response_id = call.request, call.answer_id
        if request.store is False:
            raise InvalidRequest(
                "Background responses are kept while they run: 'background' needs 'store' to be true.",
                param="background",
            )
        await self._admit(call, caller)
        queued |= {"id": response_id, "status": "queued", "background": True}
        recorder = Recorder(0)
        first = recorder.add({"type": "response.created", "response": queued})
        first += recorder.add({"type": "response.queued", "response": queued})
        body = msgspec.json.encode(queued)
        job = self._job(call, caller)

        def take(connection: Connection) -> None:
            self._make_room(connection, caller.project_id)
            keep(connection, body)
            if request.stream:
                events.keep(connection, self._vault, response_id, recorder.next_number - 1, first)
            connection.execute(insert(jobs).values(**job))

        await self._database.write(take)
        if not request.stream:
            yield Done(body, Usage())
            return
        async for data in self.follow(response_id, -1):
            yield Piece(data)
        yield Done(b"", Usage())

    async def follow(self, response_id: str, starting_after: int) -> AsyncGenerator[bytes]:
        """The events of a response beyond a number, those that are recorded and those that come, until it has ended.

        Raises RateLimitExceeded when too many follow.
        """
        if self._followers >= FOLLOWERS_MAX:
            raise RateLimitExceeded("Too many streams of background responses are open.", retry_after_ms=1_000)
        self._followers += 1
        try:
            while True:
                number = starting_after
                found = await self._database.read(lambda c, n=number: events.after(c, self._vault, response_id, n))  # type: ignore[misc]
                for data in events.joined(found.rows, number):
                    yield data
                if found.rows:
                    starting_after = found.rows[-1][0]
                if found.is_over:
                    return
                if not found.has_more:
                    await asyncio.sleep(FOLLOW_EVERY_S)
        finally:
            self._followers -= 1

    async def followable(self, project_id: str, response_id: str) -> None:
        """Raises NotFound, and InvalidRequest where there are no events to be read again."""
        kept = await self._database.read(lambda c: self._responses.retrieve(c, project_id, response_id))
        if not (kept.background and kept.stream):
            raise InvalidRequest(
                "This response can't be streamed: it was not created with both 'background' and 'stream' set to true.",
                param="stream",
            )

    def cancel(self, connection: Connection, project_id: str, response_id: str) -> Kept:
        """Cancel one that runs; one that has ended stays as it is. Raises NotFound, InvalidRequest."""
        kept = self._responses.retrieve(connection, project_id, response_id)
        if not kept.background:
            raise InvalidRequest("Cannot cancel a synchronous response.", param="response_id")
        if kept.status in RUNNING:
            body: Object = msgspec.json.decode(kept.body)
            body |= {"status": "cancelled"}
            encoded = msgspec.json.encode(body)
            self._responses.finish(connection, project_id, response_id, "cancelled", encoded)
            end_job(connection, response_id)
            kept = self._responses.retrieve(connection, project_id, response_id)
        return kept

    def _make_room(self, connection: Connection, project_id: str) -> None:
        waiting = select(jobs.c.id).where(jobs.c.state == "queued", jobs.c.project_id == project_id, jobs.c.kind == JOB)
        count = select(func.count()).select_from(waiting.limit(WAITING_MAX).subquery())
        if connection.execute(count).scalar_one() >= WAITING_MAX:
            raise RateLimitExceeded(_FULL, retry_after_ms=5_000)

    def _job(self, call: Call, caller: Caller) -> dict[str, Any]:
        now, job_id = self._clock.now_s(), self._new_id("job_")
        members = _MEMBERS.decode(call.body)
        members.pop("background", None)
        members["stream"] = msgspec.Raw(b"true")
        payload = msgspec.json.encode(Payload(call.request_id, msgspec.Raw(msgspec.json.encode(members))))
        return {
            "id": job_id,
            "kind": JOB,
            "subject": call.answer_id,
            "project_id": caller.project_id,
            "key_id": caller.key_id,
            "payload": self._vault.seal(job_id, payload),
            "state": "queued",
            "attempts": 0,
            "run_at": now,
            "created_at": now,
        }


def end_job(connection: Connection, response_id: str) -> None:
    """Whoever is at it finds out, and leaves it."""
    connection.execute(
        update(jobs)
        .where(jobs.c.subject == response_id, jobs.c.kind == JOB)
        .values(state="done", worker=None, leased_until_ms=None, payload=b"")
    )


def failure_code(error: Exception) -> str:
    """Why a response failed, in the words that a response has for that (OpenAI's ResponseErrorCode)."""
    if isinstance(error, ServiceUnavailable):
        return "server_error"
    status = getattr(error, "status", 500)
    return "rate_limit_exceeded" if status == 429 else "invalid_prompt" if status == 400 else "server_error"
