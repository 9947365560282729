"""Invoices of the control plane. Amounts are texts of whole 10⁻⁹ units, and exact decimals beside them."""

from typing import Literal

from waystation.wire.answers import Shape
from waystation.wire.listing import Listing


class InvoiceLine(Shape, frozen=True, kw_only=True):
    """What a project used of a model in the month."""

    project_id: str
    project: str  # its name when the invoice was issued
    model: str
    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    amount: str
    amount_nano: str


class InvoiceCorrection(Shape, frozen=True, kw_only=True):
    """What a re-rating changed of calls of this month or an earlier one, since the last invoice."""

    project_id: str
    project: str
    model: str
    month: str  # of the calls
    rerating_id: str
    requests: int
    amount: str
    amount_nano: str


class InvoiceHead(Shape, frozen=True, kw_only=True):
    """An invoice without its lines. `terms`: "postpaid", to be paid; "prepaid", it was paid from credit."""

    id: str
    object: Literal["invoice"] = "invoice"
    organization_id: str
    organization: str
    month: str
    time_zone: str
    from_at: int
    until_at: int  # not included
    currency: str
    terms: str
    total: str
    total_nano: str
    other_currencies_nano: dict[str, str]  # what was charged in the month in others, and is on no invoice
    issued_at: int


class InvoiceObject(InvoiceHead, frozen=True, kw_only=True):
    """A month as it was when it was issued; the amounts of lines and corrections add up to the total."""

    lines: list[InvoiceLine]
    corrections: list[InvoiceCorrection]


class InvoiceList(Listing, frozen=True, kw_only=True):
    data: list[InvoiceHead]
