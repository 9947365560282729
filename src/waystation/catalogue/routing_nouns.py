"""What an administrator says about where calls go, as it is written: in TOML tables and in the control plane's JSON alike.

Plain data. `routing_reading.py` reads tables into it, `route_rules.py` says what is wrong with it, `build.py` makes models of it.
"""

from typing import Literal, NamedTuple

from msgspec import Struct

from waystation.terms import ENGINE

Task = Literal["code", "translate", "math", "chat"]


class Problem(NamedTuple):
    """Something that is wrong: where, and what, in words that follow the name of the place."""

    topic: str  # "providers" | "models" | "deployments" | "routes"
    name: str  # of the provider, the model, the deployment, the route
    path: str  # within it, as `param` names it: "fallbacks[0]", "canary.percent"; "": the whole
    en: str
    zh: str
    missing: bool = False  # it names what isn't there (yet); what is there can be used without it

    @property
    def key(self) -> str:
        """The place in a TOML file."""
        name = self.name if self.name.isidentifier() else f'"{self.name}"'
        return f"{self.topic}.{name}" + (f".{self.path}" if self.path else "")


class NewModel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model can do that comes with its first deployment, where no `[models]` table says it."""

    kind: Literal["chat", "embedding"] = "chat"
    context_tokens_max: int = 131_072
    output_tokens_max: int = 16_384
    vision: bool = False
    tools: bool = True
    dimensions: int | None = None


class DeploymentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deployments."NAME"]`: one more place that serves a model."""

    model: str
    provider: str
    upstream_model: str | None = None  # None: as at the model's own deployment, else the model's name
    tier: int = 0
    weight: int = 1
    prefill: bool = False
    rules: str = ""
    new_model: NewModel | None = None  # only through the control plane; in a file a model has its own table


class StaticConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    en: str
    zh: str


class CanaryConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: str
    percent: float  # 0 to 100, to a tenth


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is said must hold; what is left out is not looked at."""

    images: bool | None = None
    tools: bool | None = None
    json: bool | None = None
    input_tokens_above: int | None = None  # of the text, guessed from its bytes
    task: Task | None = None


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `auto`: when it fits, `use` a model, or the best of some."""

    when: When | None = None  # None: always
    use: str | None = None
    optimize: Literal["cost", "speed"] | None = None
    among: tuple[str, ...] = ()


class RouteConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routes."NAME"]`: how calls of a model travel, or what a new name stands for. None: not said."""

    # of a model
    balance: Literal["weighted", "least_busy", "lowest_latency"] | None = None
    affinity: bool | None = None
    fallbacks: tuple[str, ...] = ()
    local: str | None = None
    cache: bool | None = None
    cache_s: int | None = None
    stale_s: int | None = None
    static: StaticConfig | None = None
    attempts_max: int | None = None
    first_byte_timeout_s: float | None = None
    total_timeout_s: float | None = None
    canary: CanaryConfig | None = None
    # of any name
    deprecated_at: int | None = None  # UTC seconds; read from dates too
    sunset_at: int | None = None
    replacement: str | None = None
    # of a new name: one of these
    alias_of: str | None = None
    prefer: tuple[str, ...] = ()
    auto: tuple[Rule, ...] = ()

    @property
    def is_name(self) -> bool:
        """Whether it makes a new name, instead of saying how a model's calls travel."""
        return self.alias_of is not None or bool(self.prefer) or bool(self.auto)


class ModelFacts(NamedTuple):
    """What the rules need to know of a model that is there already."""

    kind: str = "chat"  # "chat" | "embedding"
    provider: str = ""  # of its first deployment; ENGINE: a model of this machine
    upstream_model: str = ""
    tier: int = 0
    weight: int = 1

    @property
    def is_local(self) -> bool:
        return self.provider == ENGINE


BUILT_IN_NAMES = frozenset({"auto"})
