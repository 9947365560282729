"""Make the price book that ships in the package: run by a maintainer, never by the server, and it needs no network.

    python -m venv /tmp/prices && /tmp/prices/bin/pip install genai-prices==0.2.3
    PYTHONPATH=src:/tmp/prices/lib/python3.12/site-packages python tools/make_price_book.py

Writes `genai.json.gz` (from the package) and `cny.json` (from `cny.toml`, which people edit) into
`src/waystation/catalogue/book/`. All amounts become integers of 10⁻⁹ for a million tokens (the package has a few that
went through a float; they are rounded to that). What our terms can't say of a price is left out rather than guessed: a
model without a row is one that its administrator gives a price.
"""

import gzip
import json
import sys
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from waystation.metering.price_reading import read_price
from waystation.metering.price_rules import check_price
from waystation.terms import Price, Step

BOOK = Path(__file__).parents[1] / "src" / "waystation" / "catalogue" / "book"
PINNED = "0.2.3"
# Their rows are another currency's, converted at a rate of the day (zhipuai: see cny.toml), or no money (credits).
LEFT_OUT = {"zhipuai", "github-copilot", "cursor", "openai-decisions"}

RATES = {
    "input_mtok": "input_nano_per_million",
    "output_mtok": "output_nano_per_million",
    "cache_read_mtok": "cached_input_nano_per_million",
    "cache_write_mtok": "cache_write_nano_per_million",
    "output_reasoning_mtok": "reasoning_nano_per_million",
    "input_audio_mtok": "audio_input_nano_per_million",
    "output_audio_mtok": "audio_output_nano_per_million",
}
STEPPED = ("input", "output", "cached_input", "cache_write")
# What a call may cost beside its tokens, by tools that the gateway doesn't run, and finer kinds of what has a rate.
BESIDE = {"web_searches_kcount", "storage_searches_kcount", "cache_write_1h_mtok", "output_citation_mtok"}
FINER = {"input_image_mtok": "input_mtok", "input_video_mtok": "input_mtok", "output_image_mtok": "output_mtok",
         "output_video_mtok": "output_mtok", "cache_image_read_mtok": "cache_read_mtok",
         "cache_audio_read_mtok": "input_audio_mtok"}  # fmt: skip
NANO = 10**9


class Untold(Exception):
    """A price that our terms can't say."""


def nano(amount: Decimal, per: int = 1) -> int:
    return int((amount * NANO / per).to_integral_value(ROUND_HALF_UP))


# -- genai-prices


def base_of(value: Any) -> Decimal:
    return value.base if hasattr(value, "tiers") else value


def at(value: Any, bound: int) -> Decimal:
    """A rate for input that is just above a bound."""
    rate = base_of(value)
    for tier in getattr(value, "tiers", ()):
        if tier.start <= bound:
            rate = tier.price
    return rate


def price_of(rates: dict[str, Any], tiers: dict[str, Price] | None = None) -> Price:
    """Raises Untold."""
    rates = {key: value for key, value in rates.items() if value is not None and key not in BESIDE}
    for key, whole in FINER.items():
        if key in rates:
            if whole not in rates or base_of(rates[key]) > base_of(rates[whole]):
                raise Untold(key)
            del rates[key]
    requests = rates.pop("requests_kcount", Decimal(0))
    if unknown := rates.keys() - RATES.keys():
        raise Untold(", ".join(unknown))
    if "input_mtok" not in rates or not any(base_of(value) for value in rates.values()):
        raise Untold("no rate, or nothing but zeros")
    rates.setdefault("output_mtok", Decimal(0))
    bounds = sorted({tier.start for value in rates.values() for tier in getattr(value, "tiers", ())})
    steps = tuple(
        Step(
            bound,
            **{
                f"{name}_nano_per_million": nano(at(rates[key], bound))
                for key, name in ((key, RATES[key].removesuffix("_nano_per_million")) for key in rates)
                if name in STEPPED
            },
        )
        for bound in bounds
    )
    if any(
        hasattr(value, "tiers")
        for key, value in rates.items()
        if RATES[key].removesuffix("_nano_per_million") not in STEPPED
    ):
        raise Untold("steps of a rate that has none")
    named = {RATES[key]: nano(base_of(value)) for key, value in rates.items()}
    return check_price(
        Price("USD", request_nano=nano(base_of(requests), 1_000), steps=steps, tiers=tiers or {}, **named)
    )


def starts(constraint: Any) -> date | None:
    return getattr(constraint, "start_date", None)


def by_time_of_day(constraint: Any) -> bool:
    return hasattr(constraint, "start_time")


def standard(model: Any, day: date) -> dict[str, Any]:
    """The rates on a day; of those that change with the hour, the dearest, so that a hold is never too small."""
    if not isinstance(model.prices, list):
        return dict(vars(model.prices))
    hourly = []
    for row in reversed(model.prices):
        if by_time_of_day(row.constraint):
            hourly.append(vars(row.prices))
        elif (starts(row.constraint) or day) <= day:
            hourly.append(vars(row.prices))
            break
    if not hourly:
        hourly.append(vars(model.prices[0].prices))
    return dict(
        max(hourly, key=lambda rates: base_of(rates.get("output_mtok") or rates.get("input_mtok") or Decimal(0)))
    )


def tiers_on(model: Any, day: date, rates: dict[str, Any]) -> dict[str, Price]:
    """The prices of service tiers, and of batches as a tier "batch"."""
    found: dict[str, dict[str, Any]] = {}
    for variant in model.price_variants or ():
        (kind, name), *more = variant.when.items()
        if more or kind not in ("service_tier", "processing") or name == "default":
            continue
        if (starts(variant.constraint) or day) > day:
            continue
        for key, value in vars(variant.prices).items():
            if value is not None:
                found.setdefault(name, {}).setdefault(key, value)
    tiers = {}
    for name, own in found.items():
        try:
            tiers[name] = price_of({**rates, **own})
        except Untold:
            continue
    return tiers


def rows_of(model: Any) -> list[dict[str, Any]]:
    """The model's prices by the day from which they hold; the first has no day: it has always been so. Raises Untold."""
    constraints = [row.constraint for row in model.prices] if isinstance(model.prices, list) else []
    constraints += [variant.constraint for variant in model.price_variants or ()]
    days = sorted({day for constraint in constraints if (day := starts(constraint))})
    rows: list[dict[str, Any]] = []
    for day in (None, *days):
        rates = standard(model, day or date.min)
        try:
            price = price_of(rates, tiers_on(model, day or date.min, rates))
        except Untold:
            if day is None and days:
                continue
            raise
        if not rows or rows[-1]["price"] != price:
            rows.append(
                {
                    "at": None if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()),
                    "price": price,
                }
            )
    return rows


def clause(match: Any) -> list[Any]:
    """A rule that says which names are meant: [sign, text], or ["|" or "&", rules …]."""
    for attribute, sign in (("equals", "="), ("starts_with", "^"), ("ends_with", "$"), ("contains", "~")):
        if hasattr(match, attribute):
            return [sign, getattr(match, attribute).lower()]
    if hasattr(match, "regex"):
        return ["re", match.regex]
    for attribute, sign in (("or_", "|"), ("and_", "&")):
        if hasattr(match, attribute):
            return [sign, *map(clause, getattr(match, attribute))]
    raise SystemExit(f"unknown rule {match!r}")


def genai(providers: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for provider in providers:
        if provider.id in LEFT_OUT:
            continue
        models = []
        for model in provider.models:
            try:
                models.append({"id": model.id, "match": clause(model.match), "rows": rows_of(model)})
            except Untold as reason:
                sys.stderr.write(f"left out: {provider.id}/{model.id} ({reason})\n")
        found = {"name": provider.id, "url": provider.api_pattern, "models": models}
        if provider.fallback_model_providers:
            found["also"] = provider.fallback_model_providers
        yield found


# -- cny.toml


def cny(text: str) -> list[dict[str, Any]]:
    """The overlay's providers, in the same form."""
    told = tomllib.loads(text)
    providers = []
    for name, provider in told["providers"].items():
        models = []
        for row in provider["models"]:
            price = {key: value for key, value in row.items() if key not in ("names", "as_of", "source", "note")}
            read = read_price({"currency": "CNY", **price})
            assert read is not None
            day: date = row["as_of"]
            source = f"{row.get('source', provider['source'])} ({day.isoformat()})"
            names = [str(each).lower() for each in row["names"]]
            match = ["|", *(["^", each[:-1]] if each.endswith("*") else ["=", each] for each in names)]
            models.append(
                {
                    "id": names[0],
                    "match": match,
                    "rows": [{"at": None, "price": msgspec.structs.replace(read, source=source)}],
                }
            )
        entry = {"name": name, "url": provider["url"], "models": models}
        if provider.get("bills_usd_too"):
            entry["bills_usd_too"] = True
        providers.append(entry)
    return providers


# -- files


def encoded(head: dict[str, Any], providers: list[dict[str, Any]]) -> bytes:
    """One provider a line, so that a change of the book can be read in a diff."""
    lines = [json.dumps(head, ensure_ascii=False)[:-1] + ',"providers":[']
    lines.append(",\n".join(msgspec.json.encode(compact(provider)).decode() for provider in providers))
    return ("\n".join(lines) + "\n]}\n").encode()


def compact(value: Any) -> Any:
    """Without what has its default."""
    if isinstance(value, Price | Step):
        defaults = dict(
            zip(value.__struct_fields__[-len(value.__struct_defaults__) :], value.__struct_defaults__, strict=True)
        )
        return {name: compact(getattr(value, name)) for name in value.__struct_fields__
                if name not in defaults or getattr(value, name) not in (defaults[name], (), {})}  # fmt: skip
    if isinstance(value, dict):
        return {key: compact(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [compact(each) for each in value]
    return value


def main() -> None:
    from genai_prices.data import providers  # type: ignore[import-not-found]

    if version("genai-prices") != PINNED:
        raise SystemExit(f"this is made from genai-prices {PINNED}, not {version('genai-prices')}")
    released = sys.argv[1] if len(sys.argv) > 1 else "2026-11"
    head = {
        "source": f"genai-prices {PINNED} ({released})",
        "package": "genai-prices",
        "version": PINNED,
        "released": released,
        "licence": "MIT",
        "copyright": "Copyright (c) Pydantic Services Inc. 2025 to present",
        "home": "https://github.com/pydantic/genai-prices",
    }
    (BOOK / "genai.json.gz").write_bytes(gzip.compress(encoded(head, list(genai(providers))), 9, mtime=0))
    (BOOK / "cny.json").write_bytes(
        encoded({"source": "cny.toml"}, cny((BOOK / "cny.toml").read_text(encoding="utf-8")))
    )


if __name__ == "__main__":
    main()
