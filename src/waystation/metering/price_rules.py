"""What a price that somebody entered may look like, and which rates it is made of."""

from collections.abc import Iterator
from itertools import pairwise

from waystation.errors import InvalidRequest
from waystation.terms import Price

RATE_NANO_PER_MILLION_MAX = 10**13  # 10 000 units of the currency for a million tokens
UNIT_NANO_MAX = 10**12  # 1 000 units of the currency for one image or one call
STEPS_MAX = 8
STEP_TOKENS_MAX = 10**9  # of input, from which a step holds
TIERS_MAX = 8
TIER_CHARS_MAX = 32
TOOLS_MAX = 32
TOOL_CHARS_MAX = 64


def check_price(price: Price) -> Price:
    """A price that somebody entered. Raises InvalidRequest."""
    if len(price.steps) > STEPS_MAX or len(price.tiers) > TIERS_MAX:
        raise _wrong(f"A price has at most {STEPS_MAX} steps and {TIERS_MAX} tiers.")
    for each in (price, *price.tiers.values()):
        _check_amounts(each)
        _check_steps(each)
    if len(price.tools) > TOOLS_MAX:
        raise _wrong(f"A price has fees for at most {TOOLS_MAX} tools.")
    for name, fee in price.tools.items():
        if not name or len(name) > TOOL_CHARS_MAX or not name.isprintable():
            raise _wrong(f"A tool's name has 1 to {TOOL_CHARS_MAX} printable characters.")
        if not 0 <= fee <= UNIT_NANO_MAX:
            raise _wrong(f"A call of a tool costs between 0 and {UNIT_NANO_MAX // 10**9} {price.currency}.")
    for name, tier in price.tiers.items():
        if not name or len(name) > TIER_CHARS_MAX or not name.isprintable():
            raise _wrong(f"A tier's name has 1 to {TIER_CHARS_MAX} printable characters.")
        if tier.tiers or tier.tools or tier.currency != price.currency:
            raise _wrong(f"The tier {name!r} has the currency of its price, and no tiers or tools of its own.")
    return price


def rates_of(price: Price) -> Iterator[int]:
    """Every rate for a million tokens that a price names itself, its steps' too."""
    for rate in (
        price.input_nano_per_million,
        price.output_nano_per_million,
        price.cached_input_nano_per_million,
        price.cache_write_nano_per_million,
        price.reasoning_nano_per_million,
        price.audio_input_nano_per_million,
        price.audio_output_nano_per_million,
    ):
        if rate is not None:
            yield rate
    for step in price.steps:
        for rate in (
            step.input_nano_per_million,
            step.output_nano_per_million,
            step.cached_input_nano_per_million,
            step.cache_write_nano_per_million,
        ):
            if rate is not None:
                yield rate


def is_free(price: Price) -> bool:
    """Whether nothing that it names costs anything, in whatever currency."""
    return (
        not any(rates_of(price))
        and not price.image_nano
        and not price.request_nano
        and not any(price.tools.values())
        and all(is_free(tier) for tier in price.tiers.values())
    )


def _check_amounts(price: Price) -> None:
    if any(rate < 0 or rate > RATE_NANO_PER_MILLION_MAX for rate in rates_of(price)):
        most = RATE_NANO_PER_MILLION_MAX // 10**9
        raise _wrong(f"A price is between 0 and {most} {price.currency} for a million tokens.")
    if any(unit < 0 or unit > UNIT_NANO_MAX for unit in (price.image_nano or 0, price.request_nano)):
        raise _wrong(f"An image and a request cost between 0 and {UNIT_NANO_MAX // 10**9} {price.currency}.")


def _check_steps(price: Price) -> None:
    bounds = [step.above_input_tokens for step in price.steps]
    if any(bound > STEP_TOKENS_MAX for bound in bounds):
        raise _wrong(f"A step begins above at most {STEP_TOKENS_MAX} input tokens.")
    if any(bound < 1 for bound in bounds) or any(low >= high for low, high in pairwise(bounds)):
        raise _wrong("The steps of a price rise: each begins above more input tokens than the one before.")


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="price")
