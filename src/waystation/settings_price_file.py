"""A price list as a TOML file: `[models."NAME"]` tables with a `price`, as in the configuration, and from when it holds.

`from` is a TOML date or date-time at the top or beside a price; without an offset it is UTC. `source` says where it is from.
"""

import tomllib
from typing import Any

import msgspec

from waystation.catalogue.dates import seconds_of
from waystation.metering.price_reading import read_price
from waystation.terms import Price

MODELS_MAX = 10_000


class ListedPrice(msgspec.Struct, frozen=True):
    model: str
    price: Price | None  # None: unmetered
    effective_at: int | None  # UTC seconds; None: from now on
    source: str


def read_price_list(text: str, name: str) -> list[ListedPrice]:
    """The prices of a list. Raises ValueError with every mistake in it, a line each."""
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{name}: can't be read: {error}") from None
    problems = [f"{name}: {key} is not known; a price list has from, source, models" for key in told.keys() - _TOP]
    tables = told.get("models", {})
    if not isinstance(tables, dict) or not tables or len(tables) > MODELS_MAX:
        raise ValueError("\n".join([*problems, f'{name}: has 1 to {MODELS_MAX} tables [models."NAME"]']))
    found = []
    for model, table in tables.items():
        try:
            found.append(_listed(model, table, told, name))
        except ValueError as error:
            problems.append(f'{name}: models."{model}" {error}')
    if problems:
        raise ValueError("\n".join(problems))
    return found


_TOP = {"from", "source", "models"}


def _listed(model: str, table: Any, told: dict[str, Any], name: str) -> ListedPrice:
    if not isinstance(table, dict) or "price" not in table:
        raise ValueError("needs a price")
    unknown = sorted(table.keys() - {"price", "from", "source"})
    if unknown:
        raise ValueError(f"has {unknown[0]!r}; it knows price, from, source")
    source = table.get("source", told.get("source", name))
    if not isinstance(source, str):
        raise ValueError("has a source that is no text")
    try:
        price = read_price(table["price"])
    except ValueError as error:
        raise ValueError(f"price {error}") from None
    begins = table.get("from", told.get("from"))
    return ListedPrice(model, price, None if begins is None else seconds_of(begins), source)
