"""`waystation routes list|set|remove`: how calls of a model travel, and names that stand for models."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import plane
from waystation.cli.words import say

ROUTE_BYTES_MAX = 64 * 1024

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("A model, or a new name.", "模型名或新名称。"))]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help=say("Routes: fallbacks, aliases, canaries, caches.", "路由：备选、别名、灰度、缓存。"),
    )
    group.command("list", help=say("List routes.", "列出路由。"))(list_)
    group.command("set", help=say("Set the whole route of a name.", "设置某个名称的完整路由。"))(set_)
    group.command("remove", help=say("Remove a route: all is as usual.", "删除路由，恢复默认。"))(remove)
    app.add_typer(group, name="routes")


def list_(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    with plane(config, data) as control:
        found = control.every("listRoutes")
    if as_json:
        print_json(found)
        return
    for each in found:
        print(line(each))


def set_(
    name: NameArgument,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|-",
            help=say(
                "JSON with any field of a route, as the API takes it; options below win.",
                "含任意路由字段的 JSON（与 API 相同），- 为标准输入；下列选项优先。",
            ),
        ),
    ] = None,
    alias_of: Annotated[
        str | None, typer.Option("--alias-of", metavar="MODEL", help=say("It stands for this.", "作为该模型的别名。"))
    ] = None,
    prefer: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help=say("The first that is there; repeat.", "按顺序取第一个可用的，可重复。")),
    ] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help=say("When all else fails; may be repeated.", "全部失败时改用，可重复。")),
    ] = None,
    local: Annotated[
        str | None, typer.Option(metavar="MODEL", help=say("Then this machine's model.", "再改用的本机模型。"))
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(metavar="weighted|least_busy|lowest_latency", help=say("Within a tier.", "同层内的分配方式。")),
    ] = None,
    cache_s: Annotated[
        int | None, typer.Option("--cache-s", metavar="S", min=1, help=say("Keep answers this long.", "缓存秒数。"))
    ] = None,
    attempts_max: Annotated[
        int | None, typer.Option("--attempts-max", metavar="N", min=1, help=say("Attempts in all.", "最多尝试次数。"))
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    said = {
        "alias_of": alias_of,
        "prefer": prefer or None,
        "fallbacks": fallback or None,
        "local": local,
        "balance": balance,
        "cache": None if cache_s is None else True,
        "cache_s": cache_s,
        "attempts_max": attempts_max,
    }
    route = _read(source) | {field: value for field, value in said.items() if value is not None}
    if not route:
        raise CommandError(say("Say what the route is, or remove it.", "请给出路由内容，或使用 remove。"), code=USAGE)
    with plane(config, data) as control:
        made = control.ask("setRoute", route, route=name)
    if as_json:
        print_json(made)
    else:
        print(line(made))


def remove(
    name: NameArgument, as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None
) -> None:
    with plane(config, data) as control:
        removed = control.ask("deleteRoute", route=name)
    if as_json:
        print_json(removed)
    else:
        print(say(f"Removed {name}.", f"已删除 {name}。"))


def _read(source: str | None) -> dict[str, Any]:
    """Raises CommandError."""
    if source is None:
        return {}
    try:
        text = sys.stdin.read(ROUTE_BYTES_MAX) if source == "-" else _text(Path(source))
        route = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(
            say(f"{source} can't be read as JSON: {error}", f"无法将 {source} 读作 JSON：{error}"), code=USAGE
        ) from None
    if not isinstance(route, dict):
        raise CommandError(say(f"{source} is no JSON object.", f"{source} 不是 JSON 对象。"), code=USAGE)
    return route


def _text(path: Path) -> str:
    with path.expanduser().open(encoding="utf-8") as file:
        return file.read(ROUTE_BYTES_MAX)


def line(route: Any) -> str:
    """A route on one line: what was said of it."""
    said = {field: value for field, value in route["route"].items() if value not in (None, [])}
    source = say("  file", "  配置文件") if route["source"] == "file" else ""
    return f"{route['name']}  {json.dumps(said, ensure_ascii=False)}{source}"
