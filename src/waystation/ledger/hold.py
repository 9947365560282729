"""One call's hold: written before anything is dispatched, then settled or voided, whichever way the call ends."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from waystation.errors import InsufficientQuota, ServiceUnavailable
from waystation.gateway.call import Call
from waystation.ledger.bounds import Bounds, Excess, answer_tokens_max, asked_tier, bounds_of, tighter
from waystation.ledger.funds.bank import Bank, Drawer
from waystation.ledger.funds.model import Purse, grab
from waystation.ledger.journal import Journal
from waystation.ledger.model import CREDIT, RECEIVABLE, split
from waystation.ledger.poster import Poster
from waystation.ledger.rates.admission import Admission
from waystation.ledger.rates.estimate import tokens_estimated
from waystation.ledger.rates.limiter import Limiter, Must
from waystation.ledger.records import EXTEND, HOLD, PROGRESS, SETTLE, VOID
from waystation.ledger.serving import charge_of, extra_of
from waystation.ledger.watch import Watch
from waystation.metering.cost import charged_nano, cleaned, hold_nano
from waystation.metering.guess import answer_text, given_token_ids, request_text, tokens_of_bytes
from waystation.metering.plausible import is_far_off
from waystation.terms import ENGINE, FREE_RUNGS, Caller, Done, Event, Model, Piece, Price, Rung, Usage

FREE = Price("USD", 0, 0, source="unmetered")  # an unmetered model's usage is recorded, at no cost
PROGRESS_EVERY_BYTES = 1_024  # of a streamed answer: so much a crash may lose of what is charged
TEXT_BYTES_MAX = 4_000_000  # kept of an answer to count its tokens; what comes after is guessed by its size
END_USER_CHARS_MAX = 256  # kept of the caller's name for its user
EXCESSES_MAX = 10_000  # deployments that were seen to take more than their calls' bounds
_PRIMARY = Rung.PRIMARY

log = logging.getLogger("waystation.ledger")


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_ns(self) -> int: ...


class Desk:
    """What every hold of a worker uses."""

    __slots__ = (
        "_latest",
        "bank",
        "clock",
        "count_tokens",
        "difference_percent",
        "excess",
        "holds",
        "journal",
        "limiter",
        "poster",
        "settled",
        "voided",
    )

    def __init__(
        self,
        journal: Journal,
        poster: Poster,
        bank: Bank,
        limiter: Limiter,
        clock: Clock,
        count_tokens: Callable[[str, str], int],
        difference_percent: int,
    ) -> None:
        self.journal = journal
        self.poster = poster
        self.bank = bank
        self.limiter = limiter
        self.clock = clock
        self.count_tokens = count_tokens
        self.difference_percent = difference_percent  # a provider's count that is further from ours is flagged
        self.excess: dict[str, Excess] = {}  # by deployment: what it was seen to use beyond the bounds of a call
        self.holds = self.settled = self.voided = 0
        self._latest = 0

    def now_s(self) -> int:
        """UTC seconds that never go back: a clock that is set back must not open a budget's last period again."""
        now = self.clock.now_s()
        if now < self._latest:
            return self._latest
        self._latest = now
        return now


class CallHold:
    """`async with` it. Entering holds; a Done that passes `meter` settles; leaving ends what is still open."""

    __slots__ = (
        "_admission",
        "_at",
        "_bounds",
        "_call",
        "_caller",
        "_currency",
        "_desk",
        "_end_user",
        "_funds",
        "_held_nano",
        "_model",
        "_noted_bytes",
        "_open",
        "_pieces",
        "_price",
        "_purses",
        "_text_bytes",
        "_texts",
        "_tier",
        "_watch",
        "_who",
        "short",
    )

    def __init__(self, desk: Desk, caller: Caller, model: Model, call: Call) -> None:
        self._desk = desk
        self._caller = caller
        self._model = model
        self._call = call
        self._price = FREE if model.price is None else model.price
        self._currency = caller.currency if model.price is None else model.price.currency
        self._purses: tuple[Purse, ...] = ()
        self._funds: tuple[int, ...] = ()  # their numbers, as records have them
        self._admission: Admission | None = None
        self._open = False
        self._pieces = 0
        self._watch: Watch | None = None
        self.short = False  # the answer grows beyond what is held: `extend` wants to be awaited

    # -- holding

    async def __aenter__(self) -> "CallHold":
        """Raises RateLimitExceeded, InsufficientQuota; ServiceUnavailable when the journal can't be written."""
        if self._desk.limiter.has_limits:
            await self._admit()
        try:
            await self._begin()
        except BaseException:
            if self._admission is not None:
                self._admission.undo()
            raise
        return self

    async def _admit(self) -> None:
        """Take the call's share of the limits that apply to it."""
        call, caller, limiter, name = self._call, self._caller, self._desk.limiter, self._model.name
        tokens, stream = tokens_estimated(call, self._model), call.request.stream
        admission = limiter.admit_now(caller, name, tokens, stream=stream)
        if isinstance(admission, Must):
            admission = await limiter.admit(caller, name, tokens, stream=stream)
        if admission is not None:
            self._admission = admission
            call.limit_headers = admission.headers()

    async def _begin(self) -> None:
        """Hold the money, and write that down."""
        call, model, caller, price, desk = self._call, self._model, self._caller, self._price, self._desk
        request, request_id = call.request, call.request_id
        self._at = desk.now_s()  # of the usage too: a call belongs to the period in which it was held
        end_user = request.end_user
        self._end_user = end_user if end_user is None else end_user[:END_USER_CHARS_MAX]
        self._tier = asked_tier(call)
        self._bounds = bounds_of(call, model, desk.excess.get(model.deployment.name) if desk.excess else None)
        held = self._cost_of(self._bounds)
        if held:
            purses = desk.bank.find(caller, model.name, self._end_user, self._at)
            if purses:
                held = await self._hold_from(purses, held)
            self._funds = tuple([purse.fund_id for purse in self._purses])
        self._held_nano = held
        self._who = (
            caller.organization_id,
            caller.project_id,
            caller.key_id,
            call.operation.value,
            model.name,
            self._currency,
        )
        record = (
            HOLD,
            request_id,
            self._at,
            *self._who,
            model.deployment.name,
            self._end_user,
            len(call.body),
            held,
            1 if request.stream else 0,
            RECEIVABLE if caller.postpaid else CREDIT,
            price.input_nano_per_million,
            price.output_nano_per_million,
            price.request_nano,
            self._funds,
        )
        try:
            desk.journal.begin(request_id, record)
        except BaseException:
            desk.bank.settle(self._purses, held, 0)
            raise
        self._open = True
        desk.holds += 1

    async def _hold_from(self, purses: tuple[Purse, ...], full: int) -> int:
        """Hold from the caller's budgets and credit. A stream begins with a first step of output, and is watched."""
        bounds = self._bounds
        if self._call.request.stream and bounds.first_step < bounds.output_tokens:
            bounds = bounds.with_output(bounds.first_step)
            full = self._cost_of(bounds)
        if grab(purses, full, self._at):
            self._purses, held = purses, full
        else:
            held = await self._hold_what_is_left(full, bounds)
        if bounds.output_tokens < self._bounds.output_tokens and self._call.output_tokens_max is None:
            self._watch = Watch(bounds.output_tokens)
        return held

    async def _hold_what_is_left(self, full: int, bounds: Bounds) -> int:
        """Ask for more than is at hand. When less is left than the call may cost, its answer is made shorter."""
        drawer = Drawer(self._caller, self._model.name, self._end_user, self._at)
        input_is_counted = False

        async def least() -> int:
            nonlocal bounds, input_is_counted
            if not input_is_counted:
                bounds = await asyncio.to_thread(tighter, bounds, self._call, self._given_tokens)
                input_is_counted = True
            return self._cost_of(bounds.with_output(bounds.least_output))

        self._purses, held = await self._desk.bank.hold(drawer, full, least)
        if held < full:
            tokens = answer_tokens_max(held, bounds, self._price, self._tier)
            self._call.output_tokens_max = tokens // bounds.choices
        return held

    def _cost_of(self, bounds: Bounds) -> int:
        return hold_nano(bounds.input_tokens, bounds.output_tokens, self._price, self._tier) + bounds.fees_nano

    # -- metering

    def meter(self, event: Event) -> Event:
        """Count what passes; settle on Done, which comes back with its cost."""
        if type(event) is Piece:
            if event.text:
                self._receive(event.text)
        elif type(event) is Done and self._open:
            self._finish(event)
        return event

    def _finish(self, done: Done) -> None:
        call, usage, flagged = self._call, done.usage, 0
        if usage is None:
            usage = self._counted(self._text() if self._pieces else answer_text(done.data))
            done.usage = usage
        elif call.rung is not _PRIMARY and call.rung in FREE_RUNGS:
            pass  # it was looked at when it was made
        elif (call.served or self._model).deployment.provider != ENGINE and self._is_far_off(usage, done):
            flagged = 1
        done.cost_nano = self._settle(usage, "ok", flagged)
        done.currency = self._currency

    def _receive(self, text: str) -> None:
        if not self._pieces:
            self._texts: list[str] = []
            self._text_bytes = self._noted_bytes = 0
        self._pieces += 1
        self._text_bytes += len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self._text_bytes <= TEXT_BYTES_MAX:
            self._texts.append(text)
        if self._text_bytes - self._noted_bytes >= PROGRESS_EVERY_BYTES:
            self._noted_bytes = self._text_bytes
            self._desk.journal.note((PROGRESS, self._call.request_id, self._pieces, self._text_bytes))
        if self._watch is not None and self._text_bytes > self._watch.enough_bytes:
            self.short = True

    async def extend(self) -> None:
        """The answer has grown as far as it was surely paid for: hold another step, or else let it end there.

        First what is at hand. Only when there is none its tokens are counted, so that the last of a budget is used up.
        """
        watch, bounds = self._watch, self._bounds
        self.short = False
        if watch is None:
            return
        more = min(bounds.output_tokens, watch.held_tokens + bounds.first_step)
        step = self._cost_of(bounds.with_output(more)) - self._held_nano
        if step <= 0 or await self._hold_more(step):
            watch.grow(more, self._text_bytes)
            if more >= bounds.output_tokens:
                self._watch = None  # held whole
        elif not watch.goes_on(self._count(self._text()), self._text_bytes):
            self._call.cut = True
            self._watch = None

    async def _hold_more(self, amount: int) -> bool:
        desk = self._desk
        try:
            if not await desk.bank.extend(self._purses, amount):
                return False
        except (InsufficientQuota, ServiceUnavailable):
            return False
        if not self._open:  # the call has ended in the meantime
            desk.bank.settle(self._purses, amount, 0)
            return False
        if not desk.journal.extend((EXTEND, self._call.request_id, self._held_nano + amount)):
            desk.bank.settle(self._purses, amount, 0)
            return False
        self._held_nano += amount
        return True

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Settle what was metered of a call that did not come to its end; void when nothing came.

        It awaits nothing, so that no cancellation can come between.
        """
        if not self._open:
            if self._admission is not None:
                self._admission.release()
            return
        left = kind is not None and issubclass(kind, GeneratorExit | asyncio.CancelledError)
        if not self._pieces and not (left and self._call.tool_calls):
            self._void()
            return
        self._settle(self._counted(self._text() if self._pieces else ""), "cancelled" if left else "error")

    # -- counting

    def _text(self) -> str:
        return "".join(self._texts)

    def _counted(self, text: str) -> Usage:
        """What was probably used: the words of the request and of the answer, counted by us."""
        beyond = max(0, self._text_bytes - TEXT_BYTES_MAX) if self._pieces else 0
        used = Usage(self._given_tokens(), self._count(text) + tokens_of_bytes(beyond), estimated=True)
        used.tool_calls = self._call.tool_calls
        return used

    def _given_tokens(self) -> int:
        body = self._call.body
        return self._count(request_text(body)) + given_token_ids(body)

    def _count(self, text: str) -> int:
        try:
            return self._desk.count_tokens(text, (self._call.served or self._model).name)
        except Exception:  # whatever is wrong with the tokenizer, a call that was held must be settled
            log.exception("%s: tokens can't be counted, guessing by size", self._call.request_id)
            return tokens_of_bytes(len(text.encode(errors="replace")))

    def _is_far_off(self, usage: Usage, done: Done) -> bool:
        """Whether a provider's count differs from ours by more than can be explained."""
        said = usage.output_tokens - usage.reasoning_tokens - usage.audio_output_tokens
        if self._pieces:
            return is_far_off(said, self._text_bytes, lambda: self._count(self._text()), self._desk.difference_percent)
        if said * 3 < len(done.data):  # its JSON is longer than its words; nothing is counted for less
            return False
        text = answer_text(done.data)
        return is_far_off(
            said, len(text.encode(errors="replace")), lambda: self._count(text), self._desk.difference_percent
        )

    # -- ending

    def _settle(self, usage: Usage, status: str, flagged: int = 0) -> int:
        """Write what was used; returns what the caller is charged."""
        call, desk = self._call, self._desk
        said, usage = usage, cleaned(usage)
        if usage is not said and usage != said:  # it could not be as the provider said
            flagged = 1
        if call.rung is _PRIMARY and call.attempts < 2 and call.served is None:
            cost, without_rate = charged_nano(usage, self._price, self._tier)
            extra = extra_of(usage) if usage is not said else None  # what few calls use is never the same object
        else:
            usage, cost, without_rate, extra = charge_of(call, usage, self._price, self._currency, self._tier)
        charged, variance = split(cost, self._held_nano)
        if variance or without_rate:
            flagged = 1
        request_id = call.request_id
        record = (
            SETTLE,
            request_id,
            self._at,
            *self._who,
            call.deployment or self._model.deployment.name,
            self._end_user,
            usage.input_tokens,
            usage.output_tokens,
            usage.cached_tokens,
            usage.reasoning_tokens,
            1 if usage.estimated else 0,
            status,
            charged,
            variance,
            (desk.clock.monotonic_ns() - call.started_ns) // 1_000_000,
            1 if call.request.stream else 0,
            RECEIVABLE if self._caller.postpaid else CREDIT,
            flagged,
            usage.tier,
            extra,
            self._funds,
        )
        desk.poster.add(record, written=desk.journal.end(request_id, record))
        if self._purses:
            desk.bank.settle(self._purses, self._held_nano, charged)
        if self._admission is not None:
            self._admission.correct(usage.input_tokens + usage.output_tokens)
            self._admission.release()
        if variance:
            self._learn(usage, variance)
        desk.settled += 1
        self._open = False
        return charged

    def _learn(self, usage: Usage, variance: int) -> None:
        """A provider took more than could be held: the next calls to this deployment are held for that, too."""
        name, excess = self._model.deployment.name, self._desk.excess
        if name in excess or len(excess) < EXCESSES_MAX:
            excess[name] = excess.get(name, Excess()).and_also(usage, self._bounds)
        log.warning("%s: %s cost %d nano more than could be held; it is ours", self._call.request_id, name, variance)

    def _void(self) -> None:
        request_id = self._call.request_id
        self._desk.journal.end(request_id, (VOID, request_id))
        if self._purses:
            self._desk.bank.settle(self._purses, self._held_nano, 0)
        if self._admission is not None:
            self._admission.correct(0)
            self._admission.release()
        self._desk.voided += 1
        self._open = False
