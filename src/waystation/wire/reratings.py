"""Re-ratings of the control plane: a past period that is priced anew, and what that changes."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from waystation.wire.answers import Shape
from waystation.wire.credit import At
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact
from waystation.wire.prices import Rates

Id = Annotated[str, Meta(min_length=1, max_length=80)]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class CreateRerating(Exact, frozen=True, gc=False, kw_only=True):
    """`price` or `rates` is what should have been charged. To do it, and not only look (`preview`), `reason` and `id` are
    required: with the same id it is done once."""

    model: str
    from_at: At = msgspec.field(name="from")
    until_at: At = msgspec.field(name="until")  # not included
    price: dict[str, Any] | int | str | None = None
    rates: Rates | None = None
    organization_id: str | None = None  # left out: of all that were charged in the price's currency
    project_id: str | None = None
    preview: bool = False  # nothing is written
    reason: Reason | None = None
    id: Id | None = None


class RatingChange(Shape, frozen=True, kw_only=True):
    """What it does to an organization. `old_nano` and `new_nano`, in all, are told by a preview."""

    organization_id: str
    currency: str
    changed: int  # calls that cost something else now
    old_nano: str | None
    new_nano: str | None
    delta_nano: str


class ReratingObject(Shape, frozen=True, kw_only=True):
    """A preview has no id, and neither reason nor time."""

    id: str | None
    object: Literal["rerating"] = "rerating"
    preview: bool
    model: str
    organization_id: str | None
    project_id: str | None
    from_at: int
    until_at: int
    price: Any  # as it may be entered
    reason: str | None
    requests: int  # calls that were looked at
    delta_nano: dict[str, str]  # by currency
    changes: list[RatingChange]
    created_at: int | None


class ReratingHead(Shape, frozen=True, kw_only=True):
    """One that was applied, as lists have it."""

    id: str
    object: Literal["rerating"] = "rerating"
    model: str
    organization_id: str | None
    project_id: str | None
    from_at: int
    until_at: int
    price: Any
    reason: str
    requests: int
    delta_nano: dict[str, str]
    created_at: int


class ReratingList(Listing, frozen=True, kw_only=True):
    data: list[ReratingHead]
