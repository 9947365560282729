"""Usage as the control plane answers it: by whatever was asked, and single calls. Money comes as integers and as decimals,
both texts."""

from typing import Literal

from waystation.wire.answers import Shape


class UsageOf(Shape, frozen=True, kw_only=True):
    """What a group of calls used in a bucket. Of what was not asked for, and of what a call lacks, there is null."""

    from_at: int
    until_at: int
    project: str | None
    key: str | None
    model: str | None
    operation: str | None
    deployment: str | None
    end_user: str | None
    tier: str | None
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None  # part of the input; null: not kept by end user
    reasoning_tokens: int | None  # part of the output
    currency: str
    cost: str
    cost_nano: str  # corrections included
    saved: str | None  # what kept answers would have cost; null: not kept by end user
    saved_nano: str | None


class UsagePage(Shape, frozen=True, kw_only=True):
    """The times are what was counted: those that were asked for, widened to whole quarters of an hour or days where usage
    is kept by those."""

    object: Literal["usage.page"] = "usage.page"
    organization_id: str
    time_zone: str
    from_at: int
    until_at: int  # not included
    bucket: str | None
    group_by: list[str]
    data: list[UsageOf]
    has_more: bool
    next_page: str | None


class CallObject(Shape, frozen=True, kw_only=True):
    """A call. `state`: "open" while it is answered, "void" when nothing was used, "settled" when what it cost is certain,
    "posted" when that is in the books."""

    id: str
    object: Literal["request"] = "request"
    state: Literal["open", "void", "settled", "posted"]
    created_at: int
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    deployment: str
    end_user: str | None
    stream: bool
    status: str | None  # "ok", "cancelled", "error" or "recovered"; null while it is open
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    other_usage: dict[str, int]  # {"cache_write_tokens": 12, "images": 1}
    tier: str | None
    estimated: bool
    flagged: bool
    currency: str
    held_nano: str | None  # while it is open
    cost: str
    cost_nano: str  # what the customer is charged, corrections included
    corrections_nano: str
    duration_ms: int
    served_by: (
        str | None
    )  # "primary", "credential", "deployment", "provider", "local", "cache", "stale_cache", "static"
    served_model: str | None  # the model that answered, where it is another than was asked for
    attempts: int  # how many times something was dispatched
    saved_nano: str | None  # what a kept answer would have cost; null: it is none
    kept_input_tokens: int  # what it used when it was made
    kept_output_tokens: int
