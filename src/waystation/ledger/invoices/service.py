"""What can be done with invoices: issue one for a month that is over, read them. Every verb runs in the transaction that it
is given; nothing changes one that was issued."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.funds.store import lock
from waystation.ledger.invoices import store
from waystation.ledger.invoices.model import (
    Invoice,
    InvoiceNotReady,
    check_month,
    check_number,
    month_begins,
    month_of,
    number_after,
)
from waystation.ledger.reading.unposted import ENDED_S, Waiting, not_final

ISSUED_PER_SWEEP_MAX = 100  # in one transaction
MONTHS_MAX = 1_200  # looked through for one organization
PAGE_MAX = 101  # a page of 100, and one more that tells whether there are more
_NOT_ANY = "Nothing was used in this month and nothing is to be corrected: there is no invoice."


class Late(msgspec.Struct, frozen=True):
    """An invoice that is due and can't be issued yet."""

    organization_id: str
    month: str
    reason: str
    retry_after_ms: int


class Issued(msgspec.Struct, frozen=True):
    """What a sweep did. `more`: sweep again at once."""

    invoices: list[Invoice]
    late: list[Late]
    more: bool = False


def issue(connection: Connection, folder: Path, organization_id: str, month: str, at: int) -> Invoice:
    """The invoice of a month in the organization's time zone, issued now unless it was before.

    `folder` has the journals. Raises NotFound; InvalidRequest when there is nothing to put on it; InvoiceNotReady while
    the month, or a call of it, is not over: it says when to come again.
    """
    check_month(month)
    lock(connection)
    organization = _organization(connection, organization_id)
    before = store.of_month(connection, organization_id, month)
    if before is not None:
        return before
    from_at, until_at = _period(connection, organization, month)
    waiting = not_final(connection, folder, until_at, at)
    if waiting is not None:
        raise InvoiceNotReady(
            f"The invoice of {month} can't be issued yet: {_told(waiting, at)}",
            param="month",
            retry_after_ms=waiting.retry_after_s * 1_000,
        )
    if not store.is_due(connection, organization_id, organization.currency, from_at, until_at):
        raise InvalidRequest(_NOT_ANY, param="month")
    return _issue(connection, organization, month, from_at, until_at, at)


def issue_due(connection: Connection, folder: Path, at: int) -> Issued:
    """Issue what is due of all organizations, ISSUED_PER_SWEEP_MAX at most. To be called now and then."""
    lock(connection)
    issued: list[Invoice] = []
    late: list[Late] = []
    finals: dict[
        int, Waiting | None
    ] = {}  # by the end of a month: journals are read once for each, not for each invoice
    for organization in store.organizations(connection):
        for month, from_at, until_at in _due(connection, organization, at):
            if len(issued) >= ISSUED_PER_SWEEP_MAX:
                return Issued(issued, late, more=True)
            if until_at not in finals:
                finals[until_at] = not_final(connection, folder, until_at, at)
            waiting = finals[until_at]
            if waiting is not None:
                late.append(Late(organization.id, month, _told(waiting, at), waiting.retry_after_s * 1_000))
                break  # they are issued in the order of their months
            issued.append(_issue(connection, organization, month, from_at, until_at, at))
    return Issued(issued, late)


def _due(connection: Connection, organization: Row[Any], at: int) -> Iterator[tuple[str, int, int]]:
    """The months of an organization that are over and not invoiced, though something was used: when each begins and ends."""
    for month in _months_over(connection, organization, at):
        from_at, until_at = _period(connection, organization, month)
        if store.of_month(connection, organization.id, month) is None and store.is_due(
            connection, organization.id, organization.currency, from_at, until_at
        ):
            yield month, from_at, until_at


def invoice(connection: Connection, organization_id: str, invoice_id: str) -> Invoice:
    """One of an organization's, by its number. Raises NotFound, InvalidRequest."""
    found = store.invoice(connection, organization_id, check_number(invoice_id))
    if found is None:
        raise NotFound(f"There is no invoice {invoice_id}.", param="invoice_id")
    return found


def invoices(
    connection: Connection, organization_id: str, *, before_month: str = "", limit: int = PAGE_MAX
) -> list[Invoice]:
    """A page of an organization's invoices, the newest months first. Raises NotFound, InvalidRequest."""
    if before_month:
        check_month(before_month)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= PAGE_MAX:
        raise InvalidRequest(f"'limit' is between 1 and {PAGE_MAX}.", param="limit")
    _organization(connection, organization_id)
    return store.invoices(connection, organization_id, before_month, limit)


def _issue(connection: Connection, organization: Row[Any], month: str, from_at: int, until_at: int, at: int) -> Invoice:
    who = (connection, organization.id, organization.currency)
    lines = store.lines(*who, from_at, until_at)
    corrections = store.corrections(*who, until_at, organization.time_zone)
    made = Invoice(
        number_after(store.last_number(connection, datetime.fromtimestamp(at, UTC).year), at),
        organization.id,
        organization.name,
        month,
        organization.time_zone,
        from_at,
        until_at,
        organization.currency,
        "postpaid" if organization.postpaid else "prepaid",
        lines,
        corrections,
        sum(each.amount_nano for each in lines) + sum(each.amount_nano for each in corrections),
        at,
        store.other_currencies(*who, from_at, until_at),
    )
    store.add(connection, made)
    return made


def _period(connection: Connection, organization: Row[Any], month: str) -> tuple[int, int]:
    """When the month begins and ends. It joins its neighbours' invoices, which may have been cut in another time zone."""
    before, after = (store.of_month(connection, organization.id, _shifted(month, by)) for by in (-1, 1))
    return (
        month_begins(month, organization.time_zone) if before is None else before.until_at,
        month_begins(_shifted(month, 1), organization.time_zone) if after is None else after.from_at,
    )


def _months_over(connection: Connection, organization: Row[Any], at: int) -> list[str]:
    """The months after the last invoice that are over, the oldest first."""
    first = store.last_month_until(connection, organization.id)
    if first is None:
        first = store.first_use(connection, organization.id)
    months: list[str] = []
    if first is not None:
        month = month_of(first, organization.time_zone)
        while month_begins(_shifted(month, 1), organization.time_zone) + ENDED_S <= at and len(months) < MONTHS_MAX:
            months.append(month)
            month = _shifted(month, 1)
    return months


def _shifted(month: str, by: int) -> str:
    """Some months later."""
    year, number = month.split("-")
    count = int(year) * 12 + int(number) - 1 + by
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def _organization(connection: Connection, organization_id: str) -> Row[Any]:
    found = store.organization(connection, organization_id)
    if found is None:
        raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
    return found


def _told(waiting: Waiting, at: int) -> str:
    return f"{waiting.reason}. Come again at {_time(at + waiting.retry_after_s)}."


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
