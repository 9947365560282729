"""What a call costs: integer arithmetic on what was used and a price. Who pays is the ledger's business."""

from waystation.errors import InvalidRequest, PriceMissing
from waystation.terms import Price, Usage

TOKENS_MAX = (
    100_000_000  # of a kind in one call; more is a provider's mistake, and would not fit 64 bits when summed up
)
RATE_NANO_PER_MILLION_MAX = 10**13  # 10 000 units of the currency for a million tokens
_MILLION = 1_000_000


def cost_nano(usage: Usage, price: Price | None, tier: str | None = None) -> int:
    """Price one call, in 10⁻⁹ of the price's currency.

    Cached tokens are part of input_tokens and have their own rate, so they are taken out first. Reasoning tokens are
    part of output_tokens and cost the same. Rounds half up, here and nowhere else, so that posted entries add up
    exactly.
    Raises PriceMissing without a price: unknown is never free. (That a model is unmetered is its administrator's word,
    and the ledger asks for no price then.)
    Source: FAQ 10, worked examples; OpenAI usage object.
    """
    if price is None:
        raise PriceMissing("This model has no price.")
    input_rate = price.input_nano_per_million
    total = usage.input_tokens * input_rate + usage.output_tokens * price.output_nano_per_million
    if usage.cached_tokens and price.cached_input_nano_per_million is not None:
        total -= usage.cached_tokens * (input_rate - price.cached_input_nano_per_million)
    return (total + _MILLION // 2) // _MILLION


def hold_nano(input_tokens_bound: int, output_tokens_bound: int, price: Price, tier: str | None = None) -> int:
    """The most that a call of these bounds can cost: no rounding of a real cost comes out above it."""
    cached_rate = price.cached_input_nano_per_million
    input_rate = price.input_nano_per_million
    if cached_rate is not None and cached_rate > input_rate:
        input_rate = cached_rate
    total = input_tokens_bound * input_rate + output_tokens_bound * price.output_nano_per_million
    return (total + _MILLION // 2) // _MILLION


def cleaned(usage: Usage) -> Usage:
    """A usage as it may be charged: a provider's word is untrusted input; parts fit their wholes, all fit the books."""
    given, made, cached, reasoning = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
    )
    if 0 <= cached <= given <= TOKENS_MAX and 0 <= reasoning <= made <= TOKENS_MAX:
        return usage
    given, made = min(max(given, 0), TOKENS_MAX), min(max(made, 0), TOKENS_MAX)
    return Usage(given, made, min(max(cached, 0), given), min(max(reasoning, 0), made), usage.estimated)


def check_price(price: Price) -> Price:
    """A price that somebody entered. Raises InvalidRequest."""
    rates = [price.input_nano_per_million, price.output_nano_per_million, price.cached_input_nano_per_million or 0]
    if any(rate < 0 or rate > RATE_NANO_PER_MILLION_MAX for rate in rates):
        most = RATE_NANO_PER_MILLION_MAX // 10**9
        raise InvalidRequest(f"A price is between 0 and {most} {price.currency} for a million tokens.", param="price")
    return price
