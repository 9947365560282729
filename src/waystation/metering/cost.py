"""What a call costs: integer arithmetic on what was used and a price. Who pays is the ledger's business.

One sum serves holds, settlements and estimates. What a price may look like is `price_rules.py`.
"""

from collections.abc import Mapping

import msgspec

from waystation.errors import PriceMissing
from waystation.metering.price_rules import check_price
from waystation.terms import Price, Step, Usage

__all__ = ["IMAGES_MAX", "TOKENS_MAX", "charged_nano", "check_price", "cleaned", "cost_nano", "hold_nano"]

TOKENS_MAX = (
    100_000_000  # of a kind in one call; more is a provider's mistake, and would not fit 64 bits when summed up
)
IMAGES_MAX = 1_000  # in one call
TOOL_CALLS_MAX = 10_000  # of one tool in one call
TOOLS_MAX = 32  # different ones in one call
_TIER_CHARS_MAX = 32
_MILLION = 1_000_000
_HALF = _MILLION // 2


def cost_nano(usage: Usage, price: Price | None, tier: str | None = None) -> int:
    """Price one call, in 10⁻⁹ of the price's currency.

    `tier` is the one that was asked for; the one that the usage says was served wins. Cached, cache-write and audio tokens
    are parts of input_tokens, reasoning and audio tokens of output_tokens: each is taken out of its whole and has its own
    rate, or its whole's where the price names none. Rounds half up, here and nowhere else, so that posted entries add up
    exactly.
    Tools that the provider ran have a fee for each call, whatever the tier.
    Raises PriceMissing without a price, and for audio, images and tools that have no rate: unknown is never free. (That a model
    is unmetered is its administrator's word, and the ledger asks for no price then.)
    Source: FAQ 10, worked examples; OpenAI usage object.
    """
    if price is None:
        raise PriceMissing("This model has no price.")
    if usage.tool_calls:
        fees, unknown = tool_fees(usage.tool_calls, price)
        if unknown is not None:
            raise PriceMissing(f"The price of this model says nothing about the tool `{unknown}`.")
        return cost_nano(msgspec.structs.replace(usage, tool_calls=None), price, tier) + fees
    if price.steps or price.tiers:
        price = _stepped(_served(price, usage.tier or tier), usage.input_tokens)
    if usage.audio_input_tokens or usage.audio_output_tokens or usage.images:
        missing = missing_rate(usage, price)
        if missing is not None:
            raise PriceMissing(f"The price of this model says nothing about {missing}.")
        return (_total(usage, price) + _HALF) // _MILLION
    input_rate, output_rate = price.input_nano_per_million, price.output_nano_per_million
    total = usage.input_tokens * input_rate + usage.output_tokens * output_rate + _HALF
    if usage.cached_tokens and (rate := price.cached_input_nano_per_million) is not None:
        total += usage.cached_tokens * (rate - input_rate)
    if usage.cache_write_tokens and (rate := price.cache_write_nano_per_million) is not None:
        total += usage.cache_write_tokens * (rate - input_rate)
    if usage.reasoning_tokens and (rate := price.reasoning_nano_per_million) is not None:
        total += usage.reasoning_tokens * (rate - output_rate)
    return total // _MILLION + price.request_nano


def charged_nano(usage: Usage, price: Price, tier: str | None = None) -> tuple[int, bool]:
    """What a settlement charges, and whether a rate was missing for it: then the row is to be flagged.

    Never raises: what was used is used. Audio without a rate costs the dearest rate that its side of the price has, so
    that it is never free and never above the hold; generated images without a rate cost what their tokens cost, and a tool
    without a fee what the dearest one costs that the price has.
    """
    if usage.tool_calls:
        fees, unknown = tool_fees(usage.tool_calls, price)
        cost, without_rate = charged_nano(msgspec.structs.replace(usage, tool_calls=None), price, tier)
        return cost + fees, without_rate or unknown is not None
    if not (usage.audio_input_tokens or usage.audio_output_tokens or usage.images):
        return cost_nano(usage, price, tier), False
    if price.steps or price.tiers:
        price = _stepped(_served(price, usage.tier or tier), usage.input_tokens)
    return (_total(usage, price) + _HALF) // _MILLION, missing_rate(usage, price) is not None


def tool_fees(calls: Mapping[str, int], price: Price) -> tuple[int, str | None]:
    """What calls of tools cost, and one of them that the price has no fee for."""
    dearest = max(price.tools.values(), default=0)
    unknown = next((tool for tool in calls if tool not in price.tools), None)
    return sum(count * price.tools.get(tool, dearest) for tool, count in calls.items()), unknown


def hold_nano(
    input_tokens_bound: int, output_tokens_bound: int, price: Price, tier: str | None = None, images_bound: int = 0
) -> int:
    """The most that a call of these bounds can cost, however its tokens are split: no real cost comes out above it.

    Which tier is served is the provider's word, so with tiers it is the dearest of them; only "default" and a tier with a
    price are taken at their word, the latter with the plain price beside it, which is what a provider falls back to.
    """
    if price.steps or price.tiers:
        return max(
            hold_nano(input_tokens_bound, output_tokens_bound, rates, None, images_bound)
            for served in _servable(price, tier)
            for rates in _reachable(served, input_tokens_bound)
        )
    input_rate, output_rate = price.input_nano_per_million, price.output_nano_per_million
    # Written out: every call passes here, and a function call costs as much as all of these.
    if (rate := price.cached_input_nano_per_million) is not None and rate > input_rate:
        input_rate = rate
    if (rate := price.cache_write_nano_per_million) is not None and rate > input_rate:
        input_rate = rate
    if (rate := price.audio_input_nano_per_million) is not None and rate > input_rate:
        input_rate = rate
    if (rate := price.reasoning_nano_per_million) is not None and rate > output_rate:
        output_rate = rate
    if (rate := price.audio_output_nano_per_million) is not None and rate > output_rate:
        output_rate = rate
    total = input_tokens_bound * input_rate + output_tokens_bound * output_rate + _HALF
    return total // _MILLION + price.request_nano + images_bound * (price.image_nano or 0)


def cleaned(usage: Usage) -> Usage:
    """A usage as it may be charged: a provider's word is untrusted input; parts fit their wholes, all fit the books."""
    given, made, cached, reasoning = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
    )
    if (
        0 <= cached <= given <= TOKENS_MAX
        and 0 <= reasoning <= made <= TOKENS_MAX
        and not (
            usage.cache_write_tokens
            or usage.audio_input_tokens
            or usage.audio_output_tokens
            or usage.images
            or usage.tier
            or usage.tool_calls
        )
    ):
        return usage
    given, made = _within(given, TOKENS_MAX), _within(made, TOKENS_MAX)
    cached = _within(cached, given)
    return Usage(
        given,
        made,
        cached,
        _within(reasoning, made),
        usage.estimated,
        _within(usage.cache_write_tokens, given - cached),
        _within(usage.audio_input_tokens, given),
        _within(usage.audio_output_tokens, made),
        _within(usage.images, IMAGES_MAX),
        usage.tier[:_TIER_CHARS_MAX] if usage.tier else None,
        _within_tools(usage.tool_calls),
    )


def _within_tools(calls: Mapping[str, int] | None) -> dict[str, int] | None:
    first = sorted((calls or {}).items())[:TOOLS_MAX]
    return {tool: _within(count, TOOL_CALLS_MAX) for tool, count in first if count > 0} or None


def missing_rate(usage: Usage, price: Price) -> str | None:
    """What was used that the price has no rate for, in words; None when all has one."""
    if usage.audio_input_tokens and price.audio_input_nano_per_million is None:
        return "audio input"
    if usage.audio_output_tokens and price.audio_output_nano_per_million is None:
        return "audio output"
    if usage.images and price.image_nano is None:
        return "images"
    return None


# -- which rates


def _served(price: Price, tier: str | None) -> Price:
    return price.tiers.get(tier, price) if tier else price


def _servable(price: Price, tier: str | None) -> tuple[Price, ...]:
    """The prices that may turn out to be the one, for who asks for this tier."""
    if tier == "default" and "default" not in price.tiers:
        return (price,)
    if tier is not None and tier in price.tiers:
        return price, price.tiers[tier]
    return price, *price.tiers.values()


def _stepped(price: Price, input_tokens: int) -> Price:
    """The price with the rates of the highest step that the input is above."""
    above = None
    for step in price.steps:
        if input_tokens <= step.above_input_tokens:
            break
        above = step
    return price if above is None else _at_step(price, above)


def _reachable(price: Price, input_tokens_bound: int) -> list[Price]:
    """The plain prices that a call of at most so much input may have."""
    first = Step(0, price.input_nano_per_million, price.output_nano_per_million)
    steps = (first, *price.steps)
    return [_at_step(price, step) for step in steps if step is first or step.above_input_tokens < input_tokens_bound]


def _at_step(price: Price, step: Step) -> Price:
    return Price(
        price.currency,
        step.input_nano_per_million,
        step.output_nano_per_million,
        _or(step.cached_input_nano_per_million, price.cached_input_nano_per_million),
        price.source,
        _or(step.cache_write_nano_per_million, price.cache_write_nano_per_million),
        price.reasoning_nano_per_million,
        price.audio_input_nano_per_million,
        price.audio_output_nano_per_million,
        price.image_nano,
        price.request_nano,
    )


def _or(rate: int | None, other: int | None) -> int | None:
    return other if rate is None else rate


# -- sums, in 10⁻¹⁵ of the currency


def _total(usage: Usage, price: Price) -> int:
    """The sum where there is audio or are images. A token is of one kind: what two parts claim is audio, then cached.

    A provider counts cached audio in both parts and doesn't say how much of it there is.
    """
    input_rate, output_rate = price.input_nano_per_million, price.output_nano_per_million
    heard = min(usage.audio_input_tokens, usage.input_tokens)
    cached = min(usage.cached_tokens, usage.input_tokens - heard)
    written = min(usage.cache_write_tokens, usage.input_tokens - heard - cached)
    spoken = min(usage.audio_output_tokens, usage.output_tokens)
    reasoning = min(usage.reasoning_tokens, usage.output_tokens - spoken)
    dearest_input = _dearest(input_rate, price.cached_input_nano_per_million, price.cache_write_nano_per_million)
    dearest_output = _dearest(output_rate, price.reasoning_nano_per_million)
    return (
        (usage.input_tokens - heard - cached - written) * input_rate
        + heard * _rate(price.audio_input_nano_per_million, dearest_input)
        + cached * _rate(price.cached_input_nano_per_million, input_rate)
        + written * _rate(price.cache_write_nano_per_million, input_rate)
        + (usage.output_tokens - spoken - reasoning) * output_rate
        + spoken * _rate(price.audio_output_nano_per_million, dearest_output)
        + reasoning * _rate(price.reasoning_nano_per_million, output_rate)
        + (usage.images * (price.image_nano or 0) + price.request_nano) * _MILLION
    )


def _rate(own: int | None, whole: int) -> int:
    return whole if own is None else own


def _dearest(*rates: int | None) -> int:
    return max(rate for rate in rates if rate is not None)


def _within(value: int, most: int) -> int:
    return min(max(value, 0), most)
