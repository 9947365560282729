"""`waystation projects create|list|archive|set|forget-answers`."""

from typing import Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import OrganizationOption, plane
from waystation.cli.words import say

ProjectArgument = Annotated[str, typer.Argument(metavar="P", help=say("Project, by name or id.", "项目名称或 id。"))]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Projects of an organization.", "组织的项目。"))
    group.command("create", help=say("Make a project.", "创建项目。"))(create)
    group.command("list", help=say("List projects.", "列出项目。"))(list_)
    group.command("archive", help=say("Archive a project: its keys are refused.", "归档项目：其密钥将被拒绝。"))(
        archive
    )
    group.command("set", help=say("Change a project.", "修改项目。"))(set_)
    group.command(
        "forget-answers", help=say("Forget the answers that are kept for a project.", "清除项目的应答缓存。")
    )(forget_answers)
    app.add_typer(group, name="projects")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("What to call it.", "项目名称。"))],
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        tell(control.ask("create-project", {"name": name}, organization_id=organization_id), as_json=as_json)


def list_(
    organization: OrganizationOption = None,
    archived: Annotated[bool, typer.Option("--archived", help=say("Archived ones too.", "包括已归档的项目。"))] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    query = {"include_archived": "true"} if archived else None
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        projects = control.every("list-projects", organization_id=organization_id, query=query)
    if as_json:
        print_json(projects)
        return
    for project in projects:
        tell(project, as_json=False)


def archive(
    project: ProjectArgument,
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        project_id = control.project_id(project, organization_id)
        archived = control.ask("archive-project", organization_id=organization_id, project_id=project_id)
    tell(archived, as_json=as_json)


def set_(
    project: ProjectArgument,
    name: Annotated[str | None, typer.Option(metavar="NAME", help=say("A new name.", "新的名称。"))] = None,
    on_disconnect: Annotated[
        str | None,
        typer.Option(
            metavar="cancel|drain",
            help=say(
                "When a client leaves: cancel the answer, or read it to its end for its exact usage.",
                "客户端断开时：cancel 取消生成，drain 读完上游应答以获得准确用量。",
            ),
        ),
    ] = None,
    cache_s: Annotated[
        int | None,
        typer.Option(
            "--cache-s",
            metavar="SECONDS",
            help=say(
                "Keep answers for repeats of the same request so long; 0: not at all.",
                "相同请求的应答缓存时长（秒）；0 表示不缓存。",
            ),
        ),
    ] = None,
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    if on_disconnect not in (None, "cancel", "drain"):
        raise CommandError("--on-disconnect: cancel, drain", code=USAGE)
    body = {"name": name, "on_disconnect": on_disconnect, "cache_s": cache_s}
    if all(value is None for value in body.values()):
        words = say("Say --name, --on-disconnect or --cache-s.", "请给出 --name、--on-disconnect 或 --cache-s。")
        raise CommandError(words, code=USAGE)
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        project_id = control.project_id(project, organization_id)
        changed = control.ask("updateProjectSettings", body, organization_id=organization_id, project_id=project_id)
    tell(changed, as_json=as_json)


def forget_answers(
    project: ProjectArgument,
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        project_id = control.project_id(project, organization_id)
        done = control.ask("forgetKeptAnswers", organization_id=organization_id, project_id=project_id)
    if as_json:
        print_json(done)
        return
    print(say(f"Forgot {done['count']} kept answers.", f"已清除 {done['count']} 条缓存应答。"))


def tell(project: Any, *, as_json: bool) -> None:
    """A project on one line."""
    if as_json:
        print_json(project)
        return
    state = say("archived", "已归档") if project["status"] == "archived" else say("active", "使用中")
    print(f"{project['id']}  {state}  {project['name']}")
