"""What an administrator says about where calls go, as it is written: in TOML tables and in the control plane's JSON alike.

Plain data. `routing_reading.py` reads tables into it, `route_rules.py` says what is wrong with it, `build.py` makes models of it.
"""

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from waystation.terms import ENGINE

CHOICES_MAX = 64  # names in a `prefer` or an `among`, rules in an `auto`

Task = Literal["code", "translate", "math", "chat"]


def _say(sentence: str) -> Meta:
    """What a field is for; the docs page is printed from it."""
    return Meta(description=sentence)


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

    kind: Literal["chat", "embedding", "moderation"] = "chat"
    context_tokens_max: int = 131_072
    output_tokens_max: int = 16_384
    vision: bool = False
    tools: bool = True
    dimensions: int | None = None


class DeploymentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[deployments."NAME"]`: one more place that serves a model."""

    model: Annotated[str, _say("The model that it serves, by which callers ask.")]
    provider: Annotated[str, _say('Name of the provider; `"local"` is this machine\'s engine.')]
    upstream_model: Annotated[str | None, _say("The model's name there; else as at the model's first deployment.")] = (
        None
    )
    tier: Annotated[int, _say("0 is asked first, the next tier when all of one have failed. Counted without gaps.")] = 0
    weight: Annotated[int, _say("Its part of the calls of its tier; 0: only when the others can't.")] = 1
    prefill: Annotated[bool, _say("It truly goes on from a beginning that it is handed.")] = False
    rules: Annotated[str, _say("Which parameter rules hold there; else by provider and model name.")] = ""
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
    """`[routes."NAME"]`: how calls of a model travel, or what a new name stands for. What is left out is as usual."""

    # of a model
    balance: Annotated[
        Literal["weighted", "least_busy", "lowest_latency"] | None,
        _say("How calls are shared out among the deployments of a tier; else by weight."),
    ] = None
    affinity: Annotated[
        bool | None, _say("Calls that begin alike go to the same deployment, for its prompt cache; else true.")
    ] = None
    fallbacks: Annotated[
        tuple[str, ...],
        _say("Other models, asked in this order when all of its own deployments have failed. Theirs are not followed."),
    ] = ()
    local: Annotated[str | None, _say("A model of this machine, asked last.")] = None
    cache: Annotated[
        bool | None, _say("Keep answers for the same request, also where the project does not ask for it; else false.")
    ] = None
    cache_s: Annotated[int | None, _say("How long a kept answer is fresh, in seconds; else 300.")] = None
    stale_s: Annotated[
        int | None, _say("How long after that it may still answer when nobody else does, in seconds; else 0.")
    ] = None
    static: Annotated[StaticConfig | None, _say('The words when nothing else answers: `{ en = "…", zh = "…" }`.')] = (
        None
    )
    attempts_max: Annotated[int | None, _say("Attempts of one call, all in all; else 7.")] = None
    first_byte_timeout_s: Annotated[
        float | None, _say("Longest wait for the first byte of an attempt, in seconds; else the provider's.")
    ] = None
    total_timeout_s: Annotated[
        float | None, _say("Longest time of a call with all its attempts, in seconds; else the provider's.")
    ] = None
    canary: Annotated[
        CanaryConfig | None,
        _say('A part of its calls goes to another model, to try that: `{ model = "…", percent = 2.5 }`.'),
    ] = None
    # of any name; UTC seconds, read from dates too
    deprecated_at: Annotated[
        int | None, _say("A date: from then on it should no longer be used. Said in a header.")
    ] = None
    sunset_at: Annotated[
        int | None, _say("A date: from then on its replacement answers, or it is no longer found. Said in a header.")
    ] = None
    replacement: Annotated[str | None, _say("What to use instead of a deprecated name.")] = None
    # of a new name: one of these
    alias_of: Annotated[str | None, _say("The model that the new name stands for.")] = None
    prefer: Annotated[
        tuple[str, ...], _say("The new name stands for the first of these models that is there, well and able.")
    ] = ()
    auto: Annotated[
        tuple[Rule, ...],
        _say(
            'The new name chooses by these rules: `{ when = { task = "code" }, use = "…" }`; see [routing](routing.md).'
        ),
    ] = ()

    @property
    def is_name(self) -> bool:
        """Whether it makes a new name, instead of saying how a model's calls travel."""
        return self.alias_of is not None or bool(self.prefer) or bool(self.auto)


class ModelFacts(NamedTuple):
    """What the rules need to know of a model that is there already."""

    kind: str = "chat"  # "chat" | "embedding" | "moderation"
    provider: str = ""  # of its first deployment; ENGINE: a model of this machine
    upstream_model: str = ""
    tier: int = 0
    weight: int = 1

    @property
    def is_local(self) -> bool:
        return self.provider == ENGINE


BUILT_IN_NAMES = frozenset({"auto"})
