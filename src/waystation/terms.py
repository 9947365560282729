"""The nouns that several stages share: callers, models, deployments, usage, money and the events of an answer.

Nothing here does anything; it imports no other part of the product. The classes are `msgspec.Struct`s because a call makes
several of them and they cost a tenth of a microsecond each.
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec

ENGINE = "local"  # the provider that is this machine's own engine; no configured provider may have its name


class Operation(StrEnum):
    """What a call asks for; the word that usage rows and metrics use (OpenTelemetry GenAI names where they exist)."""

    CHAT = "chat"
    COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"


class Caller(msgspec.Struct, frozen=True):
    """Who calls: what the rows of a key, its project and its organization say, as the view holds it.

    Found by the SHA-256 of the key, never by the key itself.
    """

    key_id: str
    project_id: str
    organization_id: str
    admin: bool = False  # an admin key opens the control plane, never the calls
    revoked: bool = False
    expires_at: int | None = None  # UTC seconds
    postpaid: bool = True  # a prepaid organization can't hold more than its credit
    currency: str = "USD"  # the organization's: its prices, budgets and credit are in it
    archived: bool = False  # its project is
    drain: bool = False  # when the client leaves, the answer is still read to its end, for its exact usage


class Step(msgspec.Struct, frozen=True):
    """Other rates for the whole call when its input is longer than this. None: the price's own."""

    above_input_tokens: int
    input_nano_per_million: int
    output_nano_per_million: int
    cached_input_nano_per_million: int | None = None
    cache_write_nano_per_million: int | None = None


class Price(msgspec.Struct, frozen=True):
    """A price row: 10⁻⁹ of the currency for a million tokens, so that integers carry the cheapest real price."""

    currency: str  # "USD" or "CNY"
    input_nano_per_million: int
    output_nano_per_million: int
    cached_input_nano_per_million: int | None = None  # None: cached input costs what input costs
    source: str = "config"
    cache_write_nano_per_million: int | None = None  # None: as input
    reasoning_nano_per_million: int | None = None  # None: as output
    audio_input_nano_per_million: int | None = None  # None: unknown, and unknown is never free
    audio_output_nano_per_million: int | None = None
    image_nano: int | None = None  # for one generated image
    request_nano: int = 0  # for the call itself
    steps: tuple[Step, ...] = ()  # by above_input_tokens, the lowest first
    tiers: dict[str, "Price"] = {}  # "flex", "priority", "batch": prices of their own; other tiers cost what this says


class Abilities(msgspec.Struct, frozen=True):
    """What a model can do and how much it takes: all that a call is checked against before it goes anywhere."""

    operations: frozenset[Operation]
    context_tokens_max: int
    output_tokens_max: int
    vision: bool = False
    tools: bool = True
    dimensions: int | None = None  # of an embedding model


class Deployment(msgspec.Struct, frozen=True):
    """A model at a provider with a credential. `provider` is a name in the way's table of providers."""

    name: str  # "local/qwen2.5-coder-0.5b", "deepseek/deepseek-chat": what x-waystation-deployment says
    provider: str
    upstream_model: str  # the model's name there


class Model(msgspec.Struct, frozen=True):
    """A name that a caller may ask for, resolved: where it is served, what it can do, what it costs."""

    name: str
    deployment: Deployment
    abilities: Abilities
    price: Price | None  # None: an administrator has said that this model is unmetered
    alias_of: str | None = None
    created_at: int = 0  # UTC seconds
    owned_by: str = "waystation"


class Usage(msgspec.Struct):
    """What a call used. Cached tokens are part of input_tokens, reasoning tokens part of output_tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False  # counted by us, because the provider did not say
    cache_write_tokens: int = 0  # part of input_tokens, and none of them is cached
    audio_input_tokens: int = 0  # part of input_tokens
    audio_output_tokens: int = 0  # part of output_tokens
    images: int = 0  # generated
    tier: str | None = None  # the service tier that the provider says it served: "flex", "priority"


class Piece(msgspec.Struct):
    """A part of a streamed answer, as whole server-sent events in the caller's dialect."""

    data: bytes
    text: str = ""  # what it adds to the answer: metered when the provider's own usage never comes


class Done(msgspec.Struct):
    """The end of an answer: the whole body of one that is not streamed, or the last events of a stream.

    It leaves `answer` only when the hold is settled, so `cost_nano` is final. `usage` None means that the provider gave none;
    the ledger counts then and fills it in. A stream whose last events tell a usage that only the ledger knows has a
    `tail`: the bytes that come after `data`, made of the final usage.
    """

    data: bytes
    usage: Usage | None
    cost_nano: int = 0
    currency: str = "USD"
    tail: Callable[[Usage], bytes] | None = None


Event = Piece | Done
