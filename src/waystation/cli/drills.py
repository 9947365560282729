"""`waystation drills start|list|stop`: "pretend that this is down", for one project's calls."""

import time
from typing import Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import OrganizationOption, plane
from waystation.cli.words import say


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help=say("Drills: see what happens when a provider is down.", "演练：看看上游不可用时会怎样。"),
    )
    group.command("start", help=say("Take something for down, for a while.", "在一段时间内视某项为不可用。"))(start)
    group.command("list", help=say("List drills.", "列出演练。"))(list_)
    group.command("stop", help=say("Stop a drill now.", "立即停止演练。"))(stop)
    app.add_typer(group, name="drills")


def start(
    project: Annotated[
        str | None, typer.Option(metavar="P", help=say("Whose calls, by name or id. Default: the first.", "项目。"))
    ] = None,
    provider: Annotated[str | None, typer.Option(metavar="P", help=say("This provider.", "此上游。"))] = None,
    deployment: Annotated[str | None, typer.Option(metavar="D", help=say("This deployment.", "此部署。"))] = None,
    credential: Annotated[str | None, typer.Option(metavar="ID", help=say("This credential.", "此凭据。"))] = None,
    seconds: Annotated[
        int, typer.Option(metavar="S", min=1, max=3600, help=say("It ends by itself.", "到时自动结束。"))
    ] = 300,
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    what = {"provider": provider, "deployment": deployment, "credential": credential}
    if sum(each is not None for each in what.values()) != 1:
        raise CommandError(
            say(
                "Say one of --provider, --deployment and --credential.",
                "请指定 --provider、--deployment、--credential 之一。",
            ),
            code=USAGE,
        )
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        project_id = control.project_id(project, None if organization is None else organization_id)
        asked = {"project_id": project_id, "seconds": seconds, **what}
        _print(control.ask("startDrill", asked, organization_id=organization_id), as_json)


def list_(
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        found = control.every("listDrills", organization_id=control.organization_id(organization))
    if as_json:
        print_json(found)
        return
    for each in found:
        print(line(each))


def stop(
    drill_id: Annotated[str, typer.Argument(metavar="ID", help=say("drill_….", "演练 id，形如 drill_…。"))],
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        _print(control.ask("stopDrill", organization_id=organization_id, drill_id=drill_id), as_json)


def _print(drill: Any, as_json: bool) -> None:
    if as_json:
        print_json(drill)
    else:
        print(line(drill))


def line(drill: Any) -> str:
    """A drill on one line."""
    states = {"on": say("on", "进行中"), "stopped": say("stopped", "已停止"), "over": say("over", "已结束")}
    until = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(drill["ended_at"] or drill["until_at"]))
    return (
        f"{drill['id']}  {drill['project_id']}  {drill['kind']} {drill['subject']}  {states[drill['status']]} → {until}"
    )
