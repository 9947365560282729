"""The models that callers may name, made of the configuration and of the local models: the view's `models`."""

from collections.abc import Iterable, Mapping

import msgspec

from waystation.terms import ENGINE, Abilities, Deployment, Model, Operation, Price

FREE = Price("USD", 0, 0, source="local model")

_CHAT = frozenset({Operation.CHAT, Operation.COMPLETION})
_EMBEDDINGS = frozenset({Operation.EMBEDDINGS})

CHAT_ALIASES = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano")
EMBEDDING_ALIASES = ("text-embedding-3-small", "text-embedding-3-large")


class Offer(msgspec.Struct, frozen=True):
    """A model as somebody configured it: what `build_models` needs to know, whether it came from TOML or from the database."""

    name: str
    kind: str  # "chat" | "embedding"
    provider: str  # a configured provider's name, or ENGINE
    upstream_model: str
    price: Price | None  # None: unmetered by an administrator's word
    context_tokens_max: int
    output_tokens_max: int
    vision: bool = False
    tools: bool = True
    dimensions: int | None = None
    created_at: int = 0


def build_models(
    offers: Iterable[Offer], default_chat: str | None, default_embedding: str | None, *, with_aliases: bool
) -> dict[str, Model]:
    """All models by name. A later offer of a name wins; aliases never hide a model that was configured.

    `with_aliases`: OpenAI's names stand for the local models, so that a sample runs as it is written. Only while no provider is
    configured: with a real `gpt-4o` in reach, a small local model must not answer in its name.
    """
    models = {offer.name: _model(offer) for offer in offers}
    if with_aliases:
        for names, target in ((CHAT_ALIASES, default_chat), (EMBEDDING_ALIASES, default_embedding)):
            aliased = models.get(target or "")
            if aliased is None:
                continue
            for name in names:
                models.setdefault(name, msgspec.structs.replace(aliased, name=name, alias_of=aliased.name))
    return models


def vanished_aliases(models: Mapping[str, Model]) -> list[str]:
    """The alias names that the log mentions once a provider has made them disappear."""
    return [name for name in (*CHAT_ALIASES, *EMBEDDING_ALIASES) if name not in models]


def _model(offer: Offer) -> Model:
    is_chat = offer.kind == "chat"
    return Model(
        name=offer.name,
        deployment=Deployment(f"{offer.provider}/{offer.upstream_model}", offer.provider, offer.upstream_model),
        abilities=Abilities(
            operations=_CHAT if is_chat else _EMBEDDINGS,
            context_tokens_max=offer.context_tokens_max,
            output_tokens_max=offer.output_tokens_max if is_chat else 0,
            vision=offer.vision,
            tools=offer.tools,
            dimensions=offer.dimensions,
        ),
        price=offer.price,
        created_at=offer.created_at,
        owned_by="waystation" if offer.provider == ENGINE else offer.provider,
    )
