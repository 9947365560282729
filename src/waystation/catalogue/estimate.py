"""What a call would cost this caller: the model, its price for the caller, and the arithmetic, in one answer."""

import asyncio
from collections.abc import Callable

from msgspec import UNSET

from waystation.catalogue.resolve import Catalogue
from waystation.errors import InvalidRequest
from waystation.metering.cost import TOKENS_MAX
from waystation.metering.estimate import estimate
from waystation.metering.price_text import decimal_of, written_price
from waystation.terms import Caller, Model, Price
from waystation.wire.estimate import EstimateRequest, Estimation, read_estimate, uncountable


class Estimates:
    """`count` says how many tokens a request's input has for a model; it may take long and is called in a thread."""

    def __init__(self, catalogue: Catalogue, count: Callable[[EstimateRequest, str], int]) -> None:
        self._catalogue = catalogue
        self._count = count

    async def estimate(self, body: bytes, caller: Caller) -> Estimation:
        """The answer to POST /v1/waystation/estimate.

        Raises InvalidRequest with `param`, ModelNotFound, PriceMissing.
        """
        request = read_estimate(body)
        model = self._catalogue.for_caller(request.model, caller)
        input_tokens = request.input_tokens
        if input_tokens is None:
            if uncountable(request):
                raise InvalidRequest(
                    "Pictures, sound and files can't be counted before a call. Send 'input_tokens' instead of 'messages'.",
                    param="messages",
                    code="invalid_value",
                )
            input_tokens = await asyncio.to_thread(self._count, request, model.alias_of or model.name)
        if (request.cached_tokens or 0) > input_tokens:
            raise InvalidRequest(
                f"Cached tokens are part of the input, which has {input_tokens}.",
                param="cached_tokens",
                code="invalid_value",
            )
        return estimation(
            model,
            self._catalogue.effective_at(model, caller),
            caller.currency,
            input_tokens,
            output_tokens_max(model, request.output_tokens_asked, request.n or 1),
            request.output_tokens,
            request.cached_tokens or 0,
            request.tier or request.service_tier,
        )


def output_tokens_max(model: Model, asked: int | None, choices: int) -> int:
    """The most output that a call may have: what it asks for or the model can, for each choice."""
    most = model.abilities.output_tokens_max
    return min((most if asked is None else min(asked, most)) * choices, TOKENS_MAX)


def estimation(
    model: Model,
    effective_at: int | None,
    currency: str,
    input_tokens: int,
    output_most: int,
    output_tokens: int | None,
    cached_tokens: int,
    tier: str | None,
) -> Estimation:
    """The answer. An unmetered model costs nothing, and says so. Raises PriceMissing."""
    price = model.price or Price(currency, 0, 0)
    found = estimate(price, input_tokens, output_most, output_tokens, cached_tokens, tier)
    cost = found.cost_nano
    return Estimation(
        model=model.name,
        currency=price.currency,
        unmetered=model.price is None,
        input_tokens=input_tokens,
        output_tokens_max=output_most,
        cost_min=decimal_of(found.cost_min_nano),
        cost_min_nano=str(found.cost_min_nano),
        cost_max=decimal_of(found.cost_max_nano),
        cost_max_nano=str(found.cost_max_nano),
        cost=UNSET if cost is None else decimal_of(cost),
        cost_nano=UNSET if cost is None else str(cost),
        price=written_price(model.price),
        price_source=None if model.price is None else price.source,
        price_effective_at=effective_at,
    )
