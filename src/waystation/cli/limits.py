"""`waystation limits list|set|remove`: how much may be asked for at a time, by whom."""

from typing import Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import OrganizationOption, Plane, plane
from waystation.cli.words import say
from waystation.wire.limits import LIMIT_MAX

ProjectOption = Annotated[
    str | None, typer.Option(metavar="P", help=say("For this project, by name or id.", "针对此项目（名称或 id）。"))
]
KeyOption = Annotated[
    str | None, typer.Option(metavar="K", help=say("For this key, key_….", "针对此密钥，形如 key_…。"))
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        metavar="M",
        help=say("For this model alone; else for all models together.", "仅针对此模型，否则为所有模型合计。"),
    ),
]
SHORT = {  # how a limit is told on a line
    "max_requests_per_1_minute": ("requests/min", "请求/分钟"),
    "max_requests_per_1_day": ("requests/day", "请求/天"),
    "max_tokens_per_1_minute": ("tokens/min", "token/分钟"),
    "max_images_per_1_minute": ("images/min", "图片/分钟"),
    "max_audio_megabytes_per_1_minute": ("audio MB/min", "音频 MB/分钟"),
    "max_concurrent_streams": ("streams", "并发流"),
}


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help=say(
            "Rate limits: requests, tokens and streams at a time.", "限额：单位时间内的请求数、token 数和并发流。"
        ),
    )
    group.command("list", help=say("List rate limits.", "列出限额。"))(list_)
    group.command(
        "set",
        help=say(
            "Limit a project, a key or the whole organization, in the place of its limits for the same model.",
            "为项目、密钥或整个组织设置限额，取代其针对同一模型的原有限额。",
        ),
    )(set_)
    group.command("remove", help=say("Remove limits.", "删除限额。"))(remove)
    app.add_typer(group, name="limits")


def _limit(english: str, chinese: str) -> Any:
    return typer.Option(metavar="N", min=0, max=LIMIT_MAX, help=say(english, chinese))


def list_(
    project: ProjectOption = None,
    key: KeyOption = None,
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        which = {} if project is None and key is None else _whose(control, organization_id, project, key)
        limits = control.every("listRateLimits", organization_id=organization_id, query=which)
    if as_json:
        print_json(limits)
        return
    for limit in limits:
        print(line(limit))


def set_(
    project: ProjectOption = None,
    key: KeyOption = None,
    organization: OrganizationOption = None,
    model: ModelOption = None,
    requests: Annotated[
        int | None, _limit("Requests a minute; 0 lets none pass.", "每分钟请求数，0 表示不放行。")
    ] = None,
    requests_per_day: Annotated[int | None, _limit("Requests a day.", "每天请求数。")] = None,
    tokens: Annotated[int | None, _limit("Tokens a minute, in and out.", "每分钟 token 数，输入加输出。")] = None,
    images: Annotated[int | None, _limit("Images a minute.", "每分钟图片数。")] = None,
    audio: Annotated[int | None, _limit("Megabytes of audio a minute.", "每分钟音频，单位 MB。")] = None,
    streams: Annotated[int | None, _limit("Streams open at the same time.", "同时打开的流。")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    values = dict(zip(SHORT, (requests, requests_per_day, tokens, images, audio, streams), strict=True))
    limits = {field: value for field, value in values.items() if value is not None}
    if not limits:
        raise CommandError(
            say("Name at least one limit, such as --requests 60.", "请至少指定一项限额，例如 --requests 60。"),
            code=USAGE,
        )
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        whose = _whose(control, organization_id, project, key)
        limit = control.ask("setRateLimit", whose | {"model": model} | limits, organization_id=organization_id)
    if as_json:
        print_json(limit)
    else:
        print(line(limit))


def _whose(control: Plane, organization_id: str, project: str | None, key: str | None) -> dict[str, str]:
    if project is not None and key is not None:
        raise CommandError(say("--key stands alone.", "--key 不能与 --project 合用。"), code=USAGE)
    if key is not None:
        return {"scope": "key", "subject": key}
    if project is not None:
        return {"scope": "project", "subject": control.project_id(project, organization_id)}
    return {"scope": "organization", "subject": organization_id}


def remove(
    limit_id: Annotated[str, typer.Argument(metavar="ID", help=say("The limit's id, rl_….", "限额 id，形如 rl_…。"))],
    organization: OrganizationOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        organization_id = control.organization_id(organization)
        removed = control.ask("deleteRateLimit", organization_id=organization_id, rate_limit_id=limit_id)
    if as_json:
        print_json(removed)
    else:
        print(say(f"Removed {limit_id}.", f"已删除 {limit_id}。"))


def line(limit: Any) -> str:
    """Limits on one line."""
    model = f" {limit['model']}" if limit["model"] else ""
    told = ", ".join(f"{limit[field]} {say(*words)}" for field, words in SHORT.items() if limit[field] is not None)
    return f"{limit['id']}  {limit['scope']} {limit['subject']}{model}  {told}"
