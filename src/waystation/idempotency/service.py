"""The answers that are given once: those that are being written here, and those that are kept in the database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from waystation.errors import ApiError, ServiceUnavailable
from waystation.idempotency import store
from waystation.idempotency.model import Asked, Refuse, Replay, Row, Run, in_progress, next_move, read_asked, refused
from waystation.idempotency.tape import KEPT_BYTES_MAX, Reader, Room, Tape

T = TypeVar("T")
Play = Callable[[Tape], Awaitable[None]]

RUNNING_MAX = 1_000  # calls of a worker under way at once that have a key
RUNNING_S_MAX = 86_400  # after so long a row that says `running` counts for nothing: its worker's machine is gone
WAIT_S_MAX = 30.0  # for another worker's answer; then the client is told to ask again
POLL_S = 0.25
SAVES_MAX = 5  # attempts to write an answer down
SAVE_PAUSE_S = 0.5  # after the first of them; each pause is twice as long
CLOSE_S_MAX = 5.0
SWEEP_S = 60.0
SWEEP_ROWS_MAX = 200  # deleted in one transaction: a row may be 8 MiB
SWEEP_BATCHES_MAX = 50  # in one round

log = logging.getLogger("waystation.idempotency")


class Database(Protocol):
    async def read(self, fn: Callable[[Connection], T]) -> T: ...
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...


class Sealer(Protocol):
    """What makes contents at rest unreadable where a key for that is set (`storage/vault.py`)."""

    def seal(self, belongs_to: str, content: bytes) -> bytes: ...
    def unseal(self, belongs_to: str, sealed: bytes) -> bytes:
        """Raises ServiceUnavailable."""
        ...


class Clock(Protocol):
    def now_s(self) -> int: ...
    async def sleep(self, seconds: float) -> None: ...


class Answers:
    """One for a worker; used on its event loop only.

    `epoch`: the worker's, as its journal has it: when that is recovered after a crash, `store.mark_lost` says so of what
    ran here. `ttl_s`: how long an answer is kept.
    `playing`: the calls under way. A server that waits for a set of tasks when it drains may put its own in this place.
    """

    def __init__(
        self,
        database: Database,
        epoch: int,
        clock: Clock,
        ttl_s: int,
        *,
        sealer: Sealer | None = None,
        room: Room | None = None,
        kept_bytes_max: int = KEPT_BYTES_MAX,
        running_max: int = RUNNING_MAX,
    ) -> None:
        self._database = database
        self._epoch = epoch
        self._clock = clock
        self._ttl_s = ttl_s
        self._sealer = sealer
        self._room = room or Room()
        self._kept_bytes_max = kept_bytes_max
        self._running: dict[tuple[str, bytes, bytes], tuple[Tape, asyncio.Task[None]]] = {}
        self._running_max = running_max
        self.playing: set[asyncio.Task[None]] = set()

    def open(
        self, project_id: str, key: bytes, operation: str, body: bytes, request_id: str, stream: bool, play: Play
    ) -> Reader:
        """The answer to a call that is to be answered once, to be read as it comes.

        `play` answers the call onto a tape. It is called if nobody has asked with this key before, in a task of its own,
        which goes on when the reader leaves: he may come back. Raises InvalidRequest for a key that is none,
        IdempotencyConflict, ServiceUnavailable; the reader may raise the latter two when it begins.
        """
        asked = read_asked(project_id, key, operation, body, request_id, stream)
        # With its body, so that only true repeats meet here; which of two bodies was first, the database knows.
        place = (asked.project_id, asked.digest, asked.body_digest)
        found = self._running.get(place)
        if found is not None:
            return found[0].reader()
        if len(self._running) >= self._running_max:
            raise ServiceUnavailable(
                "Too many calls with an Idempotency-Key are open. Try again.", retry_after_ms=1_000
            )
        tape = Tape(request_id, self._room, self._kept_bytes_max)
        task = asyncio.create_task(self._answer(place, asked, tape, play))
        self._running[place] = tape, task
        return tape.reader(first=True)

    async def _answer(self, place: tuple[str, bytes, bytes], asked: Asked, tape: Tape, play: Play) -> None:
        try:
            kept = await self._find(asked)
            if kept is None:
                await self._run(asked, tape, play)
            elif not tape.load(kept.request_id, kept.headers, kept.body, stream=kept.stream):
                tape.fail(ServiceUnavailable("Too many answers are being repeated. Try again.", retry_after_ms=1_000))
        except ApiError as error:
            tape.fail(error)
        except Exception:  # nobody is above this task, and readers wait for the tape
            log.exception("%s failed", asked.request_id)
            tape.fail(ApiError("The server had an error while processing your request."))
        finally:
            del self._running[place]
            tape.release()

    async def _find(self, asked: Asked) -> Row | None:
        """The answer that is kept, or None when the key is ours now. Raises IdempotencyConflict, ServiceUnavailable."""
        left_s = WAIT_S_MAX
        while True:
            now = self._clock.now_s()
            until = now + max(self._ttl_s, RUNNING_S_MAX)
            row = await self._database.write(
                partial(store.claim, asked=asked, epoch=self._epoch, now=now, expires_at=until)
            )
            while True:
                move = next_move(row, asked, self._epoch)
                if isinstance(move, Run):
                    return None
                if isinstance(move, Replay):
                    return self._opened(asked, move.row)
                if isinstance(move, Refuse):
                    raise refused(move.code)
                if left_s <= 0:
                    raise in_progress()
                left_s -= POLL_S
                await self._clock.sleep(POLL_S)
                row = await self._database.read(partial(store.look, asked=asked, now=self._clock.now_s()))
                if row is None:
                    break  # it ended in an error and is forgotten: whoever claims it now runs it

    async def _run(self, asked: Asked, tape: Tape, play: Play) -> None:
        """Have the call answered, and write down what came of it. Who leaves does not end it."""
        playing = asyncio.ensure_future(play(tape))
        self.playing.add(playing)
        try:
            await asyncio.wait({playing})
        finally:
            self.playing.discard(playing)
        if not playing.cancelled() and (error := playing.exception()) is not None:
            log.error("%s failed", asked.request_id, exc_info=error)
        try:
            await self._save(asked, tape)
        finally:
            if not tape.ended:
                tape.fail(ServiceUnavailable("The server is shutting down. Try again.", retry_after_ms=1_000))
            tape.publish()

    async def _save(self, asked: Asked, tape: Tape) -> None:
        """Write the end of a call down. An error waits for it, so that who is told of one and asks again runs anew."""
        change = self._end(asked, tape)
        for attempt in range(SAVES_MAX):
            try:
                await self._database.write(change)
            except ServiceUnavailable as fault:
                log.warning("%s: its answer can't be kept yet: %s", asked.request_id, fault.detail or fault.message)
            else:
                return
            tape.publish()
            await self._clock.sleep(SAVE_PAUSE_S * 2**attempt)
        log.error("%s: its answer is not kept", asked.request_id)

    def _end(self, asked: Asked, tape: Tape) -> Callable[[Connection], None]:
        """What is written down of a call that is over. All that is kept of content goes through here."""
        until = self._clock.now_s() + self._ttl_s
        if tape.status != 200:
            return partial(store.drop, asked=asked)
        if tape.too_large:
            return partial(store.give_up, asked=asked, state="too_large", expires_at=until)
        if not tape.ended:
            return partial(store.give_up, asked=asked, state="lost", expires_at=until)
        body = tape.body if self._sealer is None else self._sealer.seal(_place(asked), tape.body)
        return partial(store.keep, asked=asked, headers=tape.headers, body=body, expires_at=until)

    def _opened(self, asked: Asked, row: Row) -> Row:
        """Raises ServiceUnavailable where it was encrypted with another key."""
        if self._sealer is None:
            return row
        return msgspec.structs.replace(row, body=self._sealer.unseal(_place(asked), row.body))

    async def run(self) -> None:
        """Delete what has expired, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S)
            try:
                await self.sweep()
            except ServiceUnavailable as error:
                log.warning("kept answers that have expired can't be deleted: %s", error.detail or error.message)
            except Exception:
                log.exception("kept answers that have expired can't be deleted")

    async def sweep(self) -> int:
        """Delete what has expired, a few rows at a time; returns how many. Raises ServiceUnavailable."""
        deleted = 0
        for _ in range(SWEEP_BATCHES_MAX):
            some = await self._database.write(
                partial(store.delete_expired, now=self._clock.now_s(), most=SWEEP_ROWS_MAX)
            )
            deleted += some
            if some < SWEEP_ROWS_MAX:
                break
        return deleted

    async def close(self) -> None:
        """End what still runs, and write down what came of it. To be called when nobody asks any more."""
        for playing in list(self.playing):
            playing.cancel()
        tasks = {task for _, task in self._running.values()}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_S_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        try:
            await self._database.write(partial(store.mark_lost, epoch=self._epoch))
        except ServiceUnavailable as error:
            log.warning("calls that were cut off can't be marked as lost: %s", error.detail or error.message)


def _place(asked: Asked) -> str:
    """What an answer at rest is bound to."""
    return f"answer {asked.project_id} {asked.digest.hex()}"
