"""Read a model's price as people write it, exactly: decimal text in, integers of 10⁻⁹ out. No float is ever money."""

from typing import Any

from waystation.terms import Price
from waystation.wire.money import nano_of

CURRENCIES = ("USD", "CNY")
PARTS = ("input", "output", "cached_input")

FREE = Price(currency="USD", input_nano_per_million=0, output_nano_per_million=0, cached_input_nano_per_million=0)


def read_price(value: Any) -> Price | None:
    """A price of the configuration: a table of amounts per million tokens, 0 (free), or "unmetered" (None).

    Raises ValueError, in words that follow the key's name.
    """
    if value == "unmetered":
        return None
    if value in (0, "0") and not isinstance(value, bool | float):
        return FREE
    if not isinstance(value, dict):
        raise ValueError(
            f'is {value!r}; it must be {{ currency = "USD", input = "2.50", output = "10.00" }}, 0 or "unmetered"'
        )
    unknown = sorted(set(value) - {"currency", *PARTS})
    if unknown:
        raise ValueError(f"has {unknown[0]!r}; it knows currency, {', '.join(PARTS)}")
    currency = value.get("currency", "USD")
    if currency not in CURRENCIES:
        raise ValueError(f"has the currency {currency!r}; it must be one of {', '.join(CURRENCIES)}")
    amounts = {part: _amount(part, value[part]) for part in PARTS if part in value}
    if "input" not in amounts or "output" not in amounts:
        raise ValueError("needs both input and output; an embedding model's output is 0")
    return Price(currency, amounts["input"], amounts["output"], amounts.get("cached_input"))


def _amount(part: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(
            f'has {part} = {value!r}; write amounts in quotes, as {part} = "2.50", so that they stay exact'
        )
    try:
        return nano_of(value)
    except ValueError as error:
        raise ValueError(f"has an {part} that {error}") from None
