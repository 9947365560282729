"""One call's hold: written before anything is dispatched, then settled or voided, whichever way the call ends."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from waystation.errors import InsufficientQuota
from waystation.gateway.call import Call
from waystation.ledger.bounds import input_tokens_bound, output_tokens_bound
from waystation.ledger.journal import Journal
from waystation.ledger.model import CREDIT, RECEIVABLE, Books, split
from waystation.ledger.poster import Poster
from waystation.ledger.records import HOLD, PROGRESS, SETTLE, VOID
from waystation.metering.cost import cleaned, cost_nano, hold_nano
from waystation.metering.guess import answer_text, given_token_ids, request_text, tokens_of_bytes
from waystation.terms import Caller, Done, Event, Model, Piece, Price, Usage

FREE = Price("USD", 0, 0, source="unmetered")  # an unmetered model's usage is recorded, at no cost
PROGRESS_EVERY_BYTES = 1_024  # of a streamed answer: so much a crash may lose of what is charged
TEXT_BYTES_MAX = 4_000_000  # kept of an answer to count its tokens; what comes after is guessed by its size
END_USER_CHARS_MAX = 256  # kept of the caller's name for its user

log = logging.getLogger("waystation.ledger")


class Clock(Protocol):
    def now_s(self) -> int: ...
    def monotonic_ns(self) -> int: ...


class Desk:
    """What every hold of a worker uses."""

    __slots__ = ("clock", "count_tokens", "holds", "journal", "poster", "settled", "voided", "wallets")

    def __init__(self, journal: Journal, poster: Poster, clock: Clock, count_tokens: Callable[[str, str], int]) -> None:
        self.journal = journal
        self.poster = poster
        self.clock = clock
        self.count_tokens = count_tokens
        self.wallets: dict[tuple[str, str], Books] = {}  # of prepaid organizations, by (organization, currency)
        self.holds = self.settled = self.voided = 0


class CallHold:
    """`async with` it. Entering holds; a Done that passes `meter` settles; leaving ends what is still open."""

    __slots__ = (
        "_at",
        "_books",
        "_call",
        "_caller",
        "_desk",
        "_end_user",
        "_held_nano",
        "_model",
        "_noted_bytes",
        "_open",
        "_pieces",
        "_price",
        "_text_bytes",
        "_texts",
        "_who",
    )

    def __init__(self, desk: Desk, caller: Caller, model: Model, call: Call) -> None:
        self._desk = desk
        self._caller = caller
        self._model = model
        self._call = call
        self._price = FREE if model.price is None else model.price
        self._books: Books | None = None
        self._open = False
        self._pieces = 0

    async def __aenter__(self) -> "CallHold":
        """Raises InsufficientQuota; ServiceUnavailable when the journal can't be written."""
        call, model, caller, price, desk = self._call, self._model, self._caller, self._price, self._desk
        request, request_id = call.request, call.request_id
        held = hold_nano(input_tokens_bound(call, model), output_tokens_bound(call, model), price)
        if not caller.postpaid:
            self._reserve(held)
        self._held_nano = held
        self._at = desk.clock.now_s()  # of the usage too: a call belongs to the period in which it was held
        end_user = request.end_user
        self._end_user = end_user if end_user is None else end_user[:END_USER_CHARS_MAX]
        self._who = (
            caller.organization_id,
            caller.project_id,
            caller.key_id,
            call.operation.value,
            model.name,
            price.currency,
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
        )
        try:
            desk.journal.begin(request_id, record)
        except BaseException:
            if self._books is not None:
                self._books.void(request_id)
            raise
        self._open = True
        desk.holds += 1
        return self

    def _reserve(self, held: int) -> None:
        """Bind a prepaid organization's credit. Raises InsufficientQuota."""
        books = self._desk.wallets.get((self._caller.organization_id, self._price.currency))
        if books is not None and books.hold(self._call.request_id, held):
            self._books = books
        elif held > 0:
            raise InsufficientQuota("You exceeded your current quota, please check your plan and billing details.")

    def meter(self, event: Event) -> Event:
        """Count what passes; settle on Done, which comes back with its cost."""
        if type(event) is Piece:
            if event.text:
                self._receive(event.text)
        elif type(event) is Done and self._open:
            self._finish(event)
        return event

    def _finish(self, done: Done) -> None:
        usage = done.usage
        if usage is None:
            usage = self._counted(self._text() if self._pieces else answer_text(done.data))
            done.usage = usage
        done.cost_nano = self._settle(usage, "ok")
        done.currency = self._price.currency

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

    async def __aexit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Settle what was metered of a call that did not come to its end; void when nothing came.

        It awaits nothing, so that no cancellation can come between.
        """
        if not self._open:
            return
        if not self._pieces:
            self._void()
            return
        left = kind is not None and issubclass(kind, GeneratorExit | asyncio.CancelledError)
        self._settle(self._counted(self._text()), "cancelled" if left else "error")

    def _text(self) -> str:
        return "".join(self._texts)

    def _counted(self, text: str) -> Usage:
        """What was probably used: the words of the request and of the answer, counted by us."""
        body = self._call.body
        given = self._count(request_text(body)) + given_token_ids(body)
        beyond = max(0, self._text_bytes - TEXT_BYTES_MAX) if self._pieces else 0
        return Usage(given, self._count(text) + tokens_of_bytes(beyond), estimated=True)

    def _count(self, text: str) -> int:
        try:
            return self._desk.count_tokens(text, self._model.name)
        except Exception:  # whatever is wrong with the tokenizer, a call that was held must be settled
            log.exception("%s: tokens can't be counted, guessing by size", self._call.request_id)
            return tokens_of_bytes(len(text.encode(errors="replace")))

    def _settle(self, usage: Usage, status: str) -> int:
        """Write what was used; returns what the caller is charged."""
        call, desk = self._call, self._desk
        usage = cleaned(usage)
        charged, variance = split(cost_nano(usage, self._price), self._held_nano)
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
        )
        desk.journal.end(request_id, record)
        desk.poster.add(record)
        if self._books is not None:
            self._books.settle(request_id, charged)
        if variance:
            log.warning(
                "%s: %s cost %d nano more than could be held; it is ours", request_id, self._model.name, variance
            )
        desk.settled += 1
        self._open = False
        return charged

    def _void(self) -> None:
        request_id = self._call.request_id
        self._desk.journal.end(request_id, (VOID, request_id))
        if self._books is not None:
            self._books.void(request_id)
        self._desk.voided += 1
        self._open = False
