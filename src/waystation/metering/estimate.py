"""What a call costs before it is made: the same arithmetic as its hold and its settlement."""

from typing import NamedTuple

import msgspec

from waystation.metering.cost import cost_nano, hold_nano
from waystation.metering.tokens import Tokenizers
from waystation.terms import Price, Usage
from waystation.wire.estimate import EstimateRequest
from waystation.wire.prompts import TokenOrText


class Estimate(NamedTuple):
    """In 10⁻⁹ of the price's currency."""

    cost_min_nano: int  # the input alone
    cost_max_nano: int  # with the longest answer, at the dearest rates that may apply
    cost_nano: int | None  # with the answer that was asked about


def estimate(
    price: Price,
    input_tokens: int,
    output_tokens_max: int,
    output_tokens: int | None = None,
    cached_tokens: int = 0,
    tier: str | None = None,
) -> Estimate:
    """`cost_max_nano` is what a hold of these tokens would be. (A call's own hold bounds its input by its bytes.)"""
    most = max(output_tokens_max, output_tokens or 0)
    return Estimate(
        cost_nano(Usage(input_tokens, 0, cached_tokens), price, tier),
        hold_nano(input_tokens, most, price, tier),
        None if output_tokens is None else cost_nano(Usage(input_tokens, output_tokens, cached_tokens), price, tier),
    )


def count_input(tokenizers: Tokenizers, request: EstimateRequest, model: str) -> int:
    """How many tokens a request's input has: its messages, or its texts or token ids. Tools are counted as their JSON."""
    if request.messages is not None:
        count = tokenizers.count_chat(msgspec.to_builtins(request.messages), model)[0]
    else:
        given = request.input if request.prompt is None else request.prompt
        count = sum(
            _count_item(tokenizers, item, model) for item in (given if isinstance(given, list) else [given or ""])
        )
    if request.tools:
        count += tokenizers.count_tokens(msgspec.json.encode(request.tools).decode(), model)[0]
    return count


def _count_item(tokenizers: Tokenizers, item: TokenOrText, model: str) -> int:
    if isinstance(item, str):
        return tokenizers.count_tokens(item, model)[0]
    return len(item) if isinstance(item, list) else 1
