"""`waystation credit show|grant|redeem|codes`: what prepaid organizations have left, and how they are given more."""

from typing import Annotated, Any

import typer

from waystation.cli.common import ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import OrganizationOption, amount_nano, day, in_days, plane, shown
from waystation.cli.words import say

AmountArgument = Annotated[
    str, typer.Argument(metavar="AMOUNT", help=say("How much, such as 20 or 12.50.", "金额，例如 20 或 12.50。"))
]
CreditDays = Annotated[
    int | None,
    typer.Option(min=1, max=36_500, help=say("Days after which the credit expires.", "额度多少天后过期。")),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Credit of prepaid organizations.", "预付费组织的额度。"))
    group.command("show", help=say("Show what is left.", "查看余额。"))(show)
    group.command("grant", help=say("Give an organization credit.", "为组织充值或赠送额度。"))(grant)
    group.command("redeem", help=say("Turn a code into credit.", "兑换充值码。"))(redeem)
    codes = typer.Typer(no_args_is_help=True, help=say("Redeem codes.", "充值码。"))
    codes.command("create", help=say("Make codes. They are shown once.", "创建充值码，仅显示一次。"))(create_codes)
    codes.command("list", help=say("List codes, redacted.", "列出充值码（脱敏）。"))(list_codes)
    codes.command("void", help=say("Void a code that nobody has redeemed.", "作废尚未兑换的充值码。"))(void)
    group.add_typer(codes, name="codes")
    app.add_typer(group, name="credit")


def show(
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        credit = control.ask("retrieveCredit", organization_id=control.organization_id(organization))
    if as_json:
        print_json(credit)
    elif credit["postpaid"]:
        print(say("Postpaid: there is no credit; budgets limit it.", "后付费组织没有额度，由预算限制。"))
    else:
        labels = {
            "balance_nano": say("balance", "余额"),
            "held_nano": say("held by calls", "进行中的请求占用"),
            "overdraft_nano": say("overdraft", "可透支"),
            "available_nano": say("available", "可用"),
            "granted_nano": say("granted", "累计获得"),
            "used_nano": say("used", "累计使用"),
            "expired_nano": say("expired", "已过期"),
        }
        for name, label in labels.items():
            print(f"{label}: {shown(credit[name], credit['currency'])}")


def grant(
    amount: AmountArgument,
    organization: Annotated[
        str, typer.Option("--organization", metavar="O", help=say("To whom, by name or id.", "组织名称或 id。"))
    ],
    top_up: Annotated[bool, typer.Option("--top-up", help=say("It was paid for.", "这是付费充值，而非赠送。"))] = False,
    expires_days: CreditDays = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help=say("What it is for.", "备注。"))] = "",
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    body = {"amount_nano": amount_nano(amount, "AMOUNT"), "expires_at": in_days(expires_days), "note": note}
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        body |= {"organization_id": organization_id, "kind": "top_up" if top_up else "grant"}
        tell(control.ask("createGrant", body), as_json=as_json)


def redeem(
    code: Annotated[str, typer.Argument(metavar="CODE", help=say("The code, WAY-….", "充值码，形如 WAY-…。"))],
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        tell(control.ask("redeemCode", {"code": code}, organization_id=organization_id), as_json=as_json)


def tell(made: Any, *, as_json: bool) -> None:
    """A grant that was just made."""
    if as_json:
        print_json(made)
    else:
        amount, until = shown(made["amount_nano"], made["currency"]), day(made["expires_at"])
        print(
            say(
                f"{made['organization_id']} has {amount} more (expires: {until}).",
                f"{made['organization_id']} 已获得 {amount}（过期：{until}）。",
            )
        )


def create_codes(
    amount: AmountArgument,
    count: Annotated[int, typer.Option(min=1, max=1_000, help=say("How many.", "数量。"))] = 1,
    currency: Annotated[
        str | None, typer.Option(metavar="USD|CNY", help=say("Default: the first organization's.", "币种。"))
    ] = None,
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help=say("Days that the codes are valid.", "充值码有效天数。"))
    ] = None,
    credit_expires_days: CreditDays = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    body = {
        "amount_nano": amount_nano(amount, "AMOUNT"),
        "count": count,
        "currency": currency,
        "expires_at": in_days(expires_days),
        "credit_expires_at": in_days(credit_expires_days),
    }
    with plane(config, data) as control:
        made = control.ask("createCodes", body)["data"]
    if as_json:
        print_json(made)
        return
    for code in made:
        print(code["code"])


def list_codes(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    with plane(config, data) as control:
        codes = control.every("listCodes")
    if as_json:
        print_json(codes)
        return
    for code in codes:
        amount = shown(code["amount_nano"], code["currency"])
        print(
            f"{code['id']}  {code['redacted_value']}  {amount}  {code['status']}  {code['redeemed_by'] or ''}".rstrip()
        )


def void(
    code_id: Annotated[
        str, typer.Argument(metavar="ID", help=say("The code's id, code_….", "充值码 id，形如 code_…。"))
    ],
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        voided = control.ask("deleteCode", code_id=code_id)
    if as_json:
        print_json(voided)
    else:
        print(say(f"Voided {code_id}.", f"已作废 {code_id}。"))
