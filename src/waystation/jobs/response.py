"""The job that answers a response in the background: walks the way as its caller would have, and writes down what comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.errors import ApiError, NotFound, RateLimitExceeded, ServiceUnavailable
from waystation.gateway.call import Call
from waystation.jobs.model import Job
from waystation.jobs.worker import Lease, LeaseLost
from waystation.storage.responses import events
from waystation.storage.responses.background import Kept, Payload, failure_code
from waystation.storage.responses.events import RUNNING, Object, Recorder
from waystation.storage.vault import Vault
from waystation.terms import Caller, Event
from waystation.wire.response_failures import failed_response

FLUSH_EVERY_S = 0.1
FLUSH_BYTES = 64 * 1024  # and whenever so much has come
WAITS_MAX_S = 3_600  # so long after it was asked for, a response waits for a place or for money that others hold
WAIT_LEAST_S = 1
INTERRUPTED = "The response was interrupted: the server stopped in the middle of it. Ask again for it."
WORN_OUT = "The response could not be finished. Ask again for it."


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_s(self) -> float: ...


class Responses(Protocol):
    """The rows of responses (`storage/responses/service.py`)."""

    def retrieve(self, connection: Connection, project_id: str, response_id: str) -> Kept: ...
    def begin(self, connection: Connection, response_id: str, body: bytes) -> bool: ...
    def finish(self, connection: Connection, project_id: str, response_id: str, status: str, body: bytes) -> bool: ...


class AnswerResponse:
    """`caller_of(key_id)` raises the 401 family; `call_of` makes a call of a payload and a response's id; `carried` walks it."""

    attempts_max = 5

    def __init__(
        self,
        clock: Clock,
        vault: Vault,
        responses: Responses,
        caller_of: Callable[[str], Awaitable[Caller]],
        call_of: Callable[[Payload, str, Caller], Call],
        carried: Callable[[Call], AsyncGenerator[Event]],
    ) -> None:
        self._clock = clock
        self._vault = vault
        self._responses = responses
        self._caller_of = caller_of
        self._call_of = call_of
        self._carried = carried

    async def run(self, lease: Lease) -> None:
        """One that had been begun with before is ended: nobody can tell what its model was paid for already."""
        job = lease.job
        begun = await lease.write(lambda connection: self._begin(connection, job))
        if begun is None:
            await lease.finish()
        elif begun:
            await lease.finish(lambda connection: self._fail(connection, job, "server_error", INTERRUPTED))
        else:
            await self._answer(lease)

    def give_up(self, connection: Connection, job: Job) -> None:
        self._fail(connection, job, "server_error", WORN_OUT)

    def _begin(self, connection: Connection, job: Job) -> bool | None:
        """Whether somebody had begun with it before; None: it has ended. It is in progress from here on."""
        try:
            kept = self._responses.retrieve(connection, job.project_id, job.subject)
        except NotFound:
            return None
        if kept.status not in RUNNING:
            return None
        if kept.status == "in_progress":
            return True
        self._put_status(connection, job, kept, "in_progress")
        return False

    def _put_status(self, connection: Connection, job: Job, kept: Kept, status: str) -> None:
        body: Object = msgspec.json.decode(kept.body)
        body["status"] = status
        self._responses.begin(connection, job.subject, msgspec.json.encode(body))

    async def _answer(self, lease: Lease) -> None:
        writing = _Writing(lease, self._vault, self._clock)
        try:
            await writing.open()
            payload = msgspec.json.decode(self._vault.unseal(lease.job.id, lease.job.payload), type=Payload)
            caller = await self._caller_of(lease.job.key_id)
            await writing.record(self._carried(self._call_of(payload, lease.job.subject, caller)))
        except RateLimitExceeded as error:
            if writing.nothing_came and self._clock.now_s() - lease.job.created_at < WAITS_MAX_S:
                await self._wait(lease, error)
            else:
                await self._end(lease, writing, failure_code(error), error.message)
        except ApiError as error:
            await self._end(lease, writing, failure_code(error), error.message)
        except asyncio.CancelledError:
            if not lease.stopping:
                raise
            await self._end(lease, writing, "server_error", INTERRUPTED)
        else:
            await self._end(lease, writing, "server_error", WORN_OUT)

    async def _wait(self, lease: Lease, error: RateLimitExceeded) -> None:
        """Nothing was asked of any model: it is queued again, until there is room."""
        job = lease.job

        def back(connection: Connection) -> None:
            kept = self._responses.retrieve(connection, job.project_id, job.subject)
            body: Object = msgspec.json.decode(kept.body)
            body["status"] = "queued"
            events.requeue(connection, self._vault, job.subject, msgspec.json.encode(body))

        after_s = max(WAIT_LEAST_S, -(-(error.retry_after_ms or 0) // 1_000))
        await lease.put_back(after_s, back, counts=False)

    async def _end(self, lease: Lease, writing: "_Writing", code: str, message: str) -> None:
        """The response as its last event says it; one that has come to no end has failed, for this reason."""
        recorder, job = writing.recorder, lease.job

        def end(connection: Connection) -> None:
            if not recorder.ended:
                self._fail(connection, job, code, message, writing)
                return
            writing.write(connection)
            assert recorder.response is not None
            status = str(recorder.response.get("status"))
            self._responses.finish(
                connection, job.project_id, job.subject, status, msgspec.json.encode(recorder.response)
            )

        await lease.finish(end)

    def _fail(
        self, connection: Connection, job: Job, code: str, message: str, writing: "_Writing | None" = None
    ) -> None:
        """Its row and its last event say that it failed. One that has ended meanwhile stays as it is."""
        try:
            kept = self._responses.retrieve(connection, job.project_id, job.subject)
        except NotFound:
            return
        if kept.status not in RUNNING:
            return
        recorder = writing.recorder if writing is not None else None
        body: Object = (recorder.response if recorder is not None else None) or msgspec.json.decode(kept.body)
        if recorder is not None and recorder.error is not None:
            message = str(recorder.error.get("message") or message)
        body = failed_response(body, code, message)
        if kept.stream:
            last = Recorder(
                recorder.next_number if recorder is not None else events.last_number(connection, job.subject) + 1
            )
            data = last.add({"type": "response.failed", "response": body})
            pending = b"" if writing is None else writing.pending
            events.keep(connection, self._vault, job.subject, last.next_number - 1, pending + data)
        self._responses.finish(connection, job.project_id, job.subject, "failed", msgspec.json.encode(body))


class _Writing:
    """What came of an answer and is written down in groups: soon after it came, and never too much at once."""

    def __init__(self, lease: Lease, vault: Vault, clock: Clock) -> None:
        self.recorder = Recorder(0)
        self.nothing_came = True
        self.keeps_events = True  # they were asked for as a stream
        self._lease = lease
        self._vault = vault
        self._clock = clock
        self._parts: list[bytes] = []
        self._size = 0
        self._since = 0.0

    @property
    def pending(self) -> bytes:
        return b"".join(self._parts)

    async def open(self) -> None:
        """Go on with the numbers where the recorded events end; where there are none, nobody asked for them."""
        subject = self._lease.job.subject
        self.recorder.next_number = await self._lease.write(lambda c: events.last_number(c, subject)) + 1
        self.keeps_events = self.recorder.next_number > 0

    async def record(self, answer: AsyncGenerator[Event]) -> None:
        """Read an answer to its end. To cancel this closes it, which cancels the call at its provider."""
        async with aclosing(answer) as pieces:
            while True:
                coming = asyncio.ensure_future(anext(pieces, None))
                try:
                    event = await self._next(coming)
                except BaseException:
                    coming.cancel()
                    with contextlib.suppress(BaseException):
                        await coming
                    raise
                if event is None:
                    return
                tail = getattr(event, "tail", None)
                self._take(event.data if tail is None else event.data + tail(getattr(event, "usage", None)))
                if self._size >= FLUSH_BYTES:
                    await self.flush()

    async def _next(self, coming: "asyncio.Future[Event | None]") -> Event | None:
        while not coming.done():
            left = None if not self._size else max(0.0, self._since + FLUSH_EVERY_S - self._clock.monotonic_s())
            await asyncio.wait({coming}, timeout=left)
            if not coming.done():
                await self.flush()
        return coming.result()

    def _take(self, data: bytes) -> None:
        if data:
            self.nothing_came = False
        recorded = self.recorder.feed(data)
        if recorded and not self._size:
            self._since = self._clock.monotonic_s()
        if recorded and self.keeps_events:
            self._parts.append(recorded)
            self._size += len(recorded)

    async def flush(self) -> None:
        """Write what has come. While the database is away it waits there; then the lease ends and so does this."""
        while True:
            try:
                await self._lease.write(self.write)
            except LeaseLost:
                raise
            except ServiceUnavailable:
                await asyncio.sleep(FLUSH_EVERY_S)
            else:
                self._parts, self._size = [], 0
                return

    def write(self, connection: Connection) -> None:
        if self._size:
            subject = self._lease.job.subject
            events.keep(connection, self._vault, subject, self.recorder.next_number - 1, self.pending)
