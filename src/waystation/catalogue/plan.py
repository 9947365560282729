"""Names that are more than a model with a price: what is to be done when one is asked for, prepared once when models are built."""

import hashlib
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import msgspec

from waystation.catalogue.dates import day_of
from waystation.catalogue.routing_nouns import RouteConfig, Rule
from waystation.errors import ModelNotFound
from waystation.gateway.notes import MODEL, noted
from waystation.terms import Canary, Model, Route, Static


class Plan(msgspec.Struct, frozen=True):
    """What holds of a name. `rules` not empty: it chooses a model for each call."""

    notes: bytes = b""  # of each answer under this name: Deprecation, Sunset, x-waystation-replacement
    says_model: bytes = b""  # the line that names the model which an alias stands for
    rules: tuple[Rule, ...] = ()
    canary: Canary | None = None
    sunset_at: int | None = None  # UTC seconds
    replacement: str | None = None


class Planned(Model, frozen=True):
    """A model under a name that has a plan."""

    plan: Plan = Plan()


def planned(model: Model, plan: Plan, **changes: Any) -> Planned:
    """A model with a plan, and with these fields otherwise."""
    fields = {field: getattr(model, field) for field in Model.__struct_fields__}
    return Planned(**{**fields, **changes}, plan=plan)


def plan_of(model: Model) -> Plan:
    return model.plan if isinstance(model, Planned) else Plan()


def route_of(config: RouteConfig) -> Route:
    """A model's own route, with what nobody said as usual."""
    usual = Route()
    return Route(
        balance=config.balance or usual.balance,
        affinity=_said(config.affinity, usual.affinity),
        fallbacks=config.fallbacks,
        local=config.local,
        cache=_said(config.cache, usual.cache),
        cache_s=_said(config.cache_s, usual.cache_s),
        stale_s=_said(config.stale_s, usual.stale_s),
        static=None if config.static is None else Static(config.static.en, config.static.zh),
        attempts_max=_said(config.attempts_max, usual.attempts_max),
        first_byte_timeout_s=config.first_byte_timeout_s,
        total_timeout_s=config.total_timeout_s,
        canary=None
        if config.canary is None
        else Canary(config.canary.model, min(1000, max(0, round(config.canary.percent * 10)))),
        deprecated_at=config.deprecated_at,
        sunset_at=config.sunset_at,
        replacement=config.replacement,
    )


def _said(value: Any, usual: Any) -> Any:
    return usual if value is None else value


# -- headers


def model_line(name: str) -> bytes:
    """The header that says which model answers, where it is not the one that was named."""
    return noted(b"", MODEL, name)


def life_notes(deprecated_at: int | None, sunset_at: int | None, replacement: str | None) -> bytes:
    """Deprecation (RFC 9745), Sunset (RFC 8594) and what to use instead, as encoded lines."""
    lines = []
    if deprecated_at is not None:
        lines.append(f"deprecation: @{deprecated_at}\r\n")
    if sunset_at is not None:
        lines.append(f"sunset: {formatdate(sunset_at, usegmt=True)}\r\n")
    if replacement is not None and lines:
        lines.append(f"x-waystation-replacement: {replacement}\r\n")
    return "".join(lines).encode("ascii", "replace")


def retired(name: str, plan: Plan) -> ModelNotFound:
    """What is said of a name after its sunset, when nothing answers in its place."""
    day = day_of(plan.sunset_at or 0)
    instead = (
        f" Use `{plan.replacement}` instead." if plan.replacement else " GET /v1/models lists those that there are."
    )
    lines = plan.notes.decode("ascii").splitlines()
    return ModelNotFound(
        f"The model `{name}` was retired on {day} and no longer exists.{instead}",
        param="model",
        headers=tuple((key, value) for key, _, value in (line.partition(": ") for line in lines)),
    )


# -- the canary's share


def takes_canary(canary: Canary, name: str, subject: str) -> bool:
    """Whether a subject (an end user, else a call) is in the share of a name's canary: always the same for the same two.

    A share that grows keeps those who were in it. The name is part of it, so that not the same people meet every canary.
    """
    digest = hashlib.blake2b(f"{name}\0{subject}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 1000 < canary.per_mille


IsLive = Callable[[Model], bool]
LatencyMs = Callable[[Model], float | None]


def always_live(_model: Model) -> bool:
    """Until somebody watches the deployments."""
    return True


def never_measured(_model: Model) -> None:
    return None
