"""Credit of the control plane: the balance, grants and redeem codes. Amounts are texts of whole 10⁻⁹ units."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from waystation.wire.answers import Shape
from waystation.wire.budgets import NanoAsked
from waystation.wire.listing import Listing
from waystation.wire.messages import Exact

At = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # UTC seconds, to the end of the year 9999


class CreditExpiry(Shape, frozen=True, kw_only=True):
    """What of the credit expires next."""

    expires_at: int
    left_nano: str


class CreditObject(Shape, frozen=True, kw_only=True):
    """The credit of an organization: granted = balance + used + expired."""

    object: Literal["credit"] = "credit"
    organization_id: str
    currency: str
    postpaid: bool  # then there is no credit: its budgets limit it
    balance_nano: str
    held_nano: str  # by calls under way, and by workers for the next ones
    overdraft_nano: str  # how far below zero it may go
    available_nano: str  # what a new call could hold: balance + overdraft - held
    granted_nano: str
    used_nano: str
    expired_nano: str
    grants: int  # how many were given
    next_expiry: CreditExpiry | None


class CreateGrant(Exact, frozen=True, gc=False, kw_only=True):
    """`amount` ("5.00") or `amount_nano` is required."""

    organization_id: str | None = None
    amount: str | None = None
    amount_nano: NanoAsked = None
    currency: Literal["USD", "CNY"] | None = None  # when it is said, it must be the organization's
    kind: Literal["grant", "top_up"] | None = None
    expires_at: At | None = None
    note: str | None = None


class GrantObject(Shape, frozen=True, kw_only=True):
    """Credit that was given. What expires first is spent first."""

    id: str
    object: Literal["credit.grant"] = "credit.grant"
    organization_id: str
    kind: str  # "sign_up", "grant", "top_up" or "redeem_code"
    currency: str
    amount_nano: str
    left_nano: str
    expires_at: int | None
    note: str
    created_at: int


class GrantList(Listing, frozen=True, kw_only=True):
    data: list[GrantObject]


class Redeem(Exact, frozen=True, gc=False, kw_only=True):
    code: Annotated[str, Meta(min_length=1, max_length=100)]


class CreateCodes(Exact, frozen=True, gc=False, kw_only=True):
    """`amount` ("5.00") or `amount_nano` of each is required."""

    count: Annotated[int, Meta(ge=1, le=1000)] = 1
    amount: str | None = None
    amount_nano: NanoAsked = None
    currency: Literal["USD", "CNY"] | None = None  # left out: that of the operator's organization
    expires_at: At | None = None  # of the code
    credit_expires_at: At | None = None  # of the credit that it gives


class CodeObject(Shape, frozen=True, kw_only=True):
    """A code that gives credit once. `code` is there only in the answer to its making."""

    id: str
    object: Literal["credit.code"] = "credit.code"
    code: str | UnsetType = UNSET
    redacted_value: str
    currency: str
    amount_nano: str
    credit_expires_at: int | None
    expires_at: int | None
    created_at: int
    status: Literal["open", "redeemed", "expired", "voided"]
    redeemed_at: int | None
    redeemed_by: str | None  # the organization
    grant_id: str | None


class CodeList(Listing, frozen=True, kw_only=True):
    data: list[CodeObject]
