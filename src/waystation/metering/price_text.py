"""Prices and amounts as people write them: decimal text, never a float. Reading them is `price_reading.py`."""

from typing import Any

from waystation.terms import Price, Step

NANO_DIGITS = 9
# How people name the rates, in the order in which they are printed.
TOKEN_RATES = {
    "input": "input_nano_per_million",
    "output": "output_nano_per_million",
    "cached_input": "cached_input_nano_per_million",
    "cache_write": "cache_write_nano_per_million",
    "reasoning": "reasoning_nano_per_million",
    "audio_input": "audio_input_nano_per_million",
    "audio_output": "audio_output_nano_per_million",
}
UNITS = {"image": "image_nano", "request": "request_nano"}
STEP_RATES = ("input", "output", "cached_input", "cache_write")


def decimal_of(nano: int) -> str:
    """10⁻⁹ of a unit as a decimal number, without zeros at its end: 2_500_000_000 is "2.5"."""
    whole, decimals = divmod(abs(nano), 10**NANO_DIGITS)
    text = f"{whole}.{decimals:0{NANO_DIGITS}}".rstrip("0").rstrip(".")
    return f"-{text}" if nano < 0 else text


def written_price(price: Price | None) -> Any:
    """A price as people write it, which `read_price` reads again; where it comes from is not part of it."""
    if price is None:
        return "unmetered"
    written: dict[str, Any] = {"currency": price.currency, **_written_rates(price, TOKEN_RATES)}
    written |= {name: text for name, text in _written_rates(price, UNITS).items() if text != "0" or name == "image"}
    if price.steps:
        written["steps"] = [
            {
                "above": step.above_input_tokens,
                **_written_rates(step, {name: TOKEN_RATES[name] for name in STEP_RATES}),
            }
            for step in price.steps
        ]
    if price.tiers:
        written["tiers"] = {name: written_price(tier) for name, tier in price.tiers.items()}
        for tier in written["tiers"].values():
            del tier["currency"]
    if price.tools:
        written["tools"] = {name: decimal_of(fee) for name, fee in price.tools.items()}
    return written


def _written_rates(holder: Price | Step, names: dict[str, str]) -> dict[str, str]:
    rates = {name: getattr(holder, field) for name, field in names.items()}
    return {name: decimal_of(rate) for name, rate in rates.items() if rate is not None}
