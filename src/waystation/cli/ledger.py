"""`waystation ledger verify|rerate`: prove that the books add up; correct what a wrong price charged."""

import time
from typing import Annotated, Any

import typer

from waystation.cli.common import (
    PROBLEM,
    USAGE,
    CommandError,
    ConfigOption,
    DataOption,
    JsonOption,
    books,
    print_json,
    settings_of,
)
from waystation.cli.periods import FROM_HELP, UNTIL_HELP, moment, organization_of
from waystation.cli.words import say
from waystation.metering.price_reading import read_price_text


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Prove and correct the books.", "核对与更正账本。"))
    group.command(
        "verify",
        help=say(
            "Check that postings, usage rows and roll-ups agree to the unit. Exit code 1 when they don't.",
            "核对分录、用量与汇总是否分毫不差；不一致时退出码为 1。",
        ),
    )(verify)
    group.command(
        "rerate",
        help=say(
            "Price the calls of a past period anew. Shows what that changes; --apply does it, by correcting postings.",
            "为过去一段时间的调用重新计价。默认只显示影响；加 --apply 以更正分录执行。",
        ),
    )(rerate)
    app.add_typer(group, name="ledger")


def verify(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> int:
    # Imported here: with SQLAlchemy it is slower than all the rest of the command line.
    from waystation.ledger.verify import verify as problems_of

    with books(settings_of(config, data)) as accounts:
        problems = accounts.database.read_sync(problems_of)
    if as_json:
        found = [{"table": each.table, "row": each.row, "problem": each.message} for each in problems]
        print_json({"ok": not problems, "problems": found})
    else:
        for each in problems:
            print(f"{each.table} {each.row}: {each.message}")
        if not problems:
            print(say("The books add up.", "账目一致。"))
    return PROBLEM if problems else 0


def rerate(
    model: Annotated[str, typer.Argument(help=say("Whose calls.", "要重新计价的模型。"))],
    price: Annotated[
        str,
        typer.Option(
            help=say(
                "What should have been charged for a million tokens: input=2.50,output=10.00[,currency=CNY], or 0.",
                "应收价格（每百万 token）：input=2.50,output=10.00[,currency=CNY]，或 0。",
            )
        ),
    ],
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=FROM_HELP)],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help=UNTIL_HELP)],
    organization: Annotated[
        str | None,
        typer.Option(
            metavar="O",
            help=say(
                "Only this organization's; default: all, and times are UTC.", "仅此组织；默认全部组织，时间为 UTC。"
            ),
        ),
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="ID", help=say("Only this project's.", "仅此项目。"))] = None,
    apply: Annotated[bool, typer.Option("--apply", help=say("Do it.", "执行更正。"))] = False,
    reason: Annotated[str, typer.Option(help=say("Why; kept with the corrections.", "原因，与更正一并保存。"))] = "",
    id_: Annotated[
        str | None,
        typer.Option("--id", help=say("A name: done once, however often it is asked.", "标识：同一标识只执行一次。")),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    from waystation.ledger.rerating import service
    from waystation.runtime.ids import Ids

    try:
        new_price = read_price_text(price)
    except ValueError as error:
        raise CommandError(f"--price {error}", USAGE) from None
    if new_price is None:
        raise CommandError(say("--price is an amount or 0.", "--price 须为金额或 0。"), USAGE)
    if apply and not reason:
        raise CommandError(say("--apply needs a --reason.", "--apply 需要 --reason 说明原因。"), USAGE)
    settings = settings_of(config, data)
    with books(settings) as accounts:
        whose = None if organization is None else organization_of(accounts, organization)
        zone = "UTC" if whose is None else whose.time_zone
        asked: dict[str, Any] = {
            "model": model,
            "from_at": moment(from_, zone, "--from"),
            "until_at": moment(until, zone, "--until"),
            "price": new_price,
            "at": int(time.time()),
            "organization_id": None if whose is None else whose.id,
            "project_id": project,
        }
        if not apply:
            _print_preview(accounts.database.read_sync(lambda c: service.preview(c, **asked)), as_json)
            return
        name = id_ or Ids().new("rerate_")
        folder = settings.data / "journal"
        made = accounts.database.write_sync(
            lambda c: service.apply(c, folder, id=name, reason=reason, **asked), durable=True
        )
    _print_applied(made, as_json)


def _print_preview(preview: Any, as_json: bool) -> None:
    import msgspec

    from waystation.ledger.reading.amounts import decimal_of

    if as_json:
        amounts = ("old", "new", "delta")
        print_json(
            [
                {**msgspec.to_builtins(each), **{name: decimal_of(getattr(each, f"{name}_nano")) for name in amounts}}
                for each in preview.changes
            ]
        )
        return
    for each in preview.changes:
        old, new, delta = (decimal_of(amount) for amount in (each.old_nano, each.new_nano, each.delta_nano))
        calls = say(f"{each.changed} of {each.requests} calls", f"{each.requests} 次调用中的 {each.changed} 次")
        print(f"{each.organization_id}  {calls}  {old} → {new} {each.currency}  ({delta})")
    if not preview.changes:
        print(say("There is no such call in the period.", "这段时间内没有这样的调用。"))
    else:
        print(say("Nothing was changed. --apply does it.", "尚未更改；加 --apply 执行。"))


def _print_applied(made: Any, as_json: bool) -> None:
    import msgspec

    from waystation.ledger.reading.amounts import decimal_of

    deltas = {currency: decimal_of(amount) for currency, amount in made.delta_nano.items()}
    if as_json:
        print_json({**msgspec.to_builtins(made), "delta": deltas})
        return
    told = ", ".join(f"{amount} {currency}" for currency, amount in deltas.items()) or "0.00"
    print(
        say(
            f"Corrected by {told} ({made.requests} calls). Its id is ", f"更正 {told}（{made.requests} 次调用）。id 为 "
        )
        + made.id
    )
