"""The response cache as routing asks it (`routing/seam.py:Larder`)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec

from waystation.dialects.responses.again import told_again
from waystation.dialects.responses.writer import new_envelope
from waystation.gateway.call import Call
from waystation.providers.cache.key import key_of
from waystation.providers.cache.memory import Memory
from waystation.providers.cache.model import (
    ENTRY_BYTES_MAX,
    Kept,
    Lifetime,
    Wish,
    is_worth_keeping,
    joined,
    lifetime,
    wish_of,
)
from waystation.providers.cache.shelf import Clock as ShelfClock
from waystation.providers.cache.shelf import Read, Shelf, Write
from waystation.providers.cache.store import TOPIC as TOPIC
from waystation.providers.cache.store import Sealer
from waystation.terms import Dialect, Done, Event, Model, Piece, Usage

MEMORY_BYTES_MAX = 64 * 2**20  # of a worker
SHELF_BYTES_MAX = 2**30  # in the database
STEP_EVERY_S = 0.5
EXPIRE_MAX = 1_000  # looked at in memory at each step


class Clock(ShelfClock, Protocol):
    async def sleep(self, seconds: float) -> None: ...


class Stats(msgspec.Struct, frozen=True):
    """What a worker's cache has done since it was made."""

    hits: int  # fresh answers
    stale_hits: int
    misses: int  # nothing that would do
    kept: int
    dropped: int  # kept in memory only
    entries: int  # in memory
    size_bytes: int
    fault: str | None  # of the storage


class Cache:
    """Of one worker; used on its event loop only. `run` is its background task."""

    def __init__(
        self,
        read: Read,
        write: Write,
        clock: Clock,
        *,
        sealer: Sealer | None = None,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        shelf_bytes_max: int = SHELF_BYTES_MAX,
        entry_bytes_max: int = ENTRY_BYTES_MAX,
    ) -> None:
        """`read` and `write` run a function in a transaction of the database, in which contents are sealed by `sealer`."""
        self._clock = clock
        self._memory = Memory(memory_bytes_max)
        self._shelf = Shelf(read, write, clock, shelf_bytes_max, sealer)
        self._entry_bytes_max = min(entry_bytes_max, memory_bytes_max)
        self._last_key: tuple[Call | None, bytes | None] = (None, None)
        self._hits = self._stale_hits = self._misses = self._kept = 0

    # -- asked by routing

    def wants(self, call: Call, model: Model) -> bool:
        """Whether anything is kept or looked up for this call."""
        caller, route = call.caller, model.route
        if caller is None:
            return False
        return caller.cache_s > 0 or (route is not None and (route.cache or route.stale_s > 0))

    async def find(self, call: Call, model: Model, *, stale: bool) -> AsyncGenerator[Event] | None:
        """A kept answer to the same request; None: there is none. `stale`: one that is no longer fresh will do."""
        life, wish = lifetime(call.caller, model), wish_of(call.headers)
        if not wish.look or (life.fresh_s <= 0 and not stale):  # kept for when nobody answers: not looked for before
            return None
        digest = self._key(call, model)
        if digest is None:
            return None
        now = self._clock.now_s()
        kept = self._memory.get(digest)
        if kept is None or not _will_do(kept, life, wish, now, stale=stale):
            kept = await self._shelf.find(digest, now)
            if kept is not None:  # from another worker, or from before a restart
                self._memory.put(kept)
        if kept is None or not _will_do(kept, life, wish, now, stale=stale):
            self._misses += 1
            return None
        if stale and now >= life.end_of(kept, stale=False):
            self._stale_hits += 1
        else:
            self._hits += 1
        return _replay(kept, call, now)

    def keep(self, call: Call, model: Model, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """These events, passed on as they come, and kept when they have come to their end."""
        life = lifetime(call.caller, model)
        if not wish_of(call.headers).keep or life.fresh_s + life.stale_s <= 0:
            return events
        digest = self._key(call, model)
        return events if digest is None else self._keep(call, model, events, digest)

    async def _keep(
        self, call: Call, model: Model, events: AsyncGenerator[Event], digest: bytes
    ) -> AsyncGenerator[Event]:
        pieces: list[bytes] = []
        size_bytes, end = 0, None
        async with aclosing(events):
            async for event in events:
                if type(event) is Done:
                    end = event
                else:
                    size_bytes += len(event.data)
                    if size_bytes <= self._entry_bytes_max:
                        pieces.append(event.data)
                yield event
        # Who asked has it all, and the ledger has said what it used: now there is time.
        if end is not None and end.usage is not None and is_worth_keeping(call, end):
            last = end.data if end.tail is None else end.data + end.tail(end.usage)
            if size_bytes + len(last) <= self._entry_bytes_max:
                self._put(call, model, digest, [*pieces, last], end.usage)

    def _put(self, call: Call, model: Model, digest: bytes, pieces: list[bytes], usage: Usage) -> None:
        caller, life, now = call.caller, lifetime(call.caller, model), self._clock.now_s()
        assert caller is not None  # or there were no digest
        kept = Kept(
            digest=digest,
            project_id=caller.project_id,
            model=model.name,
            pieces=joined(pieces),
            usage=usage,
            created_at=now,
            fresh_until=now + life.fresh_s,
            expires_at=now + life.fresh_s + life.stale_s,
            ignored=call.ignored,
            mapped=call.mapped,
        )
        self._memory.put(kept)
        self._shelf.put(kept)
        self._kept += 1

    def _key(self, call: Call, model: Model) -> bytes | None:
        """A call is asked about up to three times, mostly without another between."""
        last, digest = self._last_key
        if last is not call:
            digest = key_of(call, model)
            self._last_key = (call, digest)
        return digest

    # -- asked by others

    async def run(self) -> None:
        """Write and sweep, for as long as the worker serves."""
        while True:
            await self._clock.sleep(STEP_EVERY_S)
            await self.step()

    async def step(self) -> None:
        """Never raises."""
        self._last_key = (None, None)
        self._memory.expire(self._clock.now_s(), EXPIRE_MAX)
        await self._shelf.step()

    async def close(self) -> None:
        """Write what still waits, if that is quickly done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STEP_EVERY_S):
                await self._shelf.step()

    async def purge(self, project_id: str) -> int:
        """Forget all answers to a project, here and in the database; returns how many those were there.

        Other workers follow as they follow every change (`forget`). Raises ServiceUnavailable.
        """
        self._memory.forget((project_id,))
        return await self._shelf.purge(project_id)

    async def forget(self, project_ids: Sequence[str]) -> None:
        """A listener for changes of `TOPIC`: what this worker has of these projects is forgotten.

        What it wrote after the others had deleted and before it heard of it goes, too. Raises ServiceUnavailable.
        """
        self._memory.forget(project_ids)
        for project_id in project_ids:
            await self._shelf.delete(project_id)

    def stats(self) -> Stats:
        return Stats(
            self._hits,
            self._stale_hits,
            self._misses,
            self._kept,
            self._shelf.dropped,
            len(self._memory),
            self._memory.size_bytes,
            self._shelf.fault,
        )


def _will_do(kept: Kept, life: Lifetime, wish: Wish, now: int, *, stale: bool) -> bool:
    young = wish.age_s_max is None or now - kept.created_at <= wish.age_s_max
    return young and now < life.end_of(kept, stale=stale)


async def _replay(kept: Kept, call: Call, now: int) -> AsyncGenerator[Event]:
    """The answer as it went out the first time. Its pieces say nothing to be metered, since they cost nothing.

    A response is kept under an id, and may be gone on with and deleted: so it is told again as one of its own.
    """
    call.notes += b"age: %d\r\n" % max(0, now - kept.created_at)
    call.ignored, call.mapped = kept.ignored, kept.mapped
    pieces: Sequence[bytes] = kept.pieces
    if call.dialect is Dialect.RESPONSES:
        answer_id = call.answer_id or new_envelope("", now)[0]
        pieces = told_again(pieces, call.request, answer_id, now)
    for piece in pieces[:-1]:
        yield Piece(piece)
    yield Done(pieces[-1], msgspec.structs.replace(kept.usage))
