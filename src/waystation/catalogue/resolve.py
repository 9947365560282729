"""Which model a call's name means, and what it costs this caller."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from waystation.catalogue import store
from waystation.catalogue.choosing import Known, choose, explain
from waystation.catalogue.plan import (
    IsLive,
    LatencyMs,
    Planned,
    always_live,
    model_line,
    never_measured,
    retired,
    takes_canary,
)
from waystation.catalogue.prices import Prices
from waystation.catalogue.question import Question
from waystation.errors import ModelNotFound, PriceMissing
from waystation.gateway.call import Call
from waystation.terms import Caller, Model, Price

T = TypeVar("T")

PRICED_MAX = 50_000  # models as callers pay for them that are kept; past it all are worked out anew
HOPS_MAX = 8  # from name to name: choices, replacements of replacements
TOLD_MAX = 1_000  # fallbacks without a price that were told of in the log

log = logging.getLogger("waystation.catalogue")


class Read(Protocol):
    """A reading transaction of the database."""

    def __call__(self, fn: Callable[[Connection], T], /) -> Awaitable[T]: ...


class Catalogue:
    """Models by name. `models` is the view's own dict, so an added model is there as soon as the view knows.

    Without `read` no prices are entered: each model has its own, in its own currency. `is_live` says whether a model has a
    deployment that is well, `latency_ms` how fast it has been answering.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        now_s: Callable[[], int],
        read: Read | None = None,
        *,
        is_live: IsLive = always_live,
        latency_ms: LatencyMs = never_measured,
    ) -> None:
        self._models = models
        self._now_s = now_s
        self._read = read
        self._is_live = is_live
        self._latency_ms = latency_ms
        self._prices = Prices()
        self._until: int | None = None  # when a price begins that is entered already
        # By (project, currency, name): the model that it was made of, and the model with the caller's price.
        self._priced: dict[tuple[str, str, str], tuple[Model, Model]] = {}
        # By what it was made of (kept, so that no other may take its address): who answers at another's price.
        self._standing_in: dict[tuple[int, int], tuple[Model, Model, Model]] = {}
        self._told: set[tuple[str, str, str]] = set()

    def resolve(self, call: Call, caller: Caller) -> Model:
        """The model of a call, with the caller's price in the caller's currency.

        Raises ModelNotFound in OpenAI's words; PriceMissing when nobody has said what it costs in that currency.
        """
        model = self._models.get(call.request.model)
        if type(model) is Model:  # most are: a name, its deployments, its price
            return self._for_caller(model, caller)
        if model is None:
            raise _not_found(call.request.model)
        return self._follow(call, caller, model) if isinstance(model, Planned) else self._for_caller(model, caller)

    def for_caller(self, name: str, caller: Caller) -> Model:
        """As `resolve`, by name: what a choice chooses first, and of a retired model what replaces it."""
        return self._for_caller(self._unretired(self.named(name)), caller)

    def _for_caller(self, model: Model, caller: Caller) -> Model:
        price = model.price
        if not self._prices and (price is None or price.currency == caller.currency) and not model.fallbacks:
            return model
        if self._until is not None and self._now_s() >= self._until:
            self._forget()
        found = self._priced.get((caller.project_id, caller.currency, model.name))
        if found is not None and found[0] is model:
            return found[1]
        return self._price(model, caller)

    def effective_at(self, model: Model, caller: Caller) -> int | None:
        """Since when a caller's price holds (UTC seconds); None: it is the model's own, which has no day."""
        row = self._prices.row_of(model, caller.organization_id, caller.project_id, self._now_s())
        return None if row is None else row.effective_at

    def _price(self, model: Model, caller: Caller) -> Model:
        price = self._price_of(model, caller)
        priced = model if price is model.price else msgspec.structs.replace(model, price=price)
        if model.fallbacks:
            priced = msgspec.structs.replace(priced, fallbacks=self._fallbacks(model, caller))
        if len(self._priced) >= PRICED_MAX:
            self._priced.clear()
        self._priced[caller.project_id, caller.currency, model.name] = (model, priced)
        return priced

    def _price_of(self, model: Model, caller: Caller) -> Price | None:
        now = self._now_s()
        return self._prices.price_of(model, caller.organization_id, caller.project_id, caller.currency, now)

    def _fallbacks(self, model: Model, caller: Caller) -> tuple[Model, ...]:
        """Those of a model as the caller pays for them. One without a price in the caller's currency can't stand in."""
        found = []
        for fallback in model.fallbacks:
            try:
                price = self._price_of(fallback, caller)
            except PriceMissing as error:
                self._tell_once(model.name, fallback.name, caller.currency, error)
                continue
            found.append(fallback if price is fallback.price else msgspec.structs.replace(fallback, price=price))
        return tuple(found)

    def _tell_once(self, model: str, fallback: str, currency: str, error: PriceMissing) -> None:
        if (model, fallback, currency) in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told.add((model, fallback, currency))
        log.warning("%s does not stand in for %s where people pay in %s: %s", fallback, model, currency, error.message)

    # -- names that are more than a model

    def _follow(self, call: Call, caller: Caller, asked: Planned) -> Model:
        """From the name that was asked for to the model that answers; what is to be said about that goes into the notes."""
        plan = asked.plan
        end = self._end(asked, call, caller)
        answering = self._canary(call, end) or end
        if answering is asked:
            call.notes += plan.notes + plan.says_model
            return self._for_caller(answering, caller)
        call.notes += plan.notes + model_line(answering.alias_of or answering.name)
        # A choice has no price of its own: it costs what it chooses. All others are never dearer than they say.
        payer = end if plan.rules else asked
        if answering is payer:
            return self._for_caller(answering, caller)
        return self._stand_in(call, caller, answering, payer, is_canary=answering is not end)

    def _end(self, model: Model, call: Call, caller: Caller) -> Model:
        """The model behind choices and replacements. Raises ModelNotFound when a retired one has no replacement."""
        for _ in range(HOPS_MAX):
            if not isinstance(model, Planned):
                return model
            if self._is_retired(model):
                model = self._replacement(model)
            elif model.plan.rules:
                choice = choose(model.plan.rules, Question(call), self._known(caller))
                # When none can do it: the first, so that `policy` says what it can't.
                model = self._models.get(model.alias_of or "" if choice is None else choice.name) or model
            else:
                return model
        raise _not_found(model.name)

    def _known(self, caller: Caller) -> Known:
        def payable(name: str) -> Model | None:
            try:
                return self.for_caller(name, caller)
            except (ModelNotFound, PriceMissing):
                return None

        return Known(payable, self._is_live, self._latency_ms)

    def _canary(self, call: Call, model: Model) -> Model | None:
        """The model that is tried in a model's place, when this call is in its share and it is well and able."""
        canary = model.plan.canary if isinstance(model, Planned) else None
        if canary is None:
            return None
        user = getattr(call.request, "end_user", None)  # a person meets one version, not now this and now that
        subject = f"{call.project}/{user}" if user else call.request_id
        if not takes_canary(canary, model.alias_of or model.name, subject):
            return None
        other = self._models.get(canary.model)
        if other is None or (isinstance(other, Planned) and (other.plan.rules or self._is_retired(other))):
            return None
        return other if self._is_live(other) and Question(call).can_be_answered_by(other) else None

    def _stand_in(self, call: Call, caller: Caller, answering: Model, payer: Model, *, is_canary: bool) -> Model:
        """A model that answers in another's place: its price is told to the ledger, which charges at most the other's."""
        try:
            other = self._for_caller(payer, caller)
        except PriceMissing:
            if is_canary:
                raise
            return self._for_caller(answering, caller)
        try:
            model = self._for_caller(answering, caller)
        except PriceMissing:
            if is_canary:  # it is only tried
                return other
            raise
        call.served = model
        key = (id(model), id(other))
        made = self._standing_in.get(key)
        if made is not None and made[0] is model and made[1] is other:
            return made[2]
        result = msgspec.structs.replace(model, price=other.price)
        if (
            is_canary
        ):  # what is tried must not make anything fail: the model itself is its first fallback, its route holds
            itself = msgspec.structs.replace(other, fallbacks=())
            result = msgspec.structs.replace(result, fallbacks=(itself, *other.fallbacks), route=other.route)
        if len(self._standing_in) >= PRICED_MAX:
            self._standing_in.clear()
        self._standing_in[key] = (model, other, result)
        return result

    def _is_retired(self, model: Model) -> bool:
        at = model.plan.sunset_at if isinstance(model, Planned) else None
        return at is not None and self._now_s() >= at

    def _replacement(self, model: Planned) -> Model:
        """What answers after a model's sunset. Raises ModelNotFound when nothing does."""
        found = self._models.get(model.plan.replacement or "")
        if found is None or found is model:
            raise retired(model.name, model.plan)
        return found

    def explain(self, call: Call, caller: Caller) -> tuple[str, str, str]:
        """The model that a call's name would lead to now, and why, in English and Chinese. Raises as `resolve` does."""
        asked = self.named(call.request.model)
        if not isinstance(asked, Planned) or not asked.plan.rules:
            name = self.for_caller(asked.name, caller)
            return name.alias_of or name.name, *_named_so(asked.name, name)
        choice = choose(asked.plan.rules, Question(call), self._known(caller))
        if choice is None:
            first = asked.alias_of or asked.name
            return (
                first,
                f"No rule leads to a model that can do this; `{first}` is asked.",
                (f"没有规则能找到可以处理该请求的模型，将使用 `{first}`。"),
            )
        return choice.name, *explain(choice, asked.plan.rules)

    # -- prices, and what there is

    def _forget(self) -> None:
        self._priced.clear()
        self._standing_in.clear()
        self._until = self._prices.next_change(self._now_s())

    async def prices_changed(self, subjects: Sequence[str] = ()) -> None:
        """Read the prices anew. A listener of the topic `service.PRICES`; to be called once at the start too."""
        if self._read is None:
            return
        # Made in the reader's thread: a long price list takes no time from the calls.
        self._prices = await self._read(
            lambda connection: Prices(store.prices(connection), store.exchange_rates(connection))
        )
        self._forget()

    def named(self, name: str) -> Model:
        """A model as it is offered, whoever asks. Raises ModelNotFound, also of one that was retired for nothing."""
        model = self._models.get(name)
        if model is None:
            raise _not_found(name)
        self._unretired(model)
        return model

    def listed(self) -> list[Model]:
        """All but those that were retired."""
        return [model for model in self._models.values() if not self._is_retired(model)]

    def _unretired(self, model: Model) -> Model:
        for _ in range(HOPS_MAX):
            if not isinstance(model, Planned) or not self._is_retired(model):
                return model
            model = self._replacement(model)
        raise _not_found(model.name)


def _named_so(asked: str, model: Model) -> tuple[str, str]:
    name = model.alias_of or model.name
    if name == asked:
        return f"`{asked}` is a model.", f"`{asked}` 是一个模型。"
    return f"`{asked}` stands for `{name}`.", f"`{asked}` 代表 `{name}`。"


def _not_found(name: str) -> ModelNotFound:
    return ModelNotFound(
        f"The model `{name[:200]}` does not exist or you do not have access to it. GET /v1/models lists those that do."
    )
