"""`waystation budgets list|set|remove`: what may be spent, by whom, in which window."""

from typing import Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import OrganizationOption, Plane, amount_nano, plane, shown
from waystation.cli.words import say

WINDOWS = ("day", "week", "month", "total")


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help=say(
            "Budgets: what may be spent in a day, week, month or in all.", "预算：每天、每周、每月或总共可花多少。"
        ),
    )
    group.command("list", help=say("List budgets and how they stand.", "列出预算及其使用情况。"))(list_)
    group.command(
        "set",
        help=say(
            "Set the budget of a project, a key, an end user or the whole organization.",
            "为项目、密钥、最终用户或整个组织设置预算。",
        ),
    )(set_)
    group.command("remove", help=say("Remove a budget.", "删除预算。"))(remove)
    app.add_typer(group, name="budgets")


def list_(
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        budgets = control.every("listBudgets", organization_id=control.organization_id(organization))
    if as_json:
        print_json(budgets)
        return
    for budget in budgets:
        print(line(budget))


def set_(
    cap: Annotated[
        str,
        typer.Option(
            metavar="AMOUNT",
            help=say("The most that may be spent, such as 12.50.", "最多可花的金额，例如 12.50。"),
        ),
    ],
    project: Annotated[
        str | None, typer.Option(metavar="P", help=say("For this project, by name or id.", "针对此项目（名称或 id）。"))
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="K", help=say("For this key, key_….", "针对此密钥，形如 key_…。"))
    ] = None,
    end_user: Annotated[
        str | None,
        typer.Option(
            metavar="U",
            help=say(
                "For this end user (the `user` of a call), '*' for each of them; with --project: of that project.",
                "针对此最终用户（请求中的 user），'*' 表示每个用户各有一份；可与 --project 合用。",
            ),
        ),
    ] = None,
    organization: OrganizationOption = None,
    window: Annotated[
        str, typer.Option(metavar="|".join(WINDOWS), help=say("Per day, week, month, or in all.", "周期。"))
    ] = "month",
    model: Annotated[str | None, typer.Option(metavar="M", help=say("Only for this model.", "仅针对此模型。"))] = None,
    warn: Annotated[
        bool, typer.Option("--warn", help=say("Give notice only, refuse nothing.", "仅预警，不拒绝请求。"))
    ] = False,
    threshold: Annotated[
        list[int] | None,
        typer.Option(
            metavar="PERCENT",
            min=1,
            max=1000,
            help=say(
                "Give notice at this percentage; may be repeated. Default: 50, 80 and 100.",
                "达到此百分比时预警，可重复；默认 50、80、100。",
            ),
        ),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """An existing budget of the same subject, window and model gets the new cap; else one is made."""
    if window not in WINDOWS:
        raise CommandError(f"--window: {', '.join(WINDOWS)}", code=USAGE)
    if key is not None and (project is not None or end_user is not None):
        raise CommandError(say("--key stands alone.", "--key 不能与 --project、--end-user 合用。"), code=USAGE)
    change: dict[str, Any] = {"cap_nano": amount_nano(cap, "--cap"), "hard": not warn}
    if threshold:
        change["thresholds"] = threshold
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        whose = _whose(control, organization_id, project, key, end_user) | {"window": window, "model": model}
        known = control.every("listBudgets", organization_id=organization_id)
        same = next((each for each in known if all(each[name] == value for name, value in whose.items())), None)
        if same is None:
            budget = control.ask("createBudget", whose | change, organization_id=organization_id)
        else:
            budget = control.ask("updateBudget", change, organization_id=organization_id, budget_id=same["id"])
    if as_json:
        print_json(budget)
    else:
        print(line(budget))


def _whose(
    control: Plane, organization_id: str, project: str | None, key: str | None, end_user: str | None
) -> dict[str, Any]:
    project_id = None if project is None else control.project_id(project, organization_id)
    if key is not None:
        return {"scope": "key", "subject": key, "project_id": None}
    if end_user is not None:
        return {"scope": "end_user", "subject": end_user, "project_id": project_id}
    if project_id is not None:
        return {"scope": "project", "subject": project_id, "project_id": None}
    return {"scope": "organization", "subject": organization_id, "project_id": None}


def remove(
    budget_id: Annotated[
        str, typer.Argument(metavar="ID", help=say("The budget's id, bdg_….", "预算 id，形如 bdg_…。"))
    ],
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        removed = control.ask("deleteBudget", organization_id=organization_id, budget_id=budget_id)
    if as_json:
        print_json(removed)
    else:
        print(say(f"Removed {budget_id}.", f"已删除 {budget_id}。"))


def line(budget: Any) -> str:
    """A budget on one line."""
    spent, left = (shown(budget[name], budget["currency"]) for name in ("spent_nano", "left_nano"))
    cap = shown(budget["cap_nano"], budget["currency"])
    kind = "" if budget["hard"] else say(" (warns only)", "（仅预警）")
    model = f" {budget['model']}" if budget["model"] else ""
    whose = f"{budget['scope']} {budget['subject']}{model}"
    words = say(f"spent {spent}, left {left}", f"已用 {spent}，剩余 {left}")
    return f"{budget['id']}  {whose}  {cap}/{budget['window']}{kind}  {words}"
