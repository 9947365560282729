"""The models that callers may name, made of the configuration and of the local models: the view's `models`.

What an administrator has said about where calls go is made into tiers, routes and names that stand for others. It is lenient: what
is named and isn't there is left out, because a file and a database change apart; `route_rules.py` says what is missing.
"""

from collections.abc import Iterable, Mapping

import msgspec

from waystation.catalogue.names import AUTO, end_of, named
from waystation.catalogue.plan import Plan, life_notes, planned, route_of
from waystation.catalogue.routing_nouns import CHOICES_MAX, DeploymentConfig, ModelFacts, RouteConfig, Rule
from waystation.terms import ENGINE, Abilities, Deployment, Model, Operation, Price

FREE = Price("USD", 0, 0, source="local model")

_CHAT = frozenset({Operation.CHAT, Operation.COMPLETION})
_OPERATIONS = {
    "chat": _CHAT,
    "embedding": frozenset({Operation.EMBEDDINGS}),
    "moderation": frozenset({Operation.MODERATIONS}),
}

CHAT_ALIASES = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano")
MODERATION_ALIASES = (
    "omni-moderation-latest",
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
)
EMBEDDING_ALIASES = ("text-embedding-3-small", "text-embedding-3-large")


class Offer(msgspec.Struct, frozen=True):
    """A model as somebody configured it: what `build_models` needs to know, whether it came from TOML or from the database."""

    name: str
    kind: str  # "chat" | "embedding" | "moderation"
    provider: str  # a configured provider's name, or ENGINE
    upstream_model: str
    price: Price | None  # None: unmetered by an administrator's word
    context_tokens_max: int
    output_tokens_max: int
    vision: bool = False
    tools: bool = True
    dimensions: int | None = None
    created_at: int = 0
    tier: int = 0
    weight: int = 1
    prefill: bool = False
    rules: str = ""
    deployment: str = ""  # its deployment's name; "": of provider and upstream_model


def facts_of(offer: Offer) -> ModelFacts:
    """What `check_routes` wants to know of a model."""
    return ModelFacts(offer.kind, offer.provider, offer.upstream_model, offer.tier, offer.weight)


def offer_of(name: str, config: DeploymentConfig, price: Price | None, created_at: int = 0) -> Offer | None:
    """A new model, by its first deployment; None when the configuration says nothing of a new model."""
    new = config.new_model
    if new is None:
        return None
    return Offer(
        config.model,
        new.kind,
        config.provider,
        config.upstream_model or config.model,
        price,
        new.context_tokens_max,
        new.output_tokens_max,
        new.vision,
        new.tools,
        new.dimensions,
        created_at,
        config.tier,
        config.weight,
        config.prefill,
        config.rules,
        name,
    )


def build_models(
    offers: Iterable[Offer],
    default_chat: str | None,
    default_embedding: str | None,
    *,
    with_aliases: bool,
    moderator: str | None = None,
    deployments: Mapping[str, DeploymentConfig] | None = None,
    routes: Mapping[str, RouteConfig] | None = None,
) -> dict[str, Model]:
    """All models by name. A later offer of a name wins; aliases never hide a model that was configured.

    `with_aliases`: OpenAI's names stand for the local models, so that a sample runs as it is written. Only while no provider is
    configured: with a real `gpt-4o` in reach, a small local model must not answer in its name. The `moderator` has
    OpenAI's names until another model moderates.
    """
    routes = routes or {}
    kept = {offer.name: offer for offer in offers}
    models = {offer.name: _model(offer) for offer in kept.values()}
    _add_deployments(models, kept, deployments or {})
    _add_routes(models, routes)
    auto = RouteConfig(auto=tuple(Rule(use=name) for name in _for_auto(models)))
    names = {name: route for name, route in routes.items() if route.is_name and name not in models}
    if auto.auto:
        names.setdefault(AUTO, auto)
    models |= {name: model for name in names if (model := named(name, names, models)) is not None}
    if with_aliases:
        _add_aliases(models, CHAT_ALIASES, default_chat)
        _add_aliases(models, EMBEDDING_ALIASES, default_embedding)
    moderators = [name for name, model in models.items() if Operation.MODERATIONS in model.abilities.operations]
    if moderators == [moderator]:
        _add_aliases(models, MODERATION_ALIASES, moderator)
    return models


def _add_aliases(models: dict[str, Model], names: Iterable[str], target: str | None) -> None:
    """OpenAI's names for a local model, where nothing has them yet."""
    if target not in models:
        return
    for name in names:
        alias = named(name, {name: RouteConfig(alias_of=target)}, models)
        if alias is not None:
            models.setdefault(name, alias)


def vanished_aliases(models: Mapping[str, Model]) -> list[str]:
    """The alias names that the log mentions once a provider has made them disappear."""
    return [name for name in (*CHAT_ALIASES, *EMBEDDING_ALIASES) if name not in models]


def _for_auto(models: Mapping[str, Model]) -> list[str]:
    """What `auto` chooses from while nobody has written rules: the chat models of providers, or where there is none the local ones.

    A local model never stands in for a provider's unless somebody says so.
    """
    chat = [model for model in models.values() if Operation.CHAT in model.abilities.operations]
    distant = [model.name for model in chat if model.deployment.provider != ENGINE]
    return (distant or [model.name for model in chat])[:CHOICES_MAX]


def _model(offer: Offer) -> Model:
    is_chat = offer.kind == "chat"
    deployment = Deployment(
        offer.deployment or f"{offer.provider}/{offer.upstream_model}",
        offer.provider,
        offer.upstream_model,
        offer.weight,
        offer.prefill,
        offer.rules,
    )
    return Model(
        name=offer.name,
        deployment=deployment,
        abilities=Abilities(
            operations=_OPERATIONS[offer.kind],
            context_tokens_max=offer.context_tokens_max,
            output_tokens_max=offer.output_tokens_max if is_chat else 0,
            vision=offer.vision or _sees(offer),
            tools=offer.tools,
            dimensions=offer.dimensions,
        ),
        price=offer.price,
        created_at=offer.created_at,
        owned_by="waystation" if offer.provider == ENGINE else offer.provider,
    )


def _sees(offer: Offer) -> bool:
    """OpenAI's name for moderators that take pictures too says so."""
    return offer.kind == "moderation" and offer.upstream_model.startswith("omni-")


def _add_deployments(
    models: dict[str, Model], offers: Mapping[str, Offer], deployments: Mapping[str, DeploymentConfig]
) -> None:
    """Give the models that have more than one deployment their tiers. In each, the model's own comes first."""
    tiers: dict[str, dict[int, list[Deployment]]] = {}
    for name, config in deployments.items():
        model = models.get(config.model)
        if model is None or model.deployment.name == name:
            continue
        upstream_model = config.upstream_model or model.deployment.upstream_model
        deployment = Deployment(name, config.provider, upstream_model, config.weight, config.prefill, config.rules)
        own = {offers[model.name].tier: [model.deployment]}
        tiers.setdefault(model.name, own).setdefault(config.tier, []).append(deployment)
    for model_name, by_tier in tiers.items():
        in_order = tuple(tuple(by_tier[tier]) for tier in sorted(by_tier))
        models[model_name] = msgspec.structs.replace(models[model_name], deployment=in_order[0][0], tiers=in_order)


def _add_routes(models: dict[str, Model], routes: Mapping[str, RouteConfig]) -> None:
    """Give the models that have a route theirs, with the models that stand in for them."""
    plain = dict(models)  # who stands in goes by its own deployments alone: its own route is not followed
    for name, config in routes.items():
        model = plain.get(name)
        if model is None or config.is_name:
            continue
        route = route_of(config)
        canary = route.canary if route.canary is not None and route.canary.model in models else None
        plan = Plan(
            notes=life_notes(route.deprecated_at, route.sunset_at, route.replacement),
            canary=canary if canary is not None and canary.per_mille else None,
            sunset_at=route.sunset_at,
            replacement=route.replacement,
        )
        models[name] = planned(model, plan, route=route, fallbacks=_fallbacks(name, config, plain, routes))


def _fallbacks(
    name: str, config: RouteConfig, models: Mapping[str, Model], routes: Mapping[str, RouteConfig]
) -> tuple[Model, ...]:
    """The models that stand in, in order, LOCAL last; each once, and what isn't there left out."""
    wanted = [*config.fallbacks, *([config.local] if config.local else [])]
    if config.local and config.local in config.fallbacks:
        wanted.remove(config.local)
    names = {alias: route for alias, route in routes.items() if route.is_name}
    ends = (end_of(each, names, models)[1] for each in wanted)
    return tuple(models[end] for end in dict.fromkeys(ends) if end is not None and end != name)
