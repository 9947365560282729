"""Kept answers in the database, so that other workers and a restart find them: written beside the calls, never in their way.

Whatever is wrong with the storage, nothing fails: it is left alone for a while, and the worker's memory does.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from waystation.errors import ServiceUnavailable
from waystation.providers.cache import store
from waystation.providers.cache.model import Kept
from waystation.providers.cache.store import Sealer

T = TypeVar("T")

LOOK_TIMEOUT_S = 0.25  # then the call goes on without
REST_S = 5.0  # after a fault nothing is asked of the storage
WAITING_MAX, WAITING_BYTES_MAX = 2_000, 16 * 2**20  # to be written; what comes beyond is only in memory
BATCH_MAX = 100  # in one transaction
SWEEP_EVERY_S = 60.0
SWEEP_ROWS_MAX, SWEEP_ROUNDS_MAX = 200, 50  # in one transaction, and in one sweep

log = logging.getLogger("waystation.cache")


class Read(Protocol):
    async def __call__(self, fn: Callable[[Connection], T], /) -> T: ...


class Write(Protocol):
    async def __call__(self, fn: Callable[[Connection], T], /) -> T: ...


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_s(self) -> float: ...


class Shelf:
    """`put` is called by calls and only remembers; `step` does the work."""

    def __init__(
        self, read: Read, write: Write, clock: Clock, size_bytes_max: int, sealer: Sealer | None = None
    ) -> None:
        self._sealer = sealer
        self._read = read
        self._write = write
        self._clock = clock
        self._size_bytes_max = size_bytes_max
        self._waiting: dict[bytes, Kept] = {}
        self._waiting_bytes = 0
        self._rests_until = 0.0
        self._sweep_at = 0.0
        self.dropped = 0  # not written: there were too many, or the storage was away
        self.fault: str | None = None  # why nothing is written, while that is so

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def find(self, digest: bytes, now: int) -> Kept | None:
        """What is kept by this digest and has not expired; None also when the storage has nothing to say in time."""
        waiting = self._waiting.get(digest)
        if waiting is not None:
            return waiting
        if self._rests:
            return None
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                return await self._read(lambda connection: store.find(connection, digest, now, self._sealer))
        except Exception as error:  # a cache that can't be read is an empty one
            self._failed(error)
            return None

    def put(self, kept: Kept) -> None:
        """To be written soon."""
        before = self._waiting.pop(kept.digest, None)
        if before is not None:
            self._waiting_bytes -= before.size_bytes
        if len(self._waiting) >= WAITING_MAX or self._waiting_bytes + kept.size_bytes > WAITING_BYTES_MAX:
            self.dropped += 1
            return
        self._waiting[kept.digest] = kept
        self._waiting_bytes += kept.size_bytes

    def forget(self, project_ids: Collection[str]) -> None:
        """Write nothing of these projects that is not written yet."""
        for kept in [kept for kept in self._waiting.values() if kept.project_id in project_ids]:
            self._taken(kept)

    async def purge(self, project_id: str) -> int:
        """Delete a project's, and tell all workers; returns how many those were. Raises ServiceUnavailable."""
        deleted = await self.delete(project_id)
        await self._write(partial(store.tell, project_id=project_id, at=self._clock.now_s()))
        return deleted

    async def delete(self, project_id: str) -> int:
        """Delete a project's, written or not; returns how many were written. Raises ServiceUnavailable."""
        self.forget((project_id,))
        deleted = 0
        while (some := await self._write(partial(store.purge, project_id=project_id, most=SWEEP_ROWS_MAX))) > 0:
            deleted += some
            if some < SWEEP_ROWS_MAX:
                break
        return deleted

    async def step(self) -> None:
        """Write what waits; now and then, delete what has expired or is too much. Never raises."""
        if self._rests:
            return
        try:
            await self.flush()
            if self._clock.monotonic_s() >= self._sweep_at:
                self._sweep_at = self._clock.monotonic_s() + SWEEP_EVERY_S
                await self.sweep()
            self.fault = None
        except Exception as error:  # nobody is above this, and the next step may go well
            self._failed(error)

    async def flush(self) -> None:
        """Write what waits. Raises ServiceUnavailable; what could not be written is not tried again."""
        while self._waiting:
            some = list(islice(self._waiting.values(), BATCH_MAX))
            try:
                await self._write(partial(store.put, some=some, sealer=self._sealer))
            except Exception:
                self.dropped += len(some)
                raise
            finally:
                for kept in some:
                    if self._waiting.get(kept.digest) is kept:
                        self._taken(kept)

    async def sweep(self) -> None:
        """Raises ServiceUnavailable."""
        now = self._clock.now_s()
        for delete in (
            partial(store.expire, now=now, most=SWEEP_ROWS_MAX),
            partial(store.shrink, size_bytes_max=self._size_bytes_max, most=SWEEP_ROWS_MAX),
        ):
            for _ in range(SWEEP_ROUNDS_MAX):
                if await self._write(delete) < SWEEP_ROWS_MAX:
                    break

    def _taken(self, kept: Kept) -> None:
        del self._waiting[kept.digest]
        self._waiting_bytes -= kept.size_bytes

    @property
    def _rests(self) -> bool:
        return self._clock.monotonic_s() < self._rests_until

    def _failed(self, error: Exception) -> None:
        self._rests_until = self._clock.monotonic_s() + REST_S
        known = isinstance(error, ServiceUnavailable | TimeoutError)
        why = (error.detail or error.message) if isinstance(error, ServiceUnavailable) else repr(error)
        if self.fault != why:
            log.warning("kept answers are only in memory: %s", why, exc_info=None if known else error)
        self.fault = why
