"""What is written about deployments and routes: how it is read, and each mistake by its place."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from waystation.catalogue.routing_model import (
    DeploymentConfig,
    ModelFacts,
    Problem,
    RouteConfig,
    check_routes,
    read_deployment,
    read_route,
)
from waystation.terms import ENGINE

MODELS = {
    "big": ModelFacts("chat", "up", "big"),
    "small": ModelFacts("chat", "up", "small"),
    "here": ModelFacts("chat", ENGINE, "here"),
    "vectors": ModelFacts("embedding", "up", "vectors"),
    "other-vectors": ModelFacts("embedding", "up", "other-vectors"),
}


def read(name: str, **table: Any) -> RouteConfig:
    route, problems = read_route(name, table)
    assert not problems
    assert route is not None
    return route


def told(
    routes: dict[str, dict[str, Any]] | None = None, deployments: dict[str, dict[str, Any]] | None = None
) -> list[Problem]:
    return check_routes(
        MODELS,
        {name: msgspec.convert(table, DeploymentConfig) for name, table in (deployments or {}).items()},
        {name: read(name, **table) for name, table in (routes or {}).items()},
        {"up": None, "elsewhere": None},
    )


def test_a_whole_route_is_read_and_nothing_is_said_about_it() -> None:
    routes: dict[str, dict[str, Any]] = {
        "big": {
            "balance": "least_busy",
            "affinity": False,
            "fallbacks": ["small"],
            "local": "here",
            "cache": True,
            "cache_s": 60,
            "stale_s": 600,
            "static": {"en": "Sorry.", "zh": "抱歉。"},
            "attempts_max": 3,
            "first_byte_timeout_s": 20,
            "total_timeout_s": 90,
            "canary": {"model": "small", "percent": 2.5},
            "deprecated_at": date(2026, 12, 1),
            "sunset_at": "2027-06-01",
            "replacement": "small",
        },
        "great": {"alias_of": "big"},
        "greatest": {"alias_of": "great"},
        "any": {"prefer": ["big", "great", "here"]},
        "auto": {
            "auto": [
                {"when": {"images": True}, "use": "big"},
                {"when": {"task": "code", "input_tokens_above": 8000}, "use": "greatest"},
                {"optimize": "cost", "among": ["big", "small"]},
            ]
        },
    }
    assert told(routes, {"again": {"model": "big", "provider": "elsewhere", "tier": 1}}) == []
    big = read("big", **routes["big"])
    assert (big.deprecated_at, big.sunset_at) == (1_796_083_200, 1_811_808_000)


def test_a_written_route_is_read_again_as_it_was() -> None:
    route = read("auto", auto=[{"when": {"task": "math"}, "use": "big"}, {"use": "small"}], deprecated_at=5)
    assert read("auto", **msgspec.to_builtins(route)) == route


@pytest.mark.parametrize(
    ("table", "path", "said"),
    [
        ({"fallback": ["x"]}, "fallback", "is not a setting; did you mean 'fallbacks'?"),
        ({"canary": {"modle": "x", "model": "y", "percent": 1}}, "canary.modle", "did you mean 'model'?"),
        ({"auto": [{"when": {"image": True}, "use": "x"}]}, "auto[0].when.image", "did you mean 'images'?"),
        ({"static": {"en": "Sorry."}}, "static.zh", "is missing"),
        ({"canary": {"model": "y"}}, "canary.percent", "is missing"),
        ({"fallbacks": "x"}, "fallbacks", "must be a list"),
        ({"fallbacks": [1]}, "fallbacks[0]", "must be a text in quotes"),
        ({"cache": "yes"}, "cache", "must be true or false"),
        ({"cache_s": 1.5}, "cache_s", "must be a whole number"),
        ({"balance": "best"}, "balance", "is 'best'; it must be one of 'weighted', 'least_busy'"),
        ({"balance": "weigthed"}, "balance", "did you mean 'weighted'?"),
        ({"balance": {"a": 1}}, "balance", "it must be one of"),
        ({"auto": [{"when": {"task": "maths"}, "use": "x"}]}, "auto[0].when.task", "did you mean 'math'?"),
        ({"deprecated_at": "soon"}, "deprecated_at", "has a date 'soon'"),
        ({"sunset_at": True}, "sunset_at", "is no date"),
        ({"sunset_at": -1}, "sunset_at", "is no date between 1970 and 9999"),
        ({"sunset_at": 10**30}, "sunset_at", "is no date between 1970 and 9999"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_table_that_is_no_route_is_told_where(table: dict[str, Any], path: str, said: str) -> None:
    route, (problem,) = read_route("big", table)
    assert route is None
    assert (problem.topic, problem.name, problem.path) == ("routes", "big", path)
    assert said in problem.en
    assert problem.zh != problem.en


def test_all_unknown_names_are_told_at_once() -> None:
    assert [each.path for each in read_deployment("d", {"modle": "x", "teir": 1})[1]] == ["modle", "teir", "model"]


STATIC = {"en": "Sorry.", "zh": "抱歉。"}


@pytest.mark.parametrize(
    ("name", "table", "path", "said"),
    [
        ("huge", {"cache": True}, "", "no model has as its name"),
        ("bgi", {"cache": True}, "", "did you mean 'big'?"),
        ("a b", {"alias_of": "big"}, "", "is no name"),
        ("big", {"fallbacks": ["smal"]}, "fallbacks[0]", "did you mean 'small'?"),
        ("big", {"fallbacks": ["big"]}, "fallbacks[0]", "the model itself"),
        ("big", {"fallbacks": ["great"]}, "fallbacks[0]", "the model itself"),
        ("big", {"fallbacks": ["small", "small"]}, "fallbacks[1]", "once more"),
        ("big", {"fallbacks": ["vectors"]}, "fallbacks[0]", "another kind"),
        ("big", {"fallbacks": ["auto"]}, "fallbacks[0]", "chooses among models"),
        ("big", {"local": "small"}, "local", "not a model of this machine"),
        ("big", {"canary": {"model": "big", "percent": 1}}, "canary.model", "the model itself"),
        ("big", {"canary": {"model": "small", "percent": 101}}, "canary.percent", "must be 0 to 100"),
        ("big", {"canary": {"model": "small", "percent": -1}}, "canary.percent", "must be 0 to 100"),
        ("big", {"canary": {"model": "small", "percent": 0.25}}, "canary.percent", "a tenth of a percent"),
        ("big", {"attempts_max": 0}, "attempts_max", "must be 1 to 20"),
        ("big", {"cache_s": 0}, "cache_s", "must be 1 to"),
        ("big", {"total_timeout_s": float("nan")}, "total_timeout_s", "must be 0.1 to"),
        ("big", {"first_byte_timeout_s": 9, "total_timeout_s": 5}, "first_byte_timeout_s", "longer than"),
        ("big", {"static": {"en": " ", "zh": "抱歉。"}}, "static.en", "must be words"),
        ("vectors", {"static": STATIC}, "static", "words are no vectors"),
        ("vectors", {"fallbacks": ["other-vectors"]}, "fallbacks", "can't be compared"),
        ("big", {"alias_of": "small"}, "", "is a model itself"),
        ("new", {"alias_of": "bog"}, "alias_of", "did you mean 'big'?"),
        ("new", {"alias_of": "new"}, "alias_of", "goes in a circle: new → new"),
        ("new", {"alias_of": "big", "prefer": ["big"]}, "prefer", "together with alias_of"),
        ("new", {"alias_of": "big", "cache": True}, "cache", "belongs to a model's own route"),
        ("new", {"prefer": ["big", "big"]}, "prefer[1]", "once more"),
        ("new", {"prefer": ["auto"]}, "prefer[0]", "which chooses itself"),
        ("new", {"prefer": ["bigg"]}, "prefer[0]", "did you mean 'big'?"),
        ("auto", {"cache": True}, "auto", "is missing"),
        ("auto", {"auto": [{"when": {"tools": True}, "use": "big"}]}, "auto[0].when", "must not be in the last rule"),
        ("auto", {"auto": [{"use": "big"}, {"use": "small"}]}, "auto[0]", "no rule after it is ever reached"),
        ("auto", {"auto": [{}]}, "auto[0]", "needs either use"),
        ("auto", {"auto": [{"optimize": "cost"}]}, "auto[0].among", "goes with `optimize`"),
        ("auto", {"auto": [{"use": "big", "among": ["small"]}]}, "auto[0].among", "goes with `optimize`"),
        ("auto", {"auto": [{"use": "bigg"}]}, "auto[0].use", "did you mean 'big'?"),
        ("big", {"deprecated_at": 9, "sunset_at": 5}, "sunset_at", "before deprecated_at"),
        ("big", {"replacement": "small"}, "replacement", "says nothing without"),
        ("big", {"sunset_at": 5, "replacement": "big"}, "replacement", "goes in a circle"),
        ("big", {"sunset_at": 5, "replacement": "great"}, "replacement", "goes in a circle: big → great → big"),
        ("big", {"sunset_at": 5, "replacement": "smal"}, "replacement", "did you mean 'small'?"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_with_a_route_is_told_where(name: str, table: dict[str, Any], path: str, said: str) -> None:
    routes = {"great": {"alias_of": "big"}, name: table}
    problems = told(routes)
    assert [(each.name, each.path) for each in problems] == [(name, path)]
    assert said in problems[0].en


def test_circles_of_several_names_are_told_for_each() -> None:
    problems = told({"a": {"alias_of": "b"}, "b": {"alias_of": "c"}, "c": {"alias_of": "b"}})
    assert {(each.name, each.path) for each in problems} == {("a", "alias_of"), ("b", "alias_of"), ("c", "alias_of")}
    assert "b → c → b" in problems[0].en


def test_two_models_may_stand_in_for_each_other() -> None:
    assert told({"big": {"fallbacks": ["small"]}, "small": {"fallbacks": ["big"]}}) == []


@pytest.mark.parametrize(
    ("table", "where", "said"),
    [
        ({"model": "bog", "provider": "up"}, ("deployments", "d", "model"), "did you mean 'big'?"),
        ({"model": "big", "provider": "upp"}, ("deployments", "d", "provider"), "did you mean 'up'?"),
        ({"model": "big", "provider": "up", "tier": 2}, ("models", "big", "tier"), "none in tier 1"),
        ({"model": "big", "provider": "up", "tier": 1, "weight": 0}, ("models", "big", "weight"), "in tier 1 is 0"),
        ({"model": "big", "provider": "up", "weight": -1}, ("deployments", "d", "weight"), "must be 0 to"),
        ({"model": "big", "provider": "up", "upstream_model": ""}, ("deployments", "d", "upstream_model"), "is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_with_a_deployment_is_told_where(
    table: dict[str, Any], where: tuple[str, str, str], said: str
) -> None:
    (problem,) = told(deployments={"d": table})
    assert (problem.topic, problem.name, problem.path) == where
    assert said in problem.en


def test_a_deployment_does_not_take_the_name_of_a_models_own() -> None:
    (problem,) = told(deployments={"up/big": {"model": "small", "provider": "up"}})
    assert "is the name of a model's own deployment" in problem.en


def test_only_names_of_what_is_not_there_are_missing() -> None:
    (absent,) = told({"big": {"fallbacks": ["elsewhere"]}})
    (wrong,) = told({"big": {"fallbacks": ["big"]}})
    assert (absent.missing, wrong.missing) == (True, False)
    assert absent.key == "routes.big.fallbacks[0]"
    assert wrong._replace(name="gpt-4o").key == 'routes."gpt-4o".fallbacks[0]'


def test_a_date_is_its_midnight_and_a_moment_itself() -> None:
    assert read("big", sunset_at=datetime(2026, 12, 1, 8, tzinfo=UTC)).sunset_at == 1_796_083_200 + 8 * 3600
