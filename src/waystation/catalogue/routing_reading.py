"""Read tables (of TOML, or of the control plane's JSON) into the nouns of routing, and name what is wrong in them."""

import difflib
import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from waystation.catalogue.dates import seconds_of
from waystation.catalogue.routing_nouns import DeploymentConfig, Problem, RouteConfig

T = TypeVar("T", bound=msgspec.Struct)

AT_MAX = 253_402_300_799  # the last second of the year 9999: beyond it there is no date to write
_DATES = ("deprecated_at", "sunset_at")


def nearest(name: str, known: Collection[str]) -> tuple[str, str]:
    """'; did you mean …?' in both languages when a known name is close, else nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return (f"; did you mean {close[0]!r}?", f"；是否指 {close[0]!r}？") if close else ("", "")


def read_route(name: str, table: Mapping[str, Any]) -> tuple[RouteConfig | None, list[Problem]]:
    """`[routes."NAME"]`. Dates may be dates, their text, or UTC seconds."""
    problems: list[Problem] = []
    table = dict(table)
    for key in _DATES:
        if table.get(key) is not None:
            try:
                table[key] = _moment(table[key])
            except ValueError as error:
                en, zh = str(error), "不是日期：请写 2026-12-01 或 2026-12-01T08:00+08:00"
                problems.append(Problem("routes", name, key, en, zh))
                del table[key]
    route, more = read_table(RouteConfig, "routes", name, table)
    return (None if problems else route), problems + more


def read_deployment(name: str, table: Mapping[str, Any]) -> tuple[DeploymentConfig | None, list[Problem]]:
    return read_table(DeploymentConfig, "deployments", name, table)


def read_table(make: type[T], topic: str, name: str, table: Mapping[str, Any]) -> tuple[T | None, list[Problem]]:
    """A table as a struct, or what is wrong with it: every unknown name with the nearest known one, then the first wrong type."""
    problems: list[Problem] = []
    known = _known_only(make, table, "", topic, name, problems)
    try:
        made = msgspec.convert(known, make)
    except msgspec.ValidationError as error:
        problems.append(_mistyped(str(error), topic, name))
        return None, problems
    return (None if problems else made), problems


def _moment(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        at = value
    elif isinstance(value, str | date):
        at = seconds_of(value)
    else:
        raise ValueError("is no date: write 2026-12-01 or 2026-12-01T08:00+08:00")
    if not 0 <= at <= AT_MAX:
        raise ValueError("is no date between 1970 and 9999")
    return at


def _known_only(make: Any, value: Any, path: str, topic: str, name: str, problems: list[Problem]) -> Any:
    """The value without the names that its type doesn't have, which become problems."""
    make = _without_none(make)
    choices = get_args(make)
    if get_origin(make) is Literal and value is not None and value not in choices:
        en, zh = nearest(str(value)[:80], choices)
        said, among = f"{value!r}"[:80], ", ".join(map(repr, choices))
        what = (f"is {said}; it must be one of {among}{en}", f"为 {said}；必须是以下之一：{among}{zh}")
        problems.append(Problem(topic, name, path, *what))
        return choices[0]
    if get_origin(make) is tuple and isinstance(value, list | tuple):
        item = get_args(make)[0]
        return [_known_only(item, each, f"{path}[{index}]", topic, name, problems) for index, each in enumerate(value)]
    if not (isinstance(make, type) and issubclass(make, msgspec.Struct) and isinstance(value, Mapping)):
        return value
    hints, kept = get_type_hints(make), {}
    for key, each in value.items():
        inside = f"{path}.{key}" if path else str(key)
        if key in hints:
            kept[key] = _known_only(hints[key], each, inside, topic, name, problems)
        else:
            en, zh = nearest(str(key), hints)
            problems.append(Problem(topic, name, inside[:200], f"is not a setting{en}", f"不是配置项{zh}"))
    return kept


def _without_none(hint: Any) -> Any:
    parts = [part for part in get_args(hint) if part is not type(None)]
    is_optional = get_origin(hint) is Union or type(hint).__name__ == "UnionType"
    return parts[0] if is_optional and len(parts) == 1 else hint


_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`")
_KINDS = (
    ("int", "a whole number", "整数"),
    ("float", "a number", "数字"),
    ("str", "a text in quotes", "带引号的文本"),
    ("bool", "true or false", "true 或 false"),
    ("array", "a list", "列表"),
    ("object", "a table", "表"),
)


def _mistyped(message: str, topic: str, name: str) -> Problem:
    """msgspec's complaint in our words. It never repeats a value but one of an enumeration."""
    found = _MESSAGE.fullmatch(message)
    what, path = (found["what"], found["path"] or "") if found else (message, "")
    missing = _MISSING.fullmatch(what)
    if missing:
        inside = f"{path}.{missing['field']}" if path else missing["field"]
        return Problem(topic, name, inside, "is missing", "缺失")
    expected = what.removeprefix("Expected ").split(", got ")[0].strip("`").split(" | ")[0]
    for word, en, zh in _KINDS:
        if expected == word:
            return Problem(topic, name, path, f"must be {en}", f"必须是{zh}")
    return Problem(topic, name, path, f"can't be used: {what}", f"无法使用：{what}")
