"""The rate limits of one worker of several: spends its slices without asking, asks the database when they are not enough."""

import asyncio

from waystation.errors import ServiceUnavailable
from waystation.ledger.rates import store
from waystation.ledger.rates.admission import Admission, Plan
from waystation.ledger.rates.bucket import Bucket, Key, take_all
from waystation.ledger.rates.limiter import ROUND_BUCKETS_MAX, Clock, Database, Limiter, Must
from waystation.ledger.rates.model import Amounts, Unit
from waystation.ledger.rates.refusal import refusal
from waystation.ledger.rates.share import LEASE_MS
from waystation.ledger.rates.slices import FULL, SharedPlan, Slice
from waystation.terms import Caller

ASKS_MAX = 500  # calls of this worker that wait for the database, one of which is asking
REFUSED_MS = (
    100  # so long a refusal stands before the database is asked again: a flood of calls is no flood of questions
)


class SharedLimiter(Limiter):
    """`epoch` is that of the worker's journal, `workers` how many there are: the more, the smaller their slices."""

    def __init__(self, database: Database, clock: Clock, epoch: int, workers: int) -> None:
        super().__init__(database, clock)
        self._epoch = epoch
        self._workers = workers
        self._touched: set[Slice] = set()  # those of which the table has to hear
        self._turn = asyncio.Lock()  # one question at a time: what it says of a slice must not be overtaken
        self._asking = 0
        self._renewed_at = self.now_ms()

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
        self._void_late()
        return super().admit_now(caller, model_name, tokens, stream=stream, images=images, audio_bytes=audio_bytes)

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
        admitted = self.admit_now(caller, model_name, tokens, stream=stream, images=images, audio_bytes=audio_bytes)
        if not isinstance(admitted, Must):
            return admitted
        if self._asking >= ASKS_MAX:
            raise ServiceUnavailable("Too many calls wait for their rate limits. Try again.", retry_after_ms=1_000)
        plan = self._plans.get((caller.key_id, model_name)) or self._plan(caller, model_name)
        if plan is None:
            return None
        streams = 1 if stream else 0
        amounts = (1, tokens, images, -(-audio_bytes // 1_000), streams)
        # In a task of its own: whoever leaves meanwhile must not leave the slices of this worker unlike the table.
        task = asyncio.create_task(self._ask(plan, amounts, model_name))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_undo)
            raise

    async def _ask(self, plan: Plan, amounts: Amounts, model_name: str) -> Admission:
        self._asking += 1
        try:
            async with self._turn:
                self._void_late()
                now_ms = self.now_ms()
                if not take_all(plan.buckets, amounts, now_ms):  # the one before may have brought enough
                    await self._enlarge(plan, amounts, model_name, now_ms)
                return Admission(self, plan, amounts, now_ms, amounts[-1])
        finally:
            self._asking -= 1

    async def _enlarge(self, plan: Plan, amounts: Amounts, model_name: str, now_ms: int) -> None:
        """Take what the call needs, then cover it from the table: all of it or nothing. Raises RateLimitExceeded."""
        slices = [bucket for bucket in plan.buckets if isinstance(bucket, Slice)]
        for some in slices:  # at once, so that nobody spends what is in hand while the database is asked
            some.used += amounts[some.counts] * some.one
        short = [some for some in slices if amounts[some.counts] and some.have < 0]
        self._touched.update(short)
        wishes = [some.cover() for some in short]
        covered = False
        try:
            got = await self._database.write(
                lambda connection: store.exchange(connection, self._epoch, wishes, self._workers, now_ms)
            )
            covered = all(answer.fits for answer in got)
            for some, answer in zip(short, got, strict=True):
                some.accept(answer, now_ms) if covered else some.see(answer, now_ms)
        finally:
            if not covered:
                for some in slices:
                    some.used -= amounts[some.counts] * some.one
        if not covered:
            raise refusal(_seen(plan, now_ms), amounts, model_name, now_ms)

    def _void_late(self) -> None:
        if self._touched and self.now_ms() - self._renewed_at > LEASE_MS:
            for some in self._touched:
                some.void()

    def _short(self, plan: Plan, amounts: Amounts, model_name: str, now_ms: int) -> Must:
        """Refuse what can't ever fit, and what could not a moment ago; else the database has to be asked."""
        seen = _seen(plan, now_ms)
        for some, known in zip(plan.buckets, seen.buckets, strict=True):
            amount = amounts[some.counts]
            asked_at = some.asked_at if isinstance(some, Slice) else None
            lately = asked_at is not None and 0 <= now_ms - asked_at < REFUSED_MS
            if amount and (known.wait_ms(amount, now_ms) is None or (lately and known.missing(amount, now_ms) > 0)):
                raise refusal(seen, amounts, model_name, now_ms)
        return Must.ASK

    # -- slices

    def _new_bucket(self, key: Key, unit: Unit, limit: int) -> Bucket:
        return Slice(key, unit, limit, self.now_ms(), self._touched)

    def _make_plan(self, buckets: list[Bucket]) -> Plan:
        return SharedPlan(buckets)

    def _let_go(self, bucket: Bucket) -> None:
        super()._let_go(bucket)
        if isinstance(bucket, Slice):
            self._touched.discard(bucket)

    async def round(self) -> None:
        """Give back what was not spent since the last round, renew the rest, pay debts. Raises ServiceUnavailable."""
        async with self._turn:
            await self._round(everything=False)

    async def _last_round(self) -> None:
        async with self._turn:
            await self._round(everything=True)
        await self._database.write(lambda connection: store.forget_epoch(connection, self._epoch))

    async def _round(self, *, everything: bool) -> None:
        began_ms = self.now_ms()
        touched = list(self._touched)
        for start in range(0, len(touched), ROUND_BUCKETS_MAX):
            some = touched[start : start + ROUND_BUCKETS_MAX]
            await self._tell(some, everything)
        self._renewed_at = began_ms

    async def _tell(self, some: list[Slice], everything: bool) -> None:
        now_ms = self.now_ms()
        wishes = [part.tell(give=everything or part.used == part.spent_at_round) for part in some]
        try:
            got = await self._database.write(
                lambda connection: store.exchange(connection, self._epoch, wishes, self._workers, now_ms)
            )
        except BaseException:
            for part, wish in zip(some, wishes, strict=True):
                part.untold(wish)
            raise
        for part, answer in zip(some, got, strict=True):
            part.accept(answer, now_ms)
            part.spent_at_round = part.used
            if part.used == FULL and not part.recorded:
                self._touched.discard(part)


def _seen(plan: Plan, now_ms: int) -> Plan:
    return Plan([bucket.seen(now_ms) for bucket in plan.buckets if isinstance(bucket, Slice)])


def _undo(task: "asyncio.Task[Admission]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().undo()
