"""What becomes of a request's parameters at a model: passed, sent under another name or value, dropped, or refused.

Pure rules. Which upstream wants what is the table in `parameters_table.py`; the page for people is printed by
`parameters_page.py`. The rules of a deployment are worked out once; a call that uses no affected parameter passes untouched.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec

from waystation.errors import InvalidRequest, Unsupported

ANY = "*"
"""In `values`: whatever has no line of its own."""


class Rule(msgspec.Struct, frozen=True):
    """What becomes of one parameter. At most one of `to`, `values`, `at_most` and `refuse`; with none of them it is dropped.

    A value in `passes` goes as it is, and so does every value while the effort of reasoning is one in `passes_at_effort`
    ("" stands for none that was asked for).
    """

    parameter: str
    to: str | None = None  # sent under this name; of two limits the smaller one
    values: dict[str, dict[str, Any]] | None = (
        None  # by the value: what is sent instead, where the caller has not said it
    )
    at_most: float | None = None  # a higher number becomes this
    refuse: bool = False
    passes: tuple[Any, ...] = ()
    passes_at_effort: tuple[str, ...] = ()


class RuleSet(msgspec.Struct, frozen=True):
    """Rules that hold for these presets and the models there whose whole name matches the pattern, in lower case."""

    name: str
    presets: tuple[str, ...]
    rules: tuple[Rule, ...]
    models: str = ".*"
    source: str = ""
    read_on: str = ""  # the day on which the source said so
    whole: dict[str, Any] = {}  # set where an answer is not streamed and the caller doesn't say it


class Told(NamedTuple):
    """What the answer's headers say: x-waystation-ignored and x-waystation-mapped."""

    ignored: tuple[str, ...]
    mapped: tuple[str, ...]


class Rules:
    """The rules of one deployment. `affected`: parameters that they say something about."""

    __slots__ = ("_rules", "_whole", "affected")

    def __init__(self, rules: Mapping[str, Rule], whole: Mapping[str, Any] | None = None) -> None:
        self._rules = dict(rules)
        self._whole = dict(whole or {})
        # What is set in whole answers hangs on no parameter: every chat has messages.
        self.affected = frozenset(rules) | ({"messages"} if self._whole else frozenset())

    def apply(self, members: dict[str, Any]) -> Told:
        """Change the members of a request's body (values, or their JSON as Raw) to what the upstream takes.

        Raises Unsupported with `param` for a parameter that is refused, InvalidRequest for one that is no JSON.
        """
        ignored: list[str] = []
        mapped: list[str] = []
        effort = _value(members.get("reasoning_effort"))
        for name in [name for name in members if name in self._rules]:
            if name in members:  # an earlier rule may have taken it
                _apply(self._rules[name], members, effort, ignored, mapped)
        if self._whole and not _value(members.get("stream")):
            for name, value in self._whole.items():
                members.setdefault(name, value)
        return Told(tuple(ignored), tuple(mapped))


NO_RULES = Rules({})


def _apply(rule: Rule, members: dict[str, Any], effort: Any, ignored: list[str], mapped: list[str]) -> None:
    name = rule.parameter
    value = _value(members[name])
    if value is None:
        del members[name]  # null is the same as nothing, and not every server knows that
        return
    if value in rule.passes or (rule.passes_at_effort and (effort or "") in rule.passes_at_effort):
        return
    if rule.refuse:
        raise Unsupported(f"Unsupported parameter: '{name}' is not supported with this model.", param=name)
    if rule.to is not None:
        del members[name]
        other = _value(members.get(rule.to))
        both = type(value) is int and type(other) is int
        members[rule.to] = min(value, other) if both else value if other is None else other
        mapped.append(f"{name}>{rule.to}")
    elif rule.values is not None:
        instead = rule.values.get(str(value), rule.values.get(ANY))
        if instead is None:
            return
        _put(members, name, value, instead, ignored, mapped)
    elif rule.at_most is not None:
        if isinstance(value, int | float) and value > rule.at_most:
            members[name] = rule.at_most
            mapped.append(f"{name}>{rule.at_most:g}")
    else:
        del members[name]
        ignored.append(name)


def _put(
    members: dict[str, Any], name: str, value: Any, instead: dict[str, Any], ignored: list[str], mapped: list[str]
) -> None:
    """Other members instead of this one. What the caller has said in the upstream's own words stays."""
    if instead.get(name) != value:
        del members[name]
    put = [each for each in instead if each not in members]
    for each in put:
        members[each] = instead[each]
    if put:
        mapped.append(f"{name}>{'+'.join(put)}" if put != [name] else f"{name}>{instead[name]}")
    elif name not in members:
        ignored.append(name)


def _value(given: Any) -> Any:
    if type(given) is not msgspec.Raw:
        return given
    try:
        return msgspec.json.decode(given)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest("The request's body is not valid JSON.", detail=str(error)) from None


class Table:
    """All sets of rules, the more special ones first: of several rules for a parameter the first one holds."""

    def __init__(self, sets: tuple[RuleSet, ...]) -> None:
        self.sets = sets
        self._by_name = {each.name: each for each in sets}
        self._patterns = {each.name: re.compile(each.models) for each in sets}

    def rules_for(self, preset: str, upstream_model: str, name: str = "") -> Rules:
        """The rules for a model of a provider of this preset (or kind).

        `name` is what a deployment says: the set that holds instead of those that its preset and its model's name find,
        "none" for none at all. A name that there isn't finds by preset and model: `has` tells beforehand.
        """
        if name == "none":
            return NO_RULES
        chosen = self._by_name.get(name)
        found = (chosen,) if chosen is not None else self.matching(preset, upstream_model)
        rules: dict[str, Rule] = {}
        whole: dict[str, Any] = {}
        for each in found:
            whole = {**each.whole, **whole}
            for rule in each.rules:
                rules.setdefault(rule.parameter, rule)
        return Rules(rules, whole) if rules or whole else NO_RULES

    def matching(self, preset: str, upstream_model: str) -> tuple[RuleSet, ...]:
        model = upstream_model.lower()
        return tuple(
            each for each in self.sets if preset in each.presets and self._patterns[each.name].fullmatch(model)
        )

    @property
    def names(self) -> Collection[str]:
        """What a deployment may say as its `rules`, beside nothing and "none"."""
        return self._by_name.keys()

    def has(self, name: str) -> bool:
        """Whether a deployment may say this as its `rules`."""
        return name in ("", "none") or name in self._by_name
