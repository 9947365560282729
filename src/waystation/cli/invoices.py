"""`waystation invoices list|issue|show`: the months of an organization, as they were when they were invoiced."""

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waystation.cli.common import (
    PROBLEM,
    USAGE,
    CommandError,
    ConfigOption,
    DataOption,
    JsonOption,
    books,
    complain,
    print_json,
    settings_of,
)
from waystation.cli.periods import OrganizationOption, organization_of, shown
from waystation.cli.words import say

if TYPE_CHECKING:
    from waystation.cli.books import Books
    from waystation.ledger.invoices.model import Invoice


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Issue and read invoices.", "开具和查看账单。"))
    group.command("list", help=say("List an organization's invoices, the newest first.", "列出组织的账单，最新在前。"))(
        list_
    )
    group.command(
        "issue",
        help=say(
            "Issue the invoice of a month that is over; without one, all that are due. An invoice never changes.",
            "为已结束的月份开具账单；不指定月份时开具全部到期账单。账单一经开具不再改变。",
        ),
    )(issue)
    group.command("show", help=say("Show an invoice, by its number.", "按编号查看账单。"))(show)
    app.add_typer(group, name="invoices")


def list_(
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with books(settings_of(config, data)) as accounts:
        whose = organization_of(accounts, organization)
        found = _all(accounts, whose.id)
    if as_json:
        print_json([_plain(each) for each in found])
        return
    for each in found:
        print(_line(each))
    if not found:
        print(say("No invoice has been issued yet.", "尚未开具账单。"))


def _all(accounts: "Books", organization_id: str) -> "list[Invoice]":
    from waystation.ledger.invoices import service

    found: list[Invoice] = []
    while True:
        before = found[-1].month if found else ""
        page = accounts.database.read_sync(
            partial(service.invoices, organization_id=organization_id, before_month=before)
        )
        found += page
        if len(page) < service.PAGE_MAX:
            return found


def issue(
    month: Annotated[
        str | None, typer.Argument(metavar="[MONTH]", help=say("Such as 2026-11.", "例如 2026-11。"))
    ] = None,
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> int:
    from waystation.ledger.invoices import service

    if month is None and organization is not None:
        raise CommandError(
            say(
                "--organization goes with a month; without one all that is due is issued.",
                "--organization 须与月份同用。",
            ),
            USAGE,
        )
    settings = settings_of(config, data)
    folder, now = settings.data / "journal", int(time.time())
    late: list[service.Late] = []
    issued: list[Invoice] = []
    with books(settings) as accounts:
        write = accounts.database.write_sync
        if month is not None:
            whose = organization_of(accounts, organization)
            issued = [write(lambda c: service.issue(c, folder, whose.id, month, now), durable=True)]
        else:
            swept = write(lambda c: service.issue_due(c, folder, now), durable=True)
            issued, late = swept.invoices, swept.late
            while swept.more:
                swept = write(lambda c: service.issue_due(c, folder, now), durable=True)
                issued, late = issued + swept.invoices, swept.late
    if as_json:
        told = [{"organization_id": each.organization_id, "month": each.month, "reason": each.reason} for each in late]
        print_json({"issued": [_plain(each) for each in issued], "late": told})
    else:
        for each in issued:
            print(_line(each))
        if not issued and not late:
            print(say("Nothing is due.", "没有到期的账单。"))
    for each_late in late:
        complain(f"{each_late.organization_id}: {each_late.reason}")
    return PROBLEM if late else 0


def show(
    number: Annotated[
        str, typer.Argument(metavar="NUMBER", help=say("Such as INV-2026-000001.", "例如 INV-2026-000001。"))
    ],
    organization: OrganizationOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help=say("Print CSV.", "以 CSV 输出。"))] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    from waystation.ledger.invoices import model, service

    if as_csv and as_json:
        raise CommandError(say("Either --csv or --json.", "--csv 与 --json 只能选一个。"), USAGE)
    with books(settings_of(config, data)) as accounts:
        whose = organization_of(accounts, organization)
        found = accounts.database.read_sync(lambda c: service.invoice(c, whose.id, number))
    if as_json:
        print_json(_plain(found))
    elif as_csv:
        print(model.as_csv(found).replace("\r\n", "\n"), end="")
    else:
        _print(found)


def _plain(invoice: "Invoice") -> dict[str, Any]:
    from waystation.ledger.invoices.model import as_json

    return as_json(invoice)


def _line(invoice: "Invoice") -> str:
    from waystation.ledger.reading.amounts import decimal_of

    amount = f"{decimal_of(invoice.total_nano)} {invoice.currency}"
    return f"{invoice.id}  {invoice.month}  {invoice.organization}  {amount}  {_terms(invoice)}"


def _terms(invoice: "Invoice") -> str:
    return say("paid from credit", "已由余额支付") if invoice.terms == "prepaid" else say("to be paid", "待支付")


def _print(invoice: "Invoice") -> None:
    from waystation.ledger.reading.amounts import decimal_of

    zone = invoice.time_zone
    print(_line(invoice))
    until = shown(invoice.until_at, zone)
    print(f"{shown(invoice.from_at, zone)} – {until} ({zone}, " + say("end not included)", "不含结束日)"))
    for line in invoice.lines:
        tokens = (
            f"{line.input_tokens} + {line.output_tokens} tokens, {line.cached_tokens} cached, "
            f"{line.reasoning_tokens} reasoning"
        )
        calls = say(f"{line.requests} calls", f"{line.requests} 次调用")
        print(f"  {line.project or line.project_id}  {line.model}  {calls}  {tokens}  {decimal_of(line.amount_nano)}")
    for each in invoice.corrections:
        what = say(
            f"correction of {each.month} ({each.requests} calls)", f"更正 {each.month}（{each.requests} 次调用）"
        )
        print(f"  {each.project or each.project_id}  {each.model}  {what}  {decimal_of(each.amount_nano)}")
    print(say("Total", "合计") + f"  {decimal_of(invoice.total_nano)} {invoice.currency}")
    for currency, amount in invoice.other_currencies.items():
        charged = f"{decimal_of(amount)} {currency}"
        print(
            say(f"Not on it: {charged} that were charged in another currency.", f"未计入：以其他货币计费的 {charged}。")
        )
