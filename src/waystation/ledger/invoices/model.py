"""Invoices as plain data, and as the JSON and CSV that a finance department reads. No database."""

import csv
import io
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from waystation.errors import ApiError, InvalidRequest
from waystation.ledger.reading.amounts import decimal_of

_MONTH = re.compile(r"(20[0-9]{2}|2[1-9][0-9]{2})-(0[1-9]|1[0-2])\Z")
_NUMBER = re.compile(r"INV-[0-9]{4}-[0-9]{6,12}\Z")


class InvoiceNotReady(ApiError):
    """The month is not over, or calls of it are not in the books yet; `retry_after_ms` says when to come again."""

    status, type, code = 409, "invalid_request_error", "invoice_not_ready"


class Line(msgspec.Struct, frozen=True):
    """What a project used of a model in the month. Cached tokens are part of the input, reasoning tokens of the output."""

    project_id: str
    project: str  # its name when the invoice was issued
    model: str
    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    amount_nano: int


class Correction(msgspec.Struct, frozen=True):
    """What a re-rating changed of calls of this month or an earlier one, since the last invoice."""

    project_id: str
    project: str
    model: str
    month: str  # of the calls
    rerating_id: str
    requests: int
    amount_nano: int


class Invoice(msgspec.Struct, frozen=True):
    """A month as it was when it was issued. `id` is its number."""

    id: str
    organization_id: str
    organization: str
    month: str
    time_zone: str
    from_at: int
    until_at: int
    currency: str
    terms: str  # "postpaid": to be paid; "prepaid": it was paid from credit
    lines: list[Line]
    corrections: list[Correction]
    total_nano: int
    issued_at: int
    other_currencies: dict[str, int] = {}  # what was charged in the month in others, and is on no invoice


class Details(msgspec.Struct, frozen=True):
    """What of an invoice lies in its row as JSON."""

    organization: str
    time_zone: str
    terms: str
    lines: list[Line]
    corrections: list[Correction]
    other_currencies: dict[str, int] = {}


def check_month(month: str) -> str:
    """Raises InvalidRequest."""
    if not _MONTH.match(month):
        raise InvalidRequest("'month' is a month such as 2026-11.", param="month")
    return month


def check_number(number: str) -> str:
    if not _NUMBER.match(number):
        raise InvalidRequest("An invoice's number looks like INV-2026-000001.", param="invoice_id")
    return number


def month_begins(month: str, time_zone: str) -> int:
    year, number = month.split("-")
    return int(datetime(int(year), int(number), 1, tzinfo=ZoneInfo(time_zone)).timestamp())


def month_of(at: int, time_zone: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(time_zone)).strftime("%Y-%m")


def number_after(last: str | None, issued_at: int) -> str:
    """The next number: they count through a year (UTC), without gaps."""
    year = datetime.fromtimestamp(issued_at, UTC).year
    count = int(last.rsplit("-", 1)[1]) + 1 if last else 1
    return f"INV-{year}-{count:06d}"


# -- as others read it


def as_json(invoice: Invoice) -> dict[str, object]:
    """With amounts as exact decimals in texts, beside the integers, and times as dates of the organization's zone."""
    plain: dict[str, object] = msgspec.to_builtins(invoice)
    plain["total"] = decimal_of(invoice.total_nano)
    plain["lines"] = [_with_amount(each) for each in invoice.lines]
    plain["corrections"] = [_with_amount(each) for each in invoice.corrections]
    plain["from"] = _date(invoice.from_at, invoice.time_zone)
    plain["until"] = _date(invoice.until_at, invoice.time_zone)  # not included
    plain["issued"] = datetime.fromtimestamp(invoice.issued_at, UTC).isoformat().replace("+00:00", "Z")
    return plain


def _with_amount(each: Line | Correction) -> dict[str, object]:
    return {**msgspec.to_builtins(each), "amount": decimal_of(each.amount_nano)}


def _date(at: int, time_zone: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(time_zone)).isoformat()


CSV_COLUMNS = (
    "invoice",
    "organization",
    "month",
    "kind",
    "project_id",
    "project",
    "model",
    "month_of_calls",
    "requests",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "amount",
    "currency",
)


def as_csv(invoice: Invoice) -> str:
    """A row for each line and correction and a last one with the total; the amounts add up to it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    head = (invoice.id, cell(invoice.organization), invoice.month)
    for line in invoice.lines:
        what = (line.project_id, cell(line.project), cell(line.model), invoice.month, line.requests)
        tokens = (line.input_tokens, line.cached_tokens, line.output_tokens, line.reasoning_tokens)
        writer.writerow([*head, "usage", *what, *tokens, decimal_of(line.amount_nano), invoice.currency])
    for each in invoice.corrections:
        what = (each.project_id, cell(each.project), cell(each.model), each.month, each.requests)
        writer.writerow([*head, "correction", *what, *[""] * 4, decimal_of(each.amount_nano), invoice.currency])
    writer.writerow([*head, "total", *[""] * 9, decimal_of(invoice.total_nano), invoice.currency])
    return text.getvalue()


def cell(text: str) -> str:
    """A text for a cell of a table: names that people chose must not begin a formula in whoever's spreadsheet."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
