"""Drills, notices and health of the control plane: what is asked for, and how it is shown."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from waystation.wire.answers import Shape
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

Subject = Annotated[str, Meta(min_length=1, max_length=256)]


class StartDrill(Exact, frozen=True, gc=False, kw_only=True):
    """One of `provider`, `deployment` and `credential` is taken for down, for the calls of this project."""

    project_id: Subject
    provider: Subject | None = None
    deployment: Subject | None = None
    credential: Subject | None = None  # its id
    seconds: Annotated[int, Meta(ge=1, le=3_600)] = 300


class DrillObject(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["drill"] = "drill"
    project_id: str
    kind: Literal["provider", "deployment", "credential"]
    subject: str
    status: Literal["on", "stopped", "over"]
    created_at: int
    until_at: int
    ended_at: int | None  # when it was stopped before its time


class DrillList(Listing, frozen=True, kw_only=True):
    data: list[DrillObject]


class NoticeObject(Shape, frozen=True, kw_only=True):
    """What an administrator should know."""

    id: str
    object: Literal["notice"] = "notice"
    at: int
    kind: str  # "credential_refused" …
    subject: str  # what it is about: an id or a name
    detail: dict[str, Any]


class NoticeList(Listing, frozen=True, kw_only=True):
    data: list[NoticeObject]


class DeploymentHealth(Shape, frozen=True, kw_only=True):
    deployment: str
    provider: str
    state: Literal["closed", "open", "half_open"]  # of its breaker: closed is well
    shut_ms: int  # how much longer it is open
    in_flight: int
    latency_ms: int | None  # to the first byte, a moving average
    succeeded: int  # attempts of the last seconds
    failed: int
    failures_in_a_row: int


class CredentialHealth(Shape, frozen=True, kw_only=True):
    """A credential that rests: limited or refused."""

    provider: str
    credential_id: str
    rests_ms: int
    refused: bool


class HealthObject(Shape, frozen=True, kw_only=True):
    """How deployments and credentials stand, as the worker that was asked has seen them. Others may have seen otherwise."""

    object: Literal["routing_health"] = "routing_health"
    at: int
    deployments: list[DeploymentHealth]
    credentials: list[CredentialHealth]
