"""What is wrong with names that stand for models, and with how long a name lives. Part of `route_rules.py`."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from waystation.catalogue.dates import day_of
from waystation.catalogue.routing_nouns import BUILT_IN_NAMES, CHOICES_MAX, ModelFacts, RouteConfig, Rule

INPUT_TOKENS_MOST = 100_000_000

Said = tuple[str, str, str]  # path, English, Chinese


class Missing(NamedTuple):
    """A name that nothing has, with its nearest."""

    path: str
    name: str


Found = Said | Missing

_OF_MODELS = (
    "balance",
    "affinity",
    "fallbacks",
    "local",
    "cache",
    "cache_s",
    "stale_s",
    "static",
    "attempts_max",
    "first_byte_timeout_s",
    "total_timeout_s",
    "canary",
)


def end_in(name: str, routes: Mapping[str, RouteConfig]) -> str:
    """The model or choice that a name stands for in the end. Of a circle of aliases: one of them."""
    for _ in range(len(routes) + 1):
        route = routes.get(name)
        if route is None or route.alias_of is None:
            break
        name = route.alias_of
    return name


def new_name(
    name: str, route: RouteConfig, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    if name in models:
        yield (
            "",
            "is a model itself, so it can't stand for another; give the new name or the model another name",
            ("本身就是一个模型，不能再代表其他模型；请换一个名称"),
        )
    said = [key for key in ("alias_of", "prefer", "auto") if getattr(route, key)]
    if len(said) > 1:
        yield said[1], f"can't be said together with {said[0]}", f"不能与 {said[0]} 同时设置"
    for key in _OF_MODELS:
        if getattr(route, key) not in (None, ()):
            yield (
                key,
                "belongs to a model's own route, not to a name that stands for others",
                "属于模型自己的路由，不能写在代表其他模型的名称上",
            )
    if route.alias_of is not None:
        yield from _alias(name, route.alias_of, models, routes)
    if max(len(route.prefer), len(route.auto)) > CHOICES_MAX:
        yield said[0], f"has more than {CHOICES_MAX} entries", f"超过 {CHOICES_MAX} 项"
        return
    for index, each in enumerate(route.prefer):
        yield from _choice(f"prefer[{index}]", each, models, routes)
        if each in route.prefer[:index]:
            yield f"prefer[{index}]", f"is {each!r} once more", f"{each!r} 重复"
    for index, rule in enumerate(route.auto):
        yield from _rule(f"auto[{index}]", rule, models, routes, is_last=index == len(route.auto) - 1)


def _alias(
    name: str, target: str, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    way, at = [name], target
    while at not in way:
        route = routes.get(at)
        if at in models or route is None or route.alias_of is None:
            break
        way.append(at)
        at = route.alias_of
    else:
        circle = " → ".join([*way[way.index(at) :], at])
        yield "alias_of", f"goes in a circle: {circle}", f"形成了循环：{circle}"
        return
    if at not in models and at not in routes and at not in BUILT_IN_NAMES:
        yield Missing("alias_of", target)


def _choice(
    path: str, name: str, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    end = end_in(name, routes)
    if end in models:
        return
    if end in routes or end in BUILT_IN_NAMES:
        yield (
            path,
            f"is {name!r}, which chooses itself; name a model or an alias of one",
            f"为 {name!r}，它自己也会选择；请写模型或其别名",
        )
    else:
        yield Missing(path, name)


def _rule(
    path: str, rule: Rule, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig], *, is_last: bool
) -> Iterator[Found]:
    if (rule.use is None) == (rule.optimize is None):
        yield (
            path,
            'needs either use = "…" or optimize = "cost" or "speed"',
            '需要 use = "…"，或 optimize = "cost" / "speed" 之一',
        )
    if (rule.optimize is None) != (not rule.among):
        yield (
            f"{path}.among",
            "goes with `optimize`: the models that it chooses from",
            "与 `optimize` 一起使用：列出可选的模型",
        )
    if rule.use is not None:
        yield from _choice(f"{path}.use", rule.use, models, routes)
    if len(rule.among) > CHOICES_MAX:
        yield f"{path}.among", f"has more than {CHOICES_MAX} entries", f"超过 {CHOICES_MAX} 项"
    for index, each in enumerate(rule.among[:CHOICES_MAX]):
        yield from _choice(f"{path}.among[{index}]", each, models, routes)
    conditions = rule.when is not None and any(
        getattr(rule.when, key) is not None for key in rule.when.__struct_fields__
    )
    if is_last and conditions:
        yield (
            f"{path}.when",
            "must not be in the last rule, which is for all other calls",
            "不能出现在最后一条规则中，最后一条适用于其余所有调用",
        )
    if not is_last and not conditions:
        yield (
            path,
            "fits every call, so no rule after it is ever reached; give it a `when` or put it last",
            ("适用于所有调用，后面的规则永远不会生效；请加上 `when` 或放到最后"),
        )
    above = None if rule.when is None else rule.when.input_tokens_above
    if above is not None and not 0 <= above <= INPUT_TOKENS_MOST:
        yield (
            f"{path}.when.input_tokens_above",
            f"is {above}; it must be 0 to {INPUT_TOKENS_MOST}",
            (f"为 {above}；必须在 0 到 {INPUT_TOKENS_MOST} 之间"),
        )


# -- how long it lives


def life(
    name: str, route: RouteConfig, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    deprecated, sunset = route.deprecated_at, route.sunset_at
    if deprecated is not None and sunset is not None and sunset < deprecated:
        yield (
            "sunset_at",
            f"is {day_of(sunset)}, before deprecated_at, {day_of(deprecated)}",
            (f"为 {day_of(sunset)}，早于 deprecated_at（{day_of(deprecated)}）"),
        )
    if route.replacement is None:
        return
    if deprecated is None and sunset is None:
        yield (
            "replacement",
            "says nothing without deprecated_at or sunset_at",
            "没有 deprecated_at 或 sunset_at 时不起作用",
        )
    seen, at = [name], route.replacement
    while at not in seen:  # replacements of replacements must end somewhere
        seen.append(at)
        after = routes.get(at)
        following = None if after is None else after.alias_of or after.replacement
        if following is None:
            break
        at = following
    else:
        circle = " → ".join([*seen[seen.index(at) :], at])
        yield "replacement", f"goes in a circle: {circle}", f"形成了循环：{circle}"
        return
    if route.replacement not in models and route.replacement not in routes and route.replacement not in BUILT_IN_NAMES:
        yield Missing("replacement", route.replacement)
