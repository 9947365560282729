"""Rate limits of the control plane: our own, for whatever has limits, and a project's as OpenAI's admin API has them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from waystation.wire.answers import Shape
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

LIMIT_MAX = 10**10  # as of `ledger/rates/model.py`; a test holds them together
ALL_MODELS = "*"  # where OpenAI's object must name a model

Limit = Annotated[int, Meta(ge=0, le=LIMIT_MAX)]  # 0: nothing passes


class ChangeLimits(Exact, frozen=True, gc=False, kw_only=True):
    """What is left out stays as it is."""

    max_requests_per_1_minute: Limit | None = None
    max_requests_per_1_day: Limit | None = None
    max_tokens_per_1_minute: Limit | None = None
    max_images_per_1_minute: Limit | None = None
    max_audio_megabytes_per_1_minute: Limit | None = None
    max_concurrent_streams: Limit | None = None


class SetLimits(ChangeLimits, frozen=True, gc=False, kw_only=True):
    """At least one limit, in the place of all that this subject has for this model."""

    scope: Literal["organization", "project", "key"]
    subject: str | None = None  # an id; of the organization's own limits it may be left out
    model: str | None = None  # left out: for all models together


class RateLimitObject(Shape, frozen=True, kw_only=True):
    """The limits of one subject for one model, or (`model` null) for all of them together. Null: no limit."""

    id: str
    object: Literal["rate_limit"] = "rate_limit"
    organization_id: str
    scope: str
    subject: str
    model: str | None
    max_requests_per_1_minute: int | None
    max_requests_per_1_day: int | None
    max_tokens_per_1_minute: int | None
    max_images_per_1_minute: int | None
    max_audio_megabytes_per_1_minute: int | None
    max_concurrent_streams: int | None
    created_at: int
    updated_at: int


class RateLimitList(Listing, frozen=True, kw_only=True):
    data: list[RateLimitObject]


class ProjectRateLimit(Shape, frozen=True, kw_only=True):
    """A project's, as OpenAI shows it: `model` "*" stands for all models together, and where there is no limit of
    requests or tokens the most that can be set, which is none."""

    id: str
    object: Literal["project.rate_limit"] = "project.rate_limit"
    model: str
    max_requests_per_1_minute: int
    max_tokens_per_1_minute: int
    max_requests_per_1_day: int | UnsetType = UNSET
    max_images_per_1_minute: int | UnsetType = UNSET
    max_audio_megabytes_per_1_minute: int | UnsetType = UNSET
    max_concurrent_streams: int | UnsetType = UNSET


class ProjectRateLimitList(Listing, frozen=True, kw_only=True):
    data: list[ProjectRateLimit]
