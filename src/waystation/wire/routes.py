"""Deployments and routes of the control plane: what is asked for, and how one is shown. The fields are those of the TOML file."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from waystation.wire.answers import Shape
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

ModelName = Annotated[str, Meta(min_length=1, max_length=128)]
UpstreamName = Annotated[str, Meta(min_length=1, max_length=256)]
Names = Annotated[list[ModelName], Meta(max_length=64)]


class NewModelAsked(Exact, frozen=True, gc=False, kw_only=True):
    """What a model can do that comes with its first deployment. `price` as in the configuration: {"input": "2.50",
    "output": "10"}, 0 or "unmetered"; left out: the price book's."""

    kind: Literal["chat", "embedding", "moderation"] = "chat"
    context_tokens_max: int = 131_072
    output_tokens_max: int = 16_384
    vision: bool = False
    tools: bool = True
    dimensions: int | None = None
    price: dict[str, Any] | int | str | None = None


class CreateDeployment(Exact, frozen=True, gc=False, kw_only=True):
    """`upstream_model`: the model's name at the provider, if another. `new_model` is for a name that no model has yet."""

    model: ModelName
    provider: ModelName
    name: ModelName | None = None  # left out: provider/upstream_model
    upstream_model: UpstreamName | None = None
    tier: int = 0
    weight: int = 1
    prefill: bool = False
    rules: Annotated[str, Meta(max_length=64)] = ""
    new_model: NewModelAsked | None = None


class UpdateDeployment(Exact, frozen=True, gc=False, kw_only=True):
    """What is left out stays as it is; null goes back to the default."""

    provider: ModelName | UnsetType = UNSET
    upstream_model: UpstreamName | UnsetType | None = UNSET
    tier: int | UnsetType | None = UNSET
    weight: int | UnsetType | None = UNSET
    prefill: bool | UnsetType | None = UNSET
    rules: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    new_model: NewModelAsked | UnsetType = UNSET


class NewModelObject(Shape, frozen=True, kw_only=True):
    kind: str
    context_tokens_max: int
    output_tokens_max: int
    vision: bool
    tools: bool
    dimensions: int | None
    price: Any  # as it may be entered; prices that were entered later (/waystation/prices) win


class DeploymentObject(Shape, frozen=True, kw_only=True):
    """One place that serves a model."""

    id: str  # of the file's: the name
    object: Literal["deployment"] = "deployment"
    name: str
    source: Literal["file", "api"]
    model: str
    provider: str
    upstream_model: str
    tier: int
    weight: int
    prefill: bool
    rules: str
    new_model: NewModelObject | None
    created_at: int | None
    updated_at: int | None


class DeploymentList(Listing, frozen=True, kw_only=True):
    data: list[DeploymentObject]


class StaticWords(Exact, frozen=True, kw_only=True):
    en: Annotated[str, Meta(max_length=10_000)]
    zh: Annotated[str, Meta(max_length=10_000)]


class CanaryPart(Exact, frozen=True, kw_only=True):
    model: ModelName
    percent: float


class RuleWhen(Exact, frozen=True, kw_only=True):
    """All that is said must hold."""

    images: bool | None = None
    tools: bool | None = None
    json: bool | None = None
    input_tokens_above: int | None = None
    task: Literal["code", "translate", "math", "chat"] | None = None


class AutoRule(Exact, frozen=True, kw_only=True):
    """When it fits, `use` a model, or the best `among` some."""

    when: RuleWhen | None = None
    use: ModelName | None = None
    optimize: Literal["cost", "speed"] | None = None
    among: Names = field(default_factory=list)


class SetRoute(Exact, frozen=True, kw_only=True):
    """The whole route of a name: what is left out is as usual. A model's own, or one of `alias_of`, `prefer`, `auto`."""

    balance: Literal["weighted", "least_busy", "lowest_latency"] | None = None
    affinity: bool | None = None
    fallbacks: Names = field(default_factory=list)
    local: ModelName | None = None
    cache: bool | None = None
    cache_s: int | None = None
    stale_s: int | None = None
    static: StaticWords | None = None
    attempts_max: int | None = None
    first_byte_timeout_s: float | None = None
    total_timeout_s: float | None = None
    canary: CanaryPart | None = None
    deprecated_at: Annotated[int, Meta(ge=0, le=253_402_300_799)] | None = None
    sunset_at: Annotated[int, Meta(ge=0, le=253_402_300_799)] | None = None
    replacement: ModelName | None = None
    alias_of: ModelName | None = None
    prefer: Names = field(default_factory=list)
    auto: Annotated[list[AutoRule], Meta(max_length=64)] = field(default_factory=list)


class RouteObject(Shape, frozen=True, kw_only=True):
    """How calls of a model travel, or what a name stands for. `route` has what was said, as it may be set again."""

    id: str  # its name
    object: Literal["route"] = "route"
    name: str
    source: Literal["file", "api"]
    route: SetRoute
    created_at: int | None
    updated_at: int | None


class RouteList(Listing, frozen=True, kw_only=True):
    data: list[RouteObject]
