"""Organizations of the control plane: what is asked for, and how one is shown."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from waystation.wire.answers import Shape
from waystation.wire.budgets import NanoAsked
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Currency = Literal["USD", "CNY"]


class CreateOrganization(Exact, frozen=True, gc=False, kw_only=True):
    """It is prepaid, and begins with the credit of the setting `money.signup_grant`."""

    name: Name
    currency: Currency | None = None
    time_zone: str | None = None  # "Asia/Shanghai"; its days and months begin there


class UpdateOrganization(Exact, frozen=True, gc=False, kw_only=True):
    """What is left out stays as it is. `postpaid` and the overdraft are the operator's to say."""

    name: Name | None = None
    currency: Currency | None = None
    time_zone: str | None = None
    postpaid: bool | None = None
    overdraft: str | None = None
    overdraft_nano: NanoAsked = None


class OrganizationObject(Shape, frozen=True, kw_only=True):
    """`default_project_id` is there only in the answer to its making."""

    id: str
    object: Literal["organization"] = "organization"
    name: str
    currency: str
    postpaid: bool
    overdraft_nano: str
    time_zone: str
    created_at: int
    default_project_id: str | UnsetType = UNSET


class OrganizationList(Listing, frozen=True, kw_only=True):
    data: list[OrganizationObject]
