"""`[models]`, `[deployments]` and `[routes]`: which models there are, who serves them, and how their calls travel."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from waystation.catalogue.book.lookup import known_price
from waystation.catalogue.route_rules import rules_named
from waystation.catalogue.routing_model import (
    DeploymentConfig,
    ModelFacts,
    Problem,
    RouteConfig,
    check_routes,
    read_deployment,
    read_route,
)
from waystation.metering.price_reading import CURRENCIES, read_price
from waystation.providers.model import ProviderConfig
from waystation.settings_reader import Reader, named_tables, nearest, setting
from waystation.terms import ENGINE, Price

PROVIDER_CONTEXT_TOKENS = 131_072
PROVIDER_OUTPUT_TOKENS = 16_384

PRICE_MISSING = (
    "is missing, and an unknown price is never free (the price book does not know this model there): "
    'say { currency = "USD", input = "2.50", output = "10.00" } (for a million tokens), 0 or "unmetered"'
)
PRICE_MISSING_ZH = (
    "缺失，而价格未知的模型不会免费（价目表中没有该上游的这个模型）："
    '请写 { currency = "USD", input = "2.50", output = "10.00" }（每百万 token）、0 或 "unmetered"'
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """`[models."NAME"]`: a model that callers may ask for, at its first deployment: a provider, or a GGUF file of one's own."""

    name: str
    price: Price | None  # None: unmetered
    provider: str | None = setting(None, "Name of the provider that serves it.")
    model: str | None = setting(None, "Its name at the provider; NAME when left out.")
    path: Path | None = setting(None, "GGUF file of a local model, instead of `provider`.")
    kind: Literal["chat", "embedding", "moderation"] = setting(
        "chat", 'What it does: "chat", "embedding" or "moderation".'
    )
    context_tokens_max: int | None = setting(
        None,
        f"Most tokens of input and output together; else what the GGUF says, {PROVIDER_CONTEXT_TOKENS} at a provider.",
        unit="tokens",
        least=1,
    )
    output_tokens_max: int | None = setting(
        None,
        f"Most tokens of an answer; else the context's size, {PROVIDER_OUTPUT_TOKENS} at a provider.",
        unit="tokens",
        least=1,
    )
    vision: bool = setting(False, "It understands images.")
    tools: bool = setting(True, "It can call tools.")
    dimensions: int | None = setting(None, "Length of its vectors, for an embedding model.", least=1)
    tier: int = setting(
        0, "Tier of its first deployment: 0 is asked first, the next one when that has failed.", least=0
    )
    weight: int = setting(1, "Part of the tier's calls that its first deployment gets.", least=0)
    prefill: bool = setting(
        False, "There it truly goes on from a beginning that it is handed, so that a broken answer can be continued."
    )
    rules: str = setting("", "Which parameter rules hold there; else by provider and model name.")


def read_models(
    read: Reader, tables: Any, named: set[str], providers: dict[str, ProviderConfig], at: int
) -> dict[str, ModelSettings]:
    """All models by name. `named` are the providers that the file has, also those with mistakes; `at` picks the book's prices."""
    models: dict[str, ModelSettings] = {}
    for name, table in named_tables(read, "models", tables):
        key = f'models."{name}"'
        given = table.get("price")
        from_book = given is None or (isinstance(given, dict) and given.keys() == {"currency"})
        try:
            price = None if from_book else read_price(given)
        except ValueError as error:
            read.complain(f"{key}.price", str(error))
            continue
        model = read.topic(ModelSettings, f"models.{name}", table, also=("price",), name=name, price=price)
        if from_book:
            price = _book_price(read, name, table, providers, at)
            if price is None:
                read.complain(f"{key}.price", PRICE_MISSING, PRICE_MISSING_ZH)
        if model is not None:
            _check_model(read, key, model, named)
            models[name] = _filled(replace(model, price=price))
    return models


def _book_price(
    read: Reader, name: str, table: dict[str, Any], providers: dict[str, ProviderConfig], at: int
) -> Price | None:
    """What the price book says of a provider's model; of a file of one's own it says nothing."""
    provider = providers.get(str(table.get("provider")))
    if provider is None:
        return None
    currency = table["price"]["currency"] if "price" in table else None
    if currency is not None and currency not in CURRENCIES:
        read.complain(f'models."{name}".price', f"has the currency {currency!r}; it must be one of {CURRENCIES}")
        return None
    return known_price(provider.name, provider.base_url, str(table.get("model") or name), at, currency)


def _check_model(read: Reader, key: str, model: ModelSettings, providers: set[str]) -> None:
    for path, en, zh in rules_named(model.rules):
        read.complain(f"{key}.{path}", en, zh)
    if (model.provider is None) == (model.path is None):
        read.complain(
            key,
            "needs either `provider` (and `model`) or the `path` of a GGUF file",
            "需要 `provider`（和 `model`）或 GGUF 文件的 `path`，二者选一",
        )
    elif model.path is not None and model.kind == "moderation":
        read.complain(
            f"{key}.kind",
            'is "moderation", which is for models of providers; the engine moderates by itself',
            '为 "moderation"，只适用于上游的模型；内置引擎自带内容审核',
        )
    elif model.provider is not None and model.provider not in providers:
        near = nearest(model.provider, providers)
        read.complain(
            f"{key}.provider",
            f"is {model.provider!r}, which has no [providers.{model.provider}] table{near}",
            f"为 {model.provider!r}，但没有 [providers.{model.provider}] 表{near}",
        )


def _filled(model: ModelSettings) -> ModelSettings:
    """A provider's model with its defaults; a file says its own sizes."""
    if model.provider is None:
        return model
    context = model.context_tokens_max or PROVIDER_CONTEXT_TOKENS
    return replace(
        model,
        model=model.model or model.name,
        context_tokens_max=context,
        output_tokens_max=model.output_tokens_max or min(PROVIDER_OUTPUT_TOKENS, context),
    )


# -- where their calls go


def read_deployments(read: Reader, tables: Any) -> dict[str, DeploymentConfig]:
    found: dict[str, DeploymentConfig] = {}
    for name, table in named_tables(read, "deployments", tables):
        config, problems = read_deployment(name, table)
        tell(read, problems)
        if config is not None and config.new_model is not None:
            said = (
                f'is only for the control plane; in a file write [models."{config.model}"]',
                f'只用于管理接口；在配置文件中请写 [models."{config.model}"]',
            )
            tell(read, [Problem("deployments", name, "new_model", *said)])
        elif config is not None:
            found[name] = config
    return found


def read_routes(read: Reader, tables: Any) -> dict[str, RouteConfig]:
    found: dict[str, RouteConfig] = {}
    for name, table in named_tables(read, "routes", tables):
        config, problems = read_route(name, table)
        tell(read, problems)
        if config is not None:
            found[name] = config
    return found


def check_traffic(
    read: Reader,
    models: dict[str, ModelSettings],
    deployments: dict[str, DeploymentConfig],
    routes: dict[str, RouteConfig],
    providers: set[str],
) -> None:
    """Tell what is wrong between them. What names a model that no table has is left to `waystation check`: it may be built in."""
    known = dict.fromkeys((*providers, ENGINE))
    problems = check_routes({name: facts_of(model) for name, model in models.items()}, deployments, routes, known)
    tell(read, [problem for problem in problems if not problem.missing])


def facts_of(model: ModelSettings) -> ModelFacts:
    return ModelFacts(model.kind, model.provider or ENGINE, model.model or model.name, model.tier, model.weight)


def tell(read: Reader, problems: list[Problem]) -> None:
    for problem in problems:
        read.complain(problem.key, problem.en, problem.zh)
