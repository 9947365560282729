"""Budgets of the control plane: what is asked for, and how one is shown. Amounts are texts of whole 10⁻⁹ units."""

from typing import Annotated, Literal

from msgspec import Meta

from waystation.wire.answers import Shape
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

NanoAsked = int | str | None  # 12500000000 or "12500000000"
Thresholds = Annotated[list[Annotated[int, Meta(ge=1, le=1000)]], Meta(max_length=10)]


class CreateBudget(Exact, frozen=True, gc=False, kw_only=True):
    """`cap` ("12.50") or `cap_nano` is required. `subject`: an id; of end users a name, or "*" for each of them."""

    scope: Literal["organization", "project", "key", "end_user"]
    window: Literal["day", "week", "month", "total"]
    subject: str | None = None  # of an organization's budget it may be left out
    project_id: str | None = None  # whose end users; left out: those of every project
    model: str | None = None
    cap: str | None = None
    cap_nano: NanoAsked = None
    hard: bool | None = None
    thresholds: Thresholds | None = None


class UpdateBudget(Exact, frozen=True, gc=False, kw_only=True):
    """What is left out stays as it is."""

    cap: str | None = None
    cap_nano: NanoAsked = None
    hard: bool | None = None
    thresholds: Thresholds | None = None


class BudgetPeriod(Shape, frozen=True, kw_only=True):
    """UTC seconds; null where it has no beginning or no end."""

    begins_at: int | None
    ends_at: int | None


class BudgetNotice(Shape, frozen=True, kw_only=True):
    """A threshold that was crossed in this period."""

    percent: int
    at: int
    spent_nano: str
    cap_nano: str


class BudgetObject(Shape, frozen=True, kw_only=True):
    """A budget, and how it stands now. `spent_nano` … are null of a budget for each end user, unless one is named."""

    id: str
    object: Literal["budget"] = "budget"
    organization_id: str
    scope: str
    subject: str
    project_id: str | None
    model: str | None
    window: str
    currency: str
    cap_nano: str
    hard: bool
    thresholds: list[int]
    created_at: int
    updated_at: int
    end_user: str | None  # whose standing this is, of a budget for each end user
    period: BudgetPeriod
    spent_nano: str | None
    held_nano: str | None  # by calls under way, and by workers for the next ones
    left_nano: str | None
    notices: list[BudgetNotice]


class BudgetList(Listing, frozen=True, kw_only=True):
    data: list[BudgetObject]
