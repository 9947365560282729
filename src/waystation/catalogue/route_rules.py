"""What is wrong with deployments and routes, whoever wrote them. Pure: the whole picture in, problems out."""

from collections.abc import Iterator, Mapping

from waystation.catalogue.name_rules import Found, Missing, Said, end_in, life, new_name
from waystation.catalogue.parameters_table import TABLE
from waystation.catalogue.provider_rules import NAME, NO_NAME, WEIGHT_MAX
from waystation.catalogue.routing_nouns import (
    BUILT_IN_NAMES,
    DeploymentConfig,
    ModelFacts,
    Problem,
    RouteConfig,
    StaticConfig,
)
from waystation.catalogue.routing_reading import nearest

TIERS_MAX = 16
FALLBACKS_MAX = 16
ATTEMPTS_MAX = 20
STATIC_CHARS_MAX = 10_000
TIMEOUT_S_LEAST, TIMEOUT_S_MOST = 0.1, 86_400.0
CACHE_S_MOST, STALE_S_MOST = 31 * 86_400, 366 * 86_400


def check_routes(
    models: Mapping[str, ModelFacts],
    deployments: Mapping[str, DeploymentConfig],
    routes: Mapping[str, RouteConfig],
    providers: Mapping[str, object] | None = None,
) -> list[Problem]:
    """Everything that is wrong with these deployments and routes, given the models that have a deployment of their own.

    `providers`: those that may be named, by name; None: not looked at. What names something that isn't there has
    `missing` set: it may come later, or be on another machine, so who only reads the file decides whether that matters.
    """
    everything = dict(models)
    for deployment in deployments.values():
        if deployment.new_model is not None:
            everything.setdefault(
                deployment.model,
                ModelFacts(
                    deployment.new_model.kind, deployment.provider, tier=deployment.tier, weight=deployment.weight
                ),
            )
    known = everything.keys() | routes.keys() | BUILT_IN_NAMES
    problems = _Problems(known)
    for name, deployment in deployments.items():
        problems.add("deployments", name, _deployment(name, deployment, everything, providers))
    for name, facts in everything.items():
        problems.add("models", name, _tiers(name, facts, models, deployments))
    for name, route in routes.items():
        problems.add("routes", name, _route(name, route, everything, routes))
    return problems.found


class _Problems:
    def __init__(self, known: "set[str]") -> None:
        self.found: list[Problem] = []
        self._known = known

    def add(self, topic: str, name: str, said: Iterator[Found]) -> None:
        for each in said:
            if isinstance(each, Missing):
                en, zh = nearest(each.name, self._known - {name})
                what = f"is {each.name!r}, which no model has as its name{en}", f"为 {each.name!r}，没有这个模型{zh}"
                self.found.append(Problem(topic, name, each.path, *what, missing=True))
            else:
                self.found.append(Problem(topic, name, *each))


# -- deployments


def _deployment(
    name: str, config: DeploymentConfig, models: Mapping[str, ModelFacts], providers: Mapping[str, object] | None
) -> Iterator[Found]:
    if not NAME.fullmatch(name):
        yield "", *NO_NAME
    if config.model not in models:
        yield Missing("model", config.model)
    if providers is not None and config.provider not in providers:
        en, zh = nearest(config.provider, providers)
        yield (
            "provider",
            f"is {config.provider!r}, which is no provider{en}",
            f"为 {config.provider!r}，没有这个上游{zh}",
        )
    is_own = config.new_model is not None  # the one that brought its model has that name by right
    if not is_own and any(f"{facts.provider}/{facts.upstream_model}" == name for facts in models.values()):
        yield (
            "",
            "is the name of a model's own deployment; give this one another",
            "与某个模型自带的部署同名，请换一个名称",
        )
    yield from _tier_and_weight(config.tier, config.weight)
    if config.upstream_model == "":
        yield "upstream_model", "is empty; leave it out where it is the model's own name", "为空；与模型同名时请删去"
    yield from rules_named(config.rules)


def rules_named(name: str) -> Iterator[Said]:
    """What is wrong with the parameter rules that a deployment names."""
    if not TABLE.has(name):
        en, zh = nearest(name, TABLE.names)
        yield (
            "rules",
            f"is {name!r}, which no set of parameter rules is called{en}",
            f"为 {name!r}，没有这套参数规则{zh}",
        )


def _tier_and_weight(tier: int, weight: int) -> Iterator[Said]:
    if not 0 <= tier < TIERS_MAX:
        yield (
            "tier",
            f"is {tier}; it must be 0 (asked first) to {TIERS_MAX - 1}",
            f"为 {tier}；必须在 0（最先使用）到 {TIERS_MAX - 1} 之间",
        )
    if not 0 <= weight <= WEIGHT_MAX:
        yield "weight", f"is {weight}; it must be 0 to {WEIGHT_MAX}", f"为 {weight}；必须在 0 到 {WEIGHT_MAX} 之间"


def _tiers(
    name: str, facts: ModelFacts, models: Mapping[str, ModelFacts], deployments: Mapping[str, DeploymentConfig]
) -> Iterator[Found]:
    """Each tier has deployments and some weight, without gaps between them."""
    weights: dict[int, list[int]] = {}
    if name in models:
        weights[facts.tier] = [facts.weight]
        yield from _tier_and_weight(facts.tier, facts.weight)
    for deployment in deployments.values():
        if deployment.model == name:
            weights.setdefault(deployment.tier, []).append(deployment.weight)
    for tier in range(min(max(weights, default=0), TIERS_MAX)):
        if tier not in weights:
            yield (
                "tier",
                f"has deployments in tier {max(weights)} but none in tier {tier}; count them from 0 without gaps",
                (f"在第 {max(weights)} 层有部署，但第 {tier} 层没有；请从 0 开始连续编号"),
            )
    for tier, each in sorted(weights.items()):
        if not any(each):
            yield (
                "weight",
                f"of all its deployments in tier {tier} is 0, so none of them would be asked",
                (f"第 {tier} 层所有部署的权重都是 0，不会有任何部署被使用"),
            )


# -- routes


def _route(
    name: str, route: RouteConfig, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    if not NAME.fullmatch(name):
        yield "", *NO_NAME
    if route.is_name:
        yield from new_name(name, route, models, routes)
    elif name not in models:
        yield (
            Missing("", name)
            if name not in BUILT_IN_NAMES
            else (
                "auto",
                "is missing: say by which rules it chooses, or leave the whole table out",
                "缺失：请写明选择规则，或删去整个表",
            )
        )
    else:
        yield from _of_model(name, route, models, routes)
    yield from life(name, route, models, routes)


def _of_model(
    name: str, route: RouteConfig, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    kind = models[name].kind
    if kind == "embedding":
        yield from _of_embeddings(route)
    elif kind == "moderation" and route.static is not None:
        yield "static", "is of no use to a moderation model: words are no scores", "不适用于内容审核模型：文字不是分数"
    if len(route.fallbacks) > FALLBACKS_MAX:
        yield "fallbacks", f"are more than {FALLBACKS_MAX}", f"超过 {FALLBACKS_MAX} 个"
    for index, fallback in enumerate(route.fallbacks[:FALLBACKS_MAX]):
        yield from _other(f"fallbacks[{index}]", fallback, name, models, routes)
        if fallback in route.fallbacks[:index]:
            yield f"fallbacks[{index}]", f"is {fallback!r} once more", f"{fallback!r} 重复"
    if route.local is not None:
        yield from _other("local", route.local, name, models, routes)
        meant = models.get(end_in(route.local, routes))
        if meant is not None and not meant.is_local:
            yield (
                "local",
                f"is {route.local!r}, which is not a model of this machine; write it under `fallbacks`",
                (f"为 {route.local!r}，不是本机模型；请写到 `fallbacks` 中"),
            )
    if route.canary is not None:
        yield from _other("canary.model", route.canary.model, name, models, routes)
        percent = route.canary.percent
        if not 0 <= percent <= 100:
            yield "canary.percent", f"is {percent:g}; it must be 0 to 100", f"为 {percent:g}；必须在 0 到 100 之间"
        elif abs(percent * 10 - round(percent * 10)) > 1e-6:
            yield (
                "canary.percent",
                f"is {percent:g}; a tenth of a percent is the finest",
                f"为 {percent:g}；最小单位是 0.1",
            )
    yield from _numbers(route)
    if route.static is not None:
        yield from _static(route.static)


def _of_embeddings(route: RouteConfig) -> Iterator[Said]:
    for path, given in (("fallbacks", route.fallbacks), ("local", route.local), ("canary", route.canary)):
        if given:
            yield (
                path,
                (
                    "is of no use to an embedding model: vectors of another model can't be compared with its own. "
                    "Add a deployment of the same model instead"
                ),
                "不适用于向量模型：不同模型的向量无法相互比较。请为同一模型增加部署",
            )
    if route.static is not None:
        yield "static", "is of no use to an embedding model: words are no vectors", "不适用于向量模型：文字不是向量"


def _other(
    path: str, other: str, name: str, models: Mapping[str, ModelFacts], routes: Mapping[str, RouteConfig]
) -> Iterator[Found]:
    """A name that stands in for a model: it exists, is another model, one and no choice, and of the same kind."""
    end = end_in(other, routes)
    if end == name:
        yield path, f"is {other!r}, which is the model itself", f"为 {other!r}，就是该模型自己"
    elif end in models:
        if models[end].kind != models[name].kind:
            yield path, f"is {other!r}, which is a model of another kind", f"为 {other!r}，模型类型不同"
    elif end in routes or end in BUILT_IN_NAMES:
        yield (
            path,
            f"is {other!r}, which chooses among models; name one of them",
            f"为 {other!r}，它会在多个模型中选择；请直接写其中一个",
        )
    else:
        yield Missing(path, other)


def _numbers(route: RouteConfig) -> Iterator[Said]:
    bounds = (
        ("attempts_max", 1, ATTEMPTS_MAX),
        ("cache_s", 1, CACHE_S_MOST),
        ("stale_s", 0, STALE_S_MOST),
        ("first_byte_timeout_s", TIMEOUT_S_LEAST, TIMEOUT_S_MOST),
        ("total_timeout_s", TIMEOUT_S_LEAST, TIMEOUT_S_MOST),
    )
    for name, least, most in bounds:
        value = getattr(route, name)
        if value is not None and not least <= value <= most:
            yield (
                name,
                f"is {value:g}; it must be {least:g} to {most:g}",
                f"为 {value:g}；必须在 {least:g} 到 {most:g} 之间",
            )
    first, total = route.first_byte_timeout_s, route.total_timeout_s
    if first is not None and total is not None and first > total:
        yield (
            "first_byte_timeout_s",
            f"is {first:g} s, longer than total_timeout_s, {total:g} s",
            (f"为 {first:g} 秒，比 total_timeout_s（{total:g} 秒）还长"),
        )


def _static(static: StaticConfig) -> Iterator[Said]:
    for language, words in (("en", static.en), ("zh", static.zh)):
        if not words.strip() or len(words) > STATIC_CHARS_MAX:
            yield (
                f"static.{language}",
                f"must be words, at most {STATIC_CHARS_MAX} characters",
                f"必须是文字，最多 {STATIC_CHARS_MAX} 个字符",
            )
