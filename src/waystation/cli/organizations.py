"""`waystation organizations create|list`: who pays. The first one runs the server and is postpaid."""

from typing import Annotated

import typer

from waystation.cli.common import ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import plane
from waystation.cli.words import say


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Organizations: who pays.", "组织：由谁付费。"))
    group.command(
        "create",
        help=say(
            "Make a prepaid organization with a project and the credit of a sign-up.",
            "创建预付费组织，附带一个项目和注册赠送的额度。",
        ),
    )(create)
    group.command("list", help=say("List organizations.", "列出组织。"))(list_)
    app.add_typer(group, name="organizations")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("What to call it.", "组织名称。"))],
    currency: Annotated[
        str, typer.Option(metavar="USD|CNY", help=say("Currency of its prices and credit.", "币种。"))
    ] = "USD",
    time_zone: Annotated[
        str,
        typer.Option(
            metavar="ZONE",
            help=say("Where its days begin, such as Asia/Shanghai.", "时区，例如 Asia/Shanghai。"),
        ),
    ] = "UTC",
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        made = control.ask("createOrganization", {"name": name, "currency": currency, "time_zone": time_zone})
    if as_json:
        print_json(made)
        return
    print(say(f"Made {made['id']}. An admin key for it:", f"已创建 {made['id']}。为它创建管理密钥："))
    print(f"waystation keys create --admin --organization {made['id']}")


def list_(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    with plane(config, data) as control:
        organizations = control.every("listOrganizations")
    if as_json:
        print_json(organizations)
        return
    for each in organizations:
        kind = say("postpaid", "后付费") if each["postpaid"] else say("prepaid", "预付费")
        print(f"{each['id']}  {kind}  {each['currency']}  {each['time_zone']}  {each['name']}")
