"""Pricing a past period anew: what is asked, what a call would then cost, and what that changes. Pure."""

import re
from typing import NamedTuple

import msgspec

from waystation.errors import ApiError, InvalidRequest
from waystation.ledger.reading.model import check_range
from waystation.ledger.serving import USAGE_FIELDS, read_extra
from waystation.metering.cost import check_price, cost_nano
from waystation.terms import Price, Usage

CALLS_MAX = 50_000  # of one re-rating: it is one transaction of two seconds, and others wait while it writes
REASON_CHARS_MAX = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,79}\Z")


class NotSettled(ApiError):
    """Calls of the period are not in the books yet; `retry_after_ms` says when to come again."""

    status, type, code = 409, "invalid_request_error", "period_not_settled"


class Ask(msgspec.Struct, frozen=True):
    """Which calls should have been charged what: those of a model that were held in [from_at, until_at)."""

    model: str
    from_at: int
    until_at: int
    price: Price
    organization_id: str | None = None  # None: all that were charged in the price's currency
    project_id: str | None = None


class Row(NamedTuple):
    """A call as its usage row and earlier corrections have it."""

    request_id: str
    at: int
    series_id: int
    end_user: str | None
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_nano: int
    variance_nano: int
    tier: str | None
    extra: str | None
    corrected_nano: int
    payer: str | None  # the kind of account that paid; None when it cost nothing


class Change(msgspec.Struct, frozen=True):
    """What a re-rating does to an organization."""

    organization_id: str
    currency: str
    requests: int  # calls that were looked at
    changed: int  # calls that cost something else now
    old_nano: int  # what they were charged in all before
    new_nano: int
    delta_nano: int


class Preview(msgspec.Struct, frozen=True):
    """What applying it now would do. `changes` in the order of the organizations' ids."""

    ask: Ask
    changes: list[Change]


class Rerating(msgspec.Struct, frozen=True):
    """One that was applied."""

    id: str
    model: str
    organization_id: str | None
    project_id: str | None
    from_at: int
    until_at: int
    price: Price
    reason: str
    requests: int  # calls that were looked at
    delta_nano: dict[str, int]  # by currency
    created_at: int


def charge_nano(row: Row, price: Price) -> int:
    """What a call is charged at a price, by its own tokens and tier.

    Where a provider took more than the hold, a part of its cost was ours: the same share of it stays ours. A call that
    nobody was asked for stays free, and one that another model answered never costs more than it did: its charge was the
    lesser of two prices, of which only that of the model that was asked for is corrected.
    Raises PriceMissing when the price has no rate for what the call used.
    """
    extra = read_extra(row.extra)
    if extra.free:
        return 0
    others = {name: getattr(extra, name) for name in USAGE_FIELDS}
    usage = Usage(row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens, tier=row.tier, **others)
    cost = cost_nano(usage, price, row.tier)
    if extra.served_model is not None:
        cost = min(cost, row.cost_nano + row.variance_nano)
    if row.variance_nano:
        return cost * row.cost_nano // (row.cost_nano + row.variance_nano)
    return cost


def check_ask(
    model: str,
    from_at: object,
    until_at: object,
    price: Price,
    organization_id: str | None,
    project_id: str | None,
) -> Ask:
    """Raises InvalidRequest."""
    begin, end = check_range(from_at, until_at)
    if not model or len(model) > 256 or not model.isprintable():
        raise InvalidRequest("'model' is the name of a model.", param="model")
    return Ask(model, begin, end, check_price(price), organization_id, project_id)


def check_id(rerating_id: str) -> str:
    """The name that makes doing it twice the same as once. Raises InvalidRequest."""
    if not _NAME.match(rerating_id):
        raise InvalidRequest("'id' has 1 to 80 letters, digits and . _ : -", param="id")
    return rerating_id


def check_reason(reason: str) -> str:
    if not reason.strip() or len(reason) > REASON_CHARS_MAX or not reason.isprintable():
        raise InvalidRequest(
            f"'reason' says in 1 to {REASON_CHARS_MAX} printable characters why: it is kept with the corrections.",
            param="reason",
        )
    return reason.strip()
