"""Read a price as people write it, exactly: decimal text in, integers of 10⁻⁹ out. No float is ever money."""

import tomllib
from typing import Any

from waystation.errors import InvalidRequest
from waystation.metering.price_rules import check_price
from waystation.metering.price_text import STEP_RATES, TOKEN_RATES, UNITS
from waystation.terms import Price, Step
from waystation.wire.money import nano_of

CURRENCIES = ("USD", "CNY")
VALUE_CHARS_MAX = 200  # of what somebody wrote, in a complaint about it

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
            f'is {_told(value)}; it must be {{ currency = "USD", input = "2.50", output = "10.00" }}, 0 or "unmetered"'
        )
    try:
        return check_price(_read_table(value))
    except InvalidRequest as error:
        raise ValueError(f"can't be: {error.message}") from None


def read_price_text(text: str) -> Price | None:
    """A price as an option has it: amounts with commas between them, a TOML table, 0, or unmetered (None).

    Raises ValueError, in words that follow the option's name.
    """
    text = text.strip()
    if text in ("0", "unmetered"):
        return read_price(text)
    if text.startswith("{"):
        try:
            return read_price(tomllib.loads(f"price = {text}")["price"])
        except RecursionError:
            raise ValueError("is no TOML table: it is too deep") from None
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"is no TOML table: {error}") from None
    if "=" not in text:
        raise ValueError(f'is {text[:80]!r}; it must be input=2.50,output=10.00, a TOML table, 0 or "unmetered"')
    pairs = [pair.partition("=") for pair in text.split(",")]
    return read_price({key.strip(): amount.strip() for key, _, amount in pairs})


def _read_table(value: dict[str, Any], currency: str | None = None) -> Price:
    """`currency` is given for a tier, which has that of its price."""
    known = (*TOKEN_RATES, *UNITS, "steps", *(() if currency else ("currency", "tiers", "tools")))
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise ValueError(f"has {unknown[0][:40]!r}; it knows {', '.join(known)}")
    if currency is None:
        currency = value.get("currency", "USD")
        if currency not in CURRENCIES:
            raise ValueError(f"has the currency {_told(currency)}; it must be one of {', '.join(CURRENCIES)}")
    amounts = {name: _amount(name, value[name]) for name in (*TOKEN_RATES, *UNITS) if name in value}
    if "input" not in amounts or "output" not in amounts:
        raise ValueError("needs both input and output; an embedding model's output is 0")
    return Price(
        currency,
        steps=_steps(value.get("steps", [])),
        tiers=_tiers(value.get("tiers", {}), currency),
        tools=_tools(value.get("tools", {})),
        **{(TOKEN_RATES | UNITS)[name]: amount for name, amount in amounts.items()},  # type: ignore[arg-type]
    )


def _steps(value: Any) -> tuple[Step, ...]:
    if not isinstance(value, list) or not all(isinstance(step, dict) for step in value):
        raise ValueError('has steps that are no list: write steps = [{ above = 128000, input = "4", output = "16" }]')
    return tuple(sorted((_step(step) for step in value), key=lambda step: step.above_input_tokens))


def _step(value: dict[str, Any]) -> Step:
    unknown = sorted(set(value) - {"above", *STEP_RATES})
    if unknown:
        raise ValueError(f"has a step with {unknown[0][:40]!r}; it knows above, {', '.join(STEP_RATES)}")
    above = value.get("above")
    if not isinstance(above, int) or isinstance(above, bool) or above < 1:
        raise ValueError("has a step without `above`, the input tokens from which it holds, as above = 128000")
    amounts = {name: _amount(name, value[name]) for name in STEP_RATES if name in value}
    if "input" not in amounts or "output" not in amounts:
        raise ValueError("has a step that needs both input and output")
    return Step(above, **{TOKEN_RATES[name]: amount for name, amount in amounts.items()})


def _tiers(value: Any, currency: str) -> dict[str, Price]:
    if not isinstance(value, dict) or not all(isinstance(tier, dict) for tier in value.values()):
        raise ValueError('has tiers that are no tables: write tiers = { flex = { input = "1.25", output = "5" } }')
    return {name: _read_table(tier, currency) for name, tier in value.items()}


def _tools(value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError('has tools that are no table: write tools = { web_search = "0.01" }, for one call of each')
    return {name: _amount(name, fee) for name, fee in value.items()}


def _amount(part: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(
            f'has {part} = {_told(value)}; write amounts in quotes, as {part} = "2.50", so that they stay exact'
        )
    try:
        return nano_of(value)
    except ValueError as error:
        raise ValueError(f"has an {part} that {error}") from None


def _told(value: Any) -> str:
    """What was written, as a complaint shows it."""
    text = repr(value)
    return text if len(text) <= VALUE_CHARS_MAX else f"{text[:VALUE_CHARS_MAX]}…"
