"""Which model a call's name means, and what it costs this caller."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from waystation.catalogue import store
from waystation.catalogue.prices import Prices
from waystation.errors import ModelNotFound
from waystation.gateway.call import Call
from waystation.terms import Caller, Model

T = TypeVar("T")

PRICED_MAX = 50_000  # models as callers pay for them that are kept; past it all are worked out anew


class Read(Protocol):
    """A reading transaction of the database."""

    def __call__(self, fn: Callable[[Connection], T], /) -> Awaitable[T]: ...


class Catalogue:
    """Models by name. `models` is the view's own dict, so an added model is there as soon as the view knows.

    Without `read` no prices are entered: each model has its own, in its own currency.
    """

    def __init__(self, models: Mapping[str, Model], now_s: Callable[[], int], read: Read | None = None) -> None:
        self._models = models
        self._now_s = now_s
        self._read = read
        self._prices = Prices()
        self._until: int | None = None  # when a price begins that is entered already
        # By (project, currency, name): the model that it was made of, and the model with the caller's price.
        self._priced: dict[tuple[str, str, str], tuple[Model, Model]] = {}

    def resolve(self, call: Call, caller: Caller) -> Model:
        """The model of a call, with the caller's price in the caller's currency.

        Raises ModelNotFound in OpenAI's words; PriceMissing when nobody has said what it costs in that currency.
        """
        return self.for_caller(call.request.model, caller)

    def for_caller(self, name: str, caller: Caller) -> Model:
        """As `resolve`, by name."""
        model = self._models.get(name)
        if model is None:
            raise _not_found(name)
        price = model.price
        if not self._prices and (price is None or price.currency == caller.currency):
            return model
        if self._until is not None and self._now_s() >= self._until:
            self._forget()
        found = self._priced.get((caller.project_id, caller.currency, name))
        if found is not None and found[0] is model:
            return found[1]
        return self._price(model, caller)

    def effective_at(self, model: Model, caller: Caller) -> int | None:
        """Since when a caller's price holds (UTC seconds); None: it is the model's own, which has no day."""
        row = self._prices.row_of(model, caller.organization_id, caller.project_id, self._now_s())
        return None if row is None else row.effective_at

    def _price(self, model: Model, caller: Caller) -> Model:
        price = self._prices.price_of(model, caller.organization_id, caller.project_id, caller.currency, self._now_s())
        priced = model if price is model.price else msgspec.structs.replace(model, price=price)
        if len(self._priced) >= PRICED_MAX:
            self._priced.clear()
        self._priced[caller.project_id, caller.currency, model.name] = (model, priced)
        return priced

    def _forget(self) -> None:
        self._priced.clear()
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
        """A model as it is offered, whoever asks. Raises ModelNotFound."""
        model = self._models.get(name)
        if model is None:
            raise _not_found(name)
        return model

    def listed(self) -> list[Model]:
        return list(self._models.values())


def _not_found(name: str) -> ModelNotFound:
    return ModelNotFound(
        f"The model `{name[:200]}` does not exist or you do not have access to it. GET /v1/models lists those that do."
    )
