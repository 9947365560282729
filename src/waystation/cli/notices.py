"""`waystation notices`: what an administrator should know, such as a credential that its provider refused."""

import time
from typing import Annotated

import typer

from waystation.cli.common import ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import plane
from waystation.cli.words import say

SHOWN_MAX = 100


def add_to(app: typer.Typer) -> None:
    app.command("notices", help=say("What an administrator should know, the newest first.", "管理员通知，最新在前。"))(
        notices
    )


def notices(
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=SHOWN_MAX, help=say("How many at most.", "最多条数。"))
    ] = 20,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        found = control.ask("listNotices", query={"limit": str(limit)})["data"]
    if as_json:
        print_json(found)
        return
    words = {"credential_refused": say("credential refused", "凭据被拒绝")}
    for each in found:
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(each["at"]))
        detail = " ".join(str(value) for value in each["detail"].values())
        print(f"{at}  {words.get(each['kind'], each['kind'])}  {each['subject']}  {detail}")
