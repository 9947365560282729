"""Names that stand for models: aliases and pinned snapshots, lists in order of preference, and rules."""

from collections.abc import Mapping

import msgspec

from waystation.catalogue.plan import Plan, Planned, life_notes, model_line, plan_of, planned
from waystation.catalogue.routing_nouns import RouteConfig, Rule
from waystation.terms import Model

AUTO = "auto"  # chooses, also while nobody has written rules


def named(name: str, names: Mapping[str, RouteConfig], models: Mapping[str, Model]) -> Planned | None:
    """A name as a model: what it stands for, or the first that it may choose. None: nothing of that is there.

    `names` are the routes that make names, `models` those that have deployments.
    """
    config, target = end_of(name, names, models)
    if target is not None:
        return _alias(name, names[name], models[target])
    if config is None:
        return None
    wanted = config.auto or tuple(Rule(use=each) for each in config.prefer)
    rules = tuple(rule for rule in (_present(rule, names, models) for rule in wanted) if rule is not None)
    if not rules:
        return None
    first = rules[0].use or rules[0].among[0]
    _, stands_for = end_of(first, names, models)
    if stands_for is None:
        return None
    own = names[name]
    plan = Plan(
        notes=life_notes(own.deprecated_at, own.sunset_at, own.replacement),
        rules=rules,
        sunset_at=own.sunset_at,
        replacement=own.replacement,
    )
    return planned(models[stands_for], plan, name=name, alias_of=stands_for)


def _alias(name: str, own: RouteConfig, target: Model) -> Planned:
    """What holds of the model holds of its other name, but for what is said of that name itself."""
    of_target = plan_of(target)
    plan = Plan(
        notes=life_notes(own.deprecated_at, own.sunset_at, own.replacement),
        says_model=model_line(target.name),
        canary=of_target.canary,
        sunset_at=of_target.sunset_at if own.sunset_at is None else own.sunset_at,
        replacement=of_target.replacement if own.replacement is None else own.replacement,
    )
    return planned(target, plan, name=name, alias_of=target.name)


def end_of(
    name: str, names: Mapping[str, RouteConfig], models: Mapping[str, Model]
) -> tuple[RouteConfig | None, str | None]:
    """What a name is in the end: (its rules, None), (None, a model's name), or (None, None) for nothing or a circle."""
    for _ in range(len(names) + 1):
        config = names.get(name)
        if name in models:
            return None, name
        if config is None:
            break
        if config.alias_of is None:
            return config, None
        name = config.alias_of
    return None, None


def _present(rule: Rule, names: Mapping[str, RouteConfig], models: Mapping[str, Model]) -> Rule | None:
    """A rule with only what is there and is no choice itself; None: nothing is."""

    def is_there(each: str) -> bool:
        return end_of(each, names, models)[1] is not None

    if rule.use is not None:
        return rule if is_there(rule.use) else None
    among = tuple(each for each in rule.among if is_there(each))
    return msgspec.structs.replace(rule, among=among) if among else None
