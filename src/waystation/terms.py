"""The nouns that several stages share: callers, models, deployments, usage, money and the events of an answer.

Nothing here does anything; it imports no other part of the product. The classes are `msgspec.Struct`s because a call makes
several of them and they cost a tenth of a microsecond each.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal

import msgspec

ENGINE = "local"  # the provider that is this machine's own engine; no configured provider may have its name


class Operation(StrEnum):
    """What a call asks for; the word that usage rows and metrics use (OpenTelemetry GenAI names where they exist)."""

    CHAT = "chat"
    COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    MODERATIONS = "moderations"


WITHOUT_OUTPUT = (Operation.EMBEDDINGS, Operation.MODERATIONS)
"""What is answered with numbers: no tokens of output, nothing to stream or to go on with. A tuple: to hash an enum is slow."""


class Dialect(StrEnum):
    """In whose words a caller speaks. A provider that speaks the same is handed the caller's own bytes."""

    OPENAI = "openai"  # chat completions, completions, embeddings, moderations
    ANTHROPIC = "anthropic"  # messages
    RESPONSES = "responses"  # OpenAI's Responses API


class Rung(StrEnum):
    """Which step of the ladder answered: what x-waystation-served-by says. In the order in which they are tried."""

    PRIMARY = "primary"  # the first that was tried
    CREDENTIAL = "credential"  # the same deployment with another credential, or once more
    DEPLOYMENT = "deployment"  # another deployment of the model at the same provider
    PROVIDER = "provider"  # another provider, also with another model that the route names
    LOCAL = "local"  # a model of this machine that the route names
    CACHE = "cache"  # an answer to the same request that is still fresh
    STALE_CACHE = "stale_cache"  # one that is not
    STATIC = "static"  # words that an administrator wrote beforehand


FREE_RUNGS = frozenset((Rung.CACHE, Rung.STALE_CACHE, Rung.STATIC))
"""What they answer costs nobody anything: it is recorded, at no charge."""


class Blame(StrEnum):
    """Whose fault a failed attempt is, which decides who is asked next."""

    CALLER = "caller"  # the request itself: nobody else is asked
    CREDENTIAL = "credential"  # our key or account there was refused: the credential rests until somebody mends it
    LIMIT = "limit"  # 429: the credential rests for as long as it was told; the deployment is well
    BUSY = "busy"  # our own bound: its queue or its concurrency cap is full; nothing is wrong with it
    UNABLE = "unable"  # it can't be told this in its dialect: nothing was sent, and someone else may be able
    MODEL = "model"  # the deployment does not have the model: no use to try it again
    DEPLOYMENT = "deployment"  # not reached, too late, broken off, 5xx, nonsense: counts against its health


class Secret:
    """A text that is never printed: `str`, `repr` and format give stars. `.reveal()` is the one way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not written anywhere")


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
    cache_s: int = 0  # answers are kept for repeats of the same request this long (of its project); 0: not at all


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
    tools: dict[
        str, int
    ] = {}  # nano for one call of a tool that the provider runs, by its type: the same in every tier


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
    weight: int = 1  # its part of the calls of its tier, where they are shared out by weight
    prefill: bool = False  # it truly goes on from an assistant's message that is handed to it
    rules: str = ""  # which of the parameter rules hold (`catalogue/parameters.py`); "": by provider and model name


class Canary(msgspec.Struct, frozen=True):
    """A part of a model's calls goes to another model, to try that."""

    model: str
    per_mille: int


class Static(msgspec.Struct, frozen=True):
    """The words of a static reply."""

    en: str
    zh: str


class Route(msgspec.Struct, frozen=True):
    """How calls of a model travel: what an administrator has said beyond the model's own deployments."""

    balance: Literal["weighted", "least_busy", "lowest_latency"] = "weighted"
    affinity: bool = True  # calls that begin alike go to the same deployment, for its prompt cache
    fallbacks: tuple[str, ...] = ()  # other models, when all of its own deployments fail
    local: str | None = None  # the rung LOCAL: a model of this machine
    cache: bool = False  # the rung CACHE also when the project does not ask for it: answers are kept for `cache_s`
    cache_s: int = 300
    stale_s: int = 0  # the rung STALE_CACHE: for so long after they were fresh
    static: Static | None = None  # the rung STATIC
    attempts_max: int = 7
    first_byte_timeout_s: float | None = None  # None: the provider's
    total_timeout_s: float | None = None
    canary: Canary | None = None
    deprecated_at: int | None = None  # UTC seconds
    sunset_at: int | None = None
    replacement: str | None = None  # what to use instead of a deprecated model


class Credential(msgspec.Struct, frozen=True):
    """What a provider is shown. A pool has several; each fails alone."""

    id: str
    name: str
    secret: Secret | None = None  # None: the provider wants none
    weight: int = 1
    disabled: bool = False  # by an administrator, or because it was refused


NO_CREDENTIAL = Credential("", "")


class Model(msgspec.Struct, frozen=True):
    """A name that a caller may ask for, resolved: where it is served, what it can do, what it costs."""

    name: str
    deployment: Deployment
    abilities: Abilities
    price: Price | None  # None: an administrator has said that this model is unmetered
    alias_of: str | None = None
    created_at: int = 0  # UTC seconds
    owned_by: str = "waystation"
    tiers: tuple[tuple[Deployment, ...], ...] = ()  # of deployments, the first tried first; (): `deployment` alone
    route: Route | None = None  # None: all as usual
    fallbacks: tuple["Model", ...] = ()  # those of the route, as the caller pays for them; in order, LOCAL last


class Target(msgspec.Struct, frozen=True):
    """Where one attempt goes."""

    deployment: Deployment
    model: Model  # whose deployment it is: the requested one, or a fallback
    credential: Credential = NO_CREDENTIAL


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
    tool_calls: dict[str, int] | None = None  # calls of tools that the provider ran, by type, where they have a fee


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
