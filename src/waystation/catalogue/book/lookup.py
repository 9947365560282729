"""What the price book says of a provider's model. Read when first asked, a few milliseconds; never fetched.

A book's prices are list prices of a day: each comes with its source and date, for people to see.
"""

import gzip
import re
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from waystation.catalogue.book.tools import OPENAI, with_tool_fees
from waystation.terms import Price

NAME_CHARS_MAX = 200

Rule = tuple[Any, ...]  # [sign, text], or ["|" or "&", rules …]


class Row(msgspec.Struct, frozen=True):
    price: Price
    at: int | None = None  # UTC seconds from which it holds; None: it has always been so


class BookModel(msgspec.Struct, frozen=True):
    id: str
    match: Rule
    rows: tuple[Row, ...]  # the oldest first


class BookProvider(msgspec.Struct, frozen=True):
    name: str
    url: str  # how its base URLs begin, as a regular expression
    models: msgspec.Raw  # read when this provider is asked for: a book has thousands
    also: tuple[str, ...] = ()  # whose models it serves too
    bills_usd_too: bool = False  # of the overlay: it has a price in either currency


class Book(msgspec.Struct, frozen=True):
    source: str
    providers: tuple[BookProvider, ...]


@cache
def books() -> tuple[Book, Book]:
    """The CNY overlay and genai-prices."""
    folder = files("waystation.catalogue.book")
    overlay = msgspec.json.decode((folder / "cny.json").read_bytes(), type=Book)
    return overlay, msgspec.json.decode(gzip.decompress((folder / "genai.json.gz").read_bytes()), type=Book)


def known_price(
    provider: str, base_url: str, upstream_model: str, at: int, currency: str | None = None
) -> Price | None:
    """What a provider asks for a model at a time (UTC seconds); None when the book doesn't know.

    The base URL says which provider it is, and its name only where no book knows the URL. A provider that bills in two
    currencies is known in both: `currency` says which is meant, else it is USD. Who is billed in CNY alone has no USD
    price here, since a converted one would change with the day. The price's `source` names the source and its date.
    """
    model, base_url = upstream_model[:NAME_CHARS_MAX].lower(), base_url.lower()
    overlay, genai = books()
    local = _find(overlay, provider, base_url)
    # genai-prices takes some mainland hosts for the international ones; they bill in CNY.
    world = _find(genai, provider, base_url) if local is None or local.bills_usd_too else None
    found = [
        price
        for book, entry in ((genai, world), (overlay, local))
        if entry is not None and (price := _price_in(book, entry, model, at)) is not None
    ]
    price = next((price for price in found if currency is None or price.currency == currency), None)
    if price is None or world is None or world.name != OPENAI:
        return price
    return with_tool_fees(price, model)


def _find(book: Book, name: str, base_url: str) -> BookProvider | None:
    for provider in book.providers:
        if re.match(provider.url, base_url):
            return provider
    if any(re.match(provider.url, base_url) for other in books() for provider in other.providers):
        return None  # the URL is another one's: the name says nothing
    return next((provider for provider in book.providers if provider.name == name.lower()), None)


def _price_in(book: Book, provider: BookProvider, model: str, at: int) -> Price | None:
    names = (provider.name, *provider.also)
    for entry in (each for name in names for each in book.providers if each.name == name):
        for known in sorted(_models(entry), key=lambda known: known.id.lower() != model):  # its very name before rules
            if _matches(known.match, model):
                price = _at(known.rows, at)
                if price is None:
                    return None
                if price.source == "config":
                    return msgspec.structs.replace(price, source=book.source)
                return price
    return None


def _models(provider: BookProvider) -> list[BookModel]:
    return msgspec.json.decode(provider.models, type=list[BookModel])


def _at(rows: tuple[Row, ...], at: int) -> Price | None:
    return next((row.price for row in reversed(rows) if row.at is None or row.at <= at), None)


def _matches(rule: Rule, name: str) -> bool:
    sign, *rest = rule
    if sign == "|":
        return any(_matches(each, name) for each in rest)
    if sign == "&":
        return all(_matches(each, name) for each in rest)
    text = rest[0]
    if sign == "=":
        return bool(name == text)
    if sign == "^":
        return name.startswith(text)
    if sign == "$":
        return name.endswith(text)
    if sign == "~":
        return text in name
    return re.search(text, name) is not None
