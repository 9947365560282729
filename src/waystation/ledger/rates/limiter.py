"""The rate limits of one worker: asked by every call, before its money is held.

`Limiter` is for the only worker there is: exact, in memory. `shared.py` has the one for several.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from waystation.errors import ApiError, ServiceUnavailable
from waystation.ledger.rates import store
from waystation.ledger.rates.admission import Admission, Plan
from waystation.ledger.rates.bucket import Bucket, Key, Slots, take_all
from waystation.ledger.rates.directory import Directory
from waystation.ledger.rates.model import MINUTE_MS, STREAMS, UNIT_OF_FIELD, Amounts, RateLimit, Unit
from waystation.ledger.rates.refusal import owner, refusal
from waystation.terms import Caller

T = TypeVar("T")

PLANS_MAX = 100_000  # pairs of a key and a model whose limits are worked out, about 150 bytes each; past it all anew
SWEEP_AT_BUCKETS = 10_000  # first look for idle ones then; afterwards when as many again have come as were in use
ROUND_S = 0.25  # how often what lasts is written, and what is not needed given back
ROUND_BUCKETS_MAX = 500  # in one transaction

log = logging.getLogger("waystation.ledger")


class Database(Protocol):
    async def write(self, fn: Callable[[Connection], T], *, durable: bool = False) -> T: ...
    async def read(self, fn: Callable[[Connection], T]) -> T: ...


class Clock(Protocol):
    def monotonic_ns(self) -> int: ...


class Must(Enum):
    """What `admit_now` says instead of yes or no."""

    ASK = "ask"  # what this worker has in hand is not enough: await `admit`


_LOOK = Plan(())  # stands for a plan that is not worked out yet


class Limiter:
    """Used on the event loop only. `load` it after the view, hand `changed` to those who follow changes of `service.TOPIC`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock_ns = clock.monotonic_ns
        self._directory = Directory()
        self._plans: dict[tuple[str, str], Plan | None] = {}
        self._buckets: dict[Key, Bucket] = {}
        self._lasting: dict[Key, Bucket] = {}  # those of them whose windows are long
        self._sweep_at = SWEEP_AT_BUCKETS
        self._kept: dict[
            Key, tuple[int, int]
        ] = {}  # used and at, of what a restart must not forget: as it is in the table
        self._task: asyncio.Task[None] | None = None
        self.fault: str | None = None  # why nothing is written, while that is so

    @property
    def has_limits(self) -> bool:
        """Whether anybody has any."""
        return bool(self._directory.by_id)

    # -- asked by every call

    def admit_now(
        self,
        caller: Caller,
        model_name: str,
        tokens: int,
        *,
        stream: bool = False,
        images: int = 0,
        audio_bytes: int = 0,
    ) -> Admission | Must | None:
        """Take what the call may use of every limit that applies, or of none; `tokens` is an estimate (`estimate.py`).

        None: no limit applies. Must.ASK: only with several workers; `await admit(...)` then. Raises RateLimitExceeded.
        """
        plan = self._plans.get((caller.key_id, model_name), _LOOK)
        if plan is None:
            return None
        if plan is _LOOK:
            plan = self._plan(caller, model_name)
            if plan is None:
                return None
        streams = 1 if stream else 0
        amounts = (1, tokens, images, -(-audio_bytes // 1_000) if audio_bytes else 0, streams)
        now_ms = self._clock_ns() // 1_000_000
        if not take_all(plan.buckets, amounts, now_ms):
            return self._short(plan, amounts, model_name, now_ms)
        return Admission(self, plan, amounts, now_ms, streams)

    async def admit(
        self,
        caller: Caller,
        model_name: str,
        tokens: int,
        *,
        stream: bool = False,
        images: int = 0,
        audio_bytes: int = 0,
    ) -> Admission | None:
        """The same, also when the database has to be asked. Raises RateLimitExceeded, ServiceUnavailable."""
        admitted = self.admit_now(caller, model_name, tokens, stream=stream, images=images, audio_bytes=audio_bytes)
        assert not isinstance(admitted, Must)
        return admitted

    def _short(self, plan: Plan, amounts: Amounts, model_name: str, now_ms: int) -> Must:
        raise refusal(plan, amounts, model_name, now_ms)

    # -- which buckets a call takes from

    def _plan(self, caller: Caller, model_name: str) -> Plan | None:
        limits = self._directory.of(caller, model_name)
        buckets = [
            self._bucket(limit, UNIT_OF_FIELD[field])
            for limit in limits
            for field in limit.limits
            if field in UNIT_OF_FIELD
        ]
        plan = self._make_plan(buckets) if buckets else None
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
        self._plans[caller.key_id, model_name] = plan
        return plan

    def _make_plan(self, buckets: list[Bucket]) -> Plan:
        return Plan(buckets)

    def _bucket(self, limit: RateLimit, unit: Unit) -> Bucket:
        key = (limit.id, unit.name)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._sweep()
            bucket = self._buckets[key] = self._new_bucket(key, unit, limit.limits[unit.field])
            bucket.name = owner(limit)
        return bucket

    def _new_bucket(self, key: Key, unit: Unit, limit: int) -> Bucket:
        if unit.counts == STREAMS:
            return Slots(key, unit, limit, self.now_ms())
        if unit.window_ms <= MINUTE_MS:
            return Bucket(key, unit, limit, self.now_ms())
        used, at_ms = self._kept.get(key, (0, self.now_ms()))
        bucket = self._lasting[key] = Bucket(key, unit, limit, at_ms, used)
        return bucket

    def _sweep(self) -> None:
        """Let the idle ones go. There are never more than twice as many as are in use, and those the limits bound."""
        now_ms = self.now_ms()
        for bucket in [bucket for bucket in self._buckets.values() if bucket.idle(now_ms)]:
            self._let_go(bucket)
        self._plans.clear()
        self._sweep_at = max(SWEEP_AT_BUCKETS, 2 * len(self._buckets))

    def _let_go(self, bucket: Bucket) -> None:
        bucket.alive = False
        del self._buckets[bucket.key]
        self._lasting.pop(bucket.key, None)

    # -- what an admission needs

    def now_ms(self) -> int:
        return self._clock_ns() // 1_000_000

    def current(self, bucket: Bucket) -> Bucket | None:
        limit = self._directory.by_id.get(bucket.key[0])
        return self._bucket(limit, bucket.unit) if limit is not None and bucket.unit.field in limit.limits else None

    # -- the control plane

    async def load(self) -> None:
        """Read all limits, and what is used of those that a restart must not forget. Raises ServiceUnavailable."""
        limits = await self._database.read(store.all_limits)
        self._kept = await self._database.read(store.kept_buckets)
        self._directory.clear()
        self._directory.put(limits)
        self._plans.clear()

    async def changed(self, limit_ids: Sequence[str]) -> None:
        """A listener for changes: limits that were set or removed hold from now on. Raises ServiceUnavailable."""
        ids = list(dict.fromkeys(limit_ids))
        found = {limit.id: limit for limit in await self._database.read(lambda c: store.limits_by_id(c, ids))}
        for limit_id in ids:
            self._directory.drop(limit_id)
        self._directory.put(found.values())
        now_ms = self.now_ms()
        for limit_id in ids:
            limit = found.get(limit_id)
            for unit in UNIT_OF_FIELD.values():
                bucket = self._buckets.get((limit_id, unit.name))
                if bucket is None:
                    continue
                if limit is None or unit.field not in limit.limits:
                    self._let_go(bucket)
                else:
                    bucket.change(limit.limits[unit.field], now_ms)
        self._plans.clear()

    # -- from time to time

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="waystation-rates")

    async def close(self) -> None:
        """Write a last time. What can't be written is forgotten: a restart is then kinder than the limit says."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._last_round()
        except ApiError as error:
            log.warning("what is used of the rate limits could not be written: %s", error.detail or error.message)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                await self.round()
            except ServiceUnavailable as error:
                self._failed(error.detail or error.message)
            except Exception as error:  # nobody is above this task
                if self.fault != repr(error):
                    log.exception("rate limits can't be kept up to date")
                self.fault = repr(error)
            else:
                self.fault = None

    def _failed(self, why: str) -> None:
        if self.fault is None:
            log.error("what is used of the rate limits can't be written: %s", why)
        self.fault = why

    async def round(self) -> None:
        """Write what a restart must not forget: the days. A minute is soon over. Raises ServiceUnavailable."""
        await self._write_kept(
            [bucket for bucket in self._lasting.values() if self._kept.get(bucket.key) != (bucket.used, bucket.at)]
        )

    async def _last_round(self) -> None:
        await self.round()

    async def _write_kept(self, buckets: Iterable[Bucket]) -> None:
        rows = [(bucket.key, (bucket.used, bucket.at)) for bucket in buckets]
        for start in range(0, len(rows), ROUND_BUCKETS_MAX):
            some = dict(rows[start : start + ROUND_BUCKETS_MAX])
            await self._database.write(lambda connection, some=some: store.keep_buckets(connection, some))  # type: ignore[misc]
            self._kept.update(some)
