"""`/v1/waystation/invoices`: the months of an organization, as they were when they were invoiced; JSON or CSV."""

from typing import Any

from waystation.errors import InvalidRequest
from waystation.http.v1.control import PAGE, Asked, Control, File, Query, Resource
from waystation.ledger.invoices import service
from waystation.ledger.invoices.model import Correction, Invoice, Line, as_csv
from waystation.ledger.reading.amounts import decimal_of
from waystation.wire.invoices import InvoiceCorrection, InvoiceHead, InvoiceLine, InvoiceList, InvoiceObject
from waystation.wire.listing import listing

FORMATS = ("json", "csv")


async def list_(control: Control, asked: Asked) -> InvoiceList:
    """The newest months first, and never otherwise."""
    page = asked.page()

    def find(connection: Any) -> list[Invoice]:
        before = service.invoice(connection, asked.organization_id, page.after).month if page.after else ""
        return service.invoices(connection, asked.organization_id, before_month=before, limit=page.rows_max)

    return listing(InvoiceList, page, [invoice_head(each) for each in await control.read(find)])


async def retrieve(control: Control, asked: Asked) -> InvoiceObject | File:
    invoice_id, wanted = asked.id("invoice_id"), asked.query.get("format", "json")
    if wanted not in FORMATS:
        raise InvalidRequest(f"Invalid 'format': it is {' or '.join(FORMATS)}.", param="format")
    found = await control.read(lambda connection: service.invoice(connection, asked.organization_id, invoice_id))
    if wanted == "csv":
        return File(f"{found.id}.csv", "text/csv", as_csv(found).encode())
    return invoice_object(found)


# -- as they are shown


def invoice_head(invoice: Invoice) -> InvoiceHead:
    return InvoiceHead(**_head(invoice))


def invoice_object(invoice: Invoice) -> InvoiceObject:
    return InvoiceObject(
        **_head(invoice),
        lines=[_line(each) for each in invoice.lines],
        corrections=[_correction(each) for each in invoice.corrections],
    )


def _head(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "organization_id": invoice.organization_id,
        "organization": invoice.organization,
        "month": invoice.month,
        "time_zone": invoice.time_zone,
        "from_at": invoice.from_at,
        "until_at": invoice.until_at,
        "currency": invoice.currency,
        "terms": invoice.terms,
        "total": decimal_of(invoice.total_nano),
        "total_nano": str(invoice.total_nano),
        "other_currencies_nano": {name: str(nano) for name, nano in invoice.other_currencies.items()},
        "issued_at": invoice.issued_at,
    }


def _line(line: Line) -> InvoiceLine:
    return InvoiceLine(
        project_id=line.project_id,
        project=line.project,
        model=line.model,
        requests=line.requests,
        input_tokens=line.input_tokens,
        cached_tokens=line.cached_tokens,
        output_tokens=line.output_tokens,
        reasoning_tokens=line.reasoning_tokens,
        amount=decimal_of(line.amount_nano),
        amount_nano=str(line.amount_nano),
    )


def _correction(correction: Correction) -> InvoiceCorrection:
    return InvoiceCorrection(
        project_id=correction.project_id,
        project=correction.project,
        model=correction.model,
        month=correction.month,
        rerating_id=correction.rerating_id,
        requests=correction.requests,
        amount=decimal_of(correction.amount_nano),
        amount_nano=str(correction.amount_nano),
    )


_ALL, _ONE = "/waystation/invoices", "/waystation/invoices/{invoice_id}"
RESOURCES = (
    Resource("GET", _ALL, list_, "listInvoices", "The invoices, the newest month first.", InvoiceList, query=PAGE[:2]),
    Resource(
        "GET",
        _ONE,
        retrieve,
        "retrieveInvoice",
        "An invoice with its lines, by its number.",
        InvoiceObject,
        query=(Query("format", {"type": "string", "enum": list(FORMATS), "default": "json"}, "Of the answer."),),
        media_types=("text/csv",),
    ),
)
