"""From a configuration to models, and from the name that was asked for to the model that answers."""

import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.catalogue.build import Offer, build_models, facts_of, offer_of
from waystation.catalogue.plan import takes_canary
from waystation.catalogue.prices import ExchangeRate, Prices
from waystation.catalogue.resolve import Catalogue
from waystation.catalogue.routing_model import DeploymentConfig, RouteConfig, check_routes, read_route
from waystation.errors import ModelNotFound, PriceMissing
from waystation.gateway.call import Call
from waystation.terms import ENGINE, Caller, Canary, Deployment, Model, Operation, Price, Route, Static
from waystation.testing.clock import FakeClock
from waystation.wire.chat import read_chat

NOW = 1_796_083_200  # 2026-12-01
DAY = 86_400
CHEAP, DEAR = Price("USD", 1_000, 2_000), Price("USD", 10_000, 20_000)


def offer(name: str, price: Price | None = DEAR, provider: str = "up", **more: Any) -> Offer:
    return Offer(
        name, more.pop("kind", "chat"), provider, more.pop("upstream_model", name), price, 8_000, 1_000, **more
    )


OFFERS = (
    offer("big", vision=True),
    offer("small", CHEAP),
    offer("yuan", Price("CNY", 7, 7)),
    offer("here", Price("USD", 0, 0), ENGINE),
    offer("vectors", CHEAP, kind="embedding"),
)


def models_of(
    routes: dict[str, dict[str, Any]] | None = None, deployments: dict[str, dict[str, Any]] | None = None, **more: Any
) -> dict[str, Model]:
    read = {name: read_route(name, table)[0] for name, table in (routes or {}).items()}
    assert None not in read.values()
    return build_models(
        more.pop("offers", OFFERS),
        "here",
        None,
        with_aliases=more.pop("with_aliases", False),
        deployments={name: msgspec.convert(table, DeploymentConfig) for name, table in (deployments or {}).items()},
        routes={name: route for name, route in read.items() if route is not None},
    )


class Stand:
    """A catalogue of these routes, at noon of a day that a test may move."""

    def __init__(self, routes: dict[str, dict[str, Any]] | None = None, **more: Any) -> None:
        self.clock = FakeClock(NOW)
        self.down: set[str] = set()
        self.models = models_of(routes, more.pop("deployments", None), **more)
        self.catalogue = Catalogue(self.models, self.clock.now_s, is_live=lambda model: model.name not in self.down)
        self.caller = Caller("key", "proj", "org")

    def call(self, name: str, request_id: str = "req_1", **body: Any) -> Call:
        asked = {"model": name, "messages": [{"role": "user", "content": "Hello"}], **body}
        data = msgspec.json.encode(asked)
        call = Call(Operation.CHAT, request_id, data, read_chat(data), None, {}, "", 0)
        call.project = "proj"
        return call

    def resolve(self, name: str, **body: Any) -> tuple[Model, list[str], Call]:
        call = self.call(name, **body)
        model = self.catalogue.resolve(call, self.caller)
        return model, call.notes.decode().splitlines(), call


# -- deployments


def test_a_model_without_routes_is_as_it_was() -> None:
    stand = Stand()
    model, notes, call = stand.resolve("big")
    assert type(model) is Model
    assert model is stand.models["big"]
    assert (model.tiers, model.route, model.fallbacks) == ((), None, ())
    assert (notes, call.served) == ([], None)


def test_deployments_stand_in_tiers_the_models_own_first() -> None:
    models = models_of(
        deployments={
            "b": {"model": "big", "provider": "second", "weight": 3, "prefill": True, "rules": "r"},
            "c": {"model": "big", "provider": "third", "tier": 1, "upstream_model": "big-eu"},
            "d": {"model": "nobody", "provider": "third"},
        }
    )
    own = Deployment("up/big", "up", "big")
    assert models["big"].tiers == (
        (own, Deployment("b", "second", "big", 3, True, "r")),
        (Deployment("c", "third", "big-eu"),),
    )
    assert models["big"].deployment == own
    assert models["small"].tiers == ()


def test_a_models_own_deployment_may_be_in_a_later_tier() -> None:
    here = msgspec.structs.replace(OFFERS[0], tier=1)
    models = models_of(deployments={"b": {"model": "big", "provider": "second"}}, offers=(here,))
    assert [[each.name for each in tier] for tier in models["big"].tiers] == [["b"], ["up/big"]]
    assert models["big"].deployment.name == "b"


def test_a_new_model_comes_with_its_first_deployment() -> None:
    config = msgspec.convert(
        {"model": "new", "provider": "up", "upstream_model": "new-1", "new_model": {"vision": True}}, DeploymentConfig
    )
    made = offer_of("first", config, CHEAP, 5)
    assert made is not None
    models = build_models([made], None, None, with_aliases=False, deployments={"first": config})
    assert models["new"].deployment == Deployment("first", "up", "new-1")
    assert (models["new"].tiers, models["new"].abilities.vision, models["new"].price) == ((), True, CHEAP)
    assert check_routes({}, {"first": config}, {}) == []
    assert facts_of(made).upstream_model == "new-1"


# -- routes


def test_a_route_says_how_calls_travel_and_what_it_leaves_out_is_as_usual() -> None:
    static = {"en": "Sorry.", "zh": "抱歉。"}
    models = models_of({"big": {"static": static, "affinity": False, "canary": {"model": "small", "percent": 2.5}}})
    assert models["big"].route == Route(affinity=False, static=Static("Sorry.", "抱歉。"), canary=Canary("small", 25))
    assert models_of({"big": {}})["big"].route == Route()


def test_stand_ins_come_in_order_each_once_the_local_one_last() -> None:
    routes: dict[str, dict[str, Any]] = {
        "big": {"fallbacks": ["here", "great-small", "small", "nobody"], "local": "here"},
        "great-small": {"alias_of": "small"},
        "small": {"fallbacks": ["big"]},
    }
    model, _, _ = Stand(routes).resolve("big")
    assert [each.name for each in model.fallbacks] == ["small", "here"]
    assert all(each.fallbacks == () for each in model.fallbacks)  # theirs are not followed


def test_stand_ins_cost_what_the_caller_pays_and_one_without_a_price_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stand = Stand({"big": {"fallbacks": ["yuan", "small", "here"]}})
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            stand.catalogue._forget()
            model, _, _ = stand.resolve("big")
    assert [(each.name, each.price) for each in model.fallbacks] == [("small", CHEAP), ("here", Price("USD", 0, 0))]
    assert len(caplog.records) == 1
    assert "yuan does not stand in for big where people pay in USD" in caplog.text
    assert model is stand.resolve("big")[0], "worked out once"
    stand.catalogue._prices = Prices((), [ExchangeRate(1, "CNY", "USD", 140_000_000, 0, "", 0)])
    stand.catalogue._forget()
    assert [each.name for each in stand.resolve("big")[0].fallbacks] == ["yuan", "small", "here"]


# -- names


def test_an_alias_is_the_model_under_another_name_and_says_so() -> None:
    stand = Stand({"gpt": {"alias_of": "gpt-1"}, "gpt-1": {"alias_of": "big"}, "big": {"fallbacks": ["small"]}})
    model, notes, call = stand.resolve("gpt")
    assert (model.name, model.alias_of, model.price) == ("gpt", "big", DEAR)
    assert model.deployment == stand.models["big"].deployment
    assert [each.name for each in model.fallbacks] == ["small"]
    assert notes == ["x-waystation-model: big"]
    assert call.served is None
    assert stand.resolve("big")[1] == []


@pytest.mark.parametrize("target", ["nobody", "b"])
def test_an_alias_of_nothing_is_not_there(target: str) -> None:
    models = models_of({"a": {"alias_of": target}, "b": {"alias_of": "a"}})
    assert not {"a", "b"} & models.keys()


def test_openais_names_stand_for_local_models_only_where_no_one_took_them() -> None:
    models = models_of({"gpt-4o": {"alias_of": "big"}}, with_aliases=True)
    assert models["gpt-4o"].alias_of == "big"
    assert models["gpt-5"].alias_of == "here"


def test_a_preferred_list_is_the_first_that_is_well_and_able() -> None:
    stand = Stand({"best": {"prefer": ["nobody", "small", "big", "here"]}})
    model, notes, _ = stand.resolve("best")
    assert model is stand.models["small"]
    assert notes == ["x-waystation-model: small"]
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]
    assert stand.resolve("best", messages=image)[0].name == "big"
    stand.down = {"small", "big"}
    assert stand.resolve("best")[0].name == "here"
    stand.down = {"small", "big", "here"}
    assert stand.resolve("best")[0].name == "small"


def test_what_rules_choose_costs_its_own_price() -> None:
    stand = Stand(
        {"auto": {"auto": [{"when": {"task": "code"}, "use": "great"}, {"use": "small"}]}, "great": {"alias_of": "big"}}
    )
    code = [{"role": "user", "content": "Fix my code"}]
    model, notes, call = stand.resolve("auto", messages=code)
    assert (model.name, model.price, notes) == ("great", DEAR, ["x-waystation-model: big"])
    assert call.served is None
    assert stand.resolve("auto")[0] is stand.models["small"]
    name, why, _ = stand.catalogue.explain(stand.call("auto", messages=code), stand.caller)
    assert (name, why) == ("great", "Rule 1/2 chose `great`: the task looks like code.")


def test_auto_without_rules_is_a_providers_first_chat_model_that_can_do_it() -> None:
    stand = Stand()
    assert stand.resolve("auto")[0].name == "big"
    only_local = Stand(offers=OFFERS[3:])
    assert only_local.resolve("auto")[0].name == "here"
    stand.down = {"big", "small", "yuan"}
    assert stand.resolve("auto")[0].name == "big", "a local model stands in only where somebody says so"
    assert "auto" not in models_of(offers=OFFERS[4:])


def test_rules_that_lead_nowhere_leave_the_refusal_to_policy() -> None:
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]
    stand = Stand({"auto": {"auto": [{"use": "small"}]}})
    assert stand.resolve("auto", messages=image)[0].name == "small"
    assert "No rule leads" in stand.catalogue.explain(stand.call("auto", messages=image), stand.caller)[1]


def test_a_choice_that_nobody_can_pay_for_is_passed_over() -> None:
    stand = Stand({"any": {"prefer": ["yuan", "small"]}, "one": {"prefer": ["yuan"]}})
    assert stand.resolve("any")[0].name == "small"
    with pytest.raises(PriceMissing):
        stand.resolve("one")


def test_names_are_listed_with_the_models() -> None:
    stand = Stand({"gpt": {"alias_of": "big"}, "best": {"prefer": ["big"]}})
    assert {"gpt", "best", "auto", "big"} <= {model.name for model in stand.catalogue.listed()}
    assert stand.catalogue.for_caller("best", stand.caller).alias_of == "big"
    assert stand.catalogue.explain(stand.call("gpt"), stand.caller)[1] == "`gpt` stands for `big`."


# -- canaries


def test_a_canarys_share_is_stable_and_grows_without_losing_anyone() -> None:
    people = [f"user-{number}" for number in range(2_000)]
    small = {each for each in people if takes_canary(Canary("x", 50), "big", each)}
    large = {each for each in people if takes_canary(Canary("x", 200), "big", each)}
    assert small == {each for each in people if takes_canary(Canary("x", 50), "big", each)}
    assert small < large
    assert 60 <= len(small) <= 140
    assert 320 <= len(large) <= 480
    assert small != {each for each in people if takes_canary(Canary("x", 50), "other", each)}
    assert not any(takes_canary(Canary("x", 0), "big", each) for each in people)
    assert all(takes_canary(Canary("x", 1000), "big", each) for each in people)


ALL_TO_SMALL = {"small": {"canary": {"model": "big", "percent": 100}, "fallbacks": ["here"], "attempts_max": 3}}


def test_a_canary_is_never_dearer_and_falls_back_to_the_model_itself() -> None:
    stand = Stand(ALL_TO_SMALL | {"alias": {"alias_of": "small"}})
    model, notes, call = stand.resolve("small")
    assert (model.name, model.price) == ("big", CHEAP)
    assert call.served is not None
    assert (call.served.name, call.served.price) == ("big", DEAR)
    assert [each.name for each in model.fallbacks] == ["small", "here"]
    assert model.route is not None
    assert model.route.attempts_max == 3
    assert notes == ["x-waystation-model: big"]
    assert stand.resolve("small")[0] is model, "made once"
    assert stand.resolve("alias")[0].name == "big"


def test_a_canary_that_is_down_or_not_able_is_not_tried() -> None:
    stand = Stand(ALL_TO_SMALL)
    stand.down = {"big"}
    assert stand.resolve("small")[0].name == "small"
    unable = Stand({"big": {"canary": {"model": "small", "percent": 100}}})
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]
    assert unable.resolve("big", messages=image)[0].name == "big"
    assert unable.resolve("big")[0].name == "small"
    unpayable = Stand({"big": {"canary": {"model": "yuan", "percent": 100}}})
    assert unpayable.resolve("big")[0].name == "big"


def test_a_person_meets_one_version() -> None:
    stand = Stand({"big": {"canary": {"model": "small", "percent": 50}}})
    for user in ("ada", "grace", "hedy", "joan"):
        met = {stand.resolve("big", request_id=f"req_{number}", user=user)[0].name for number in range(20)}
        assert len(met) == 1
    assert {stand.resolve("big", request_id=f"req_{number}")[0].name for number in range(60)} == {"big", "small"}


# -- how long a name lives

LIFE = {"deprecated_at": NOW - DAY, "sunset_at": NOW + DAY, "replacement": "small"}
SAID = [
    "deprecation: @1795996800",
    "sunset: Wed, 02 Dec 2026 00:00:00 GMT",
    "x-waystation-replacement: small",
]


def test_a_deprecated_model_says_so_until_its_sunset() -> None:
    stand = Stand({"big": LIFE})
    model, notes, _ = stand.resolve("big")
    assert (model.name, notes) == ("big", SAID)


def test_after_its_sunset_the_replacement_answers_never_dearer() -> None:
    stand = Stand({"big": LIFE, "small": {"sunset_at": NOW + DAY, "replacement": "big"}})
    stand.clock.advance(DAY - 1)
    assert stand.resolve("big")[0].name == "big"
    cheaper = Stand({"big": LIFE})
    cheaper.clock.advance(DAY)
    model, notes, call = cheaper.resolve("big")
    assert (model.name, model.price, notes) == ("small", DEAR, [*SAID, "x-waystation-model: small"])
    assert call.served is not None
    assert call.served.price == CHEAP
    assert cheaper.catalogue.for_caller("big", cheaper.caller).name == "small"


def test_after_its_sunset_without_a_replacement_it_is_not_found_with_date_and_advice() -> None:
    stand = Stand({"big": {"sunset_at": NOW}, "small": {"sunset_at": NOW, "replacement": "nobody"}})
    with pytest.raises(ModelNotFound, match="`big` was retired on 2026-12-01"):
        stand.resolve("big")
    with pytest.raises(ModelNotFound, match="Use `nobody` instead") as raised:
        stand.resolve("small")
    assert ("sunset", "Tue, 01 Dec 2026 00:00:00 GMT") in raised.value.headers
    assert not {"big", "small"} & {model.name for model in stand.catalogue.listed()}
    with pytest.raises(ModelNotFound):
        stand.catalogue.named("big")


def test_replacements_in_a_circle_end() -> None:
    stand = Stand(
        {"big": {"sunset_at": NOW, "replacement": "small"}, "small": {"sunset_at": NOW, "replacement": "big"}}
    )
    with pytest.raises(ModelNotFound):
        stand.resolve("big")
    with pytest.raises(ModelNotFound):
        stand.catalogue.named("big")


def test_an_alias_of_a_retired_model_leads_to_its_replacement() -> None:
    stand = Stand({"gpt": {"alias_of": "big"}, "big": {"sunset_at": NOW, "replacement": "small"}})
    model, notes, _ = stand.resolve("gpt")
    assert (model.name, notes) == ("small", ["x-waystation-model: small"])


def test_a_replacement_may_choose() -> None:
    stand = Stand({"big": {"sunset_at": NOW, "replacement": "best"}, "best": {"prefer": ["small", "here"]}})
    assert stand.resolve("big")[0].name == "small"
    stand.down = {"small"}
    assert stand.resolve("big")[0].name == "here"


def test_unknown_names_stay_unknown() -> None:
    assert RouteConfig().is_name is False
    with pytest.raises(ModelNotFound):
        Stand().resolve("nobody")


# -- whatever is written, resolving ends: in a model that is there, or in an error of ours

_NAMES = st.sampled_from(("big", "small", "here", "vectors", "yuan", "a", "b", "c", "auto", "gpt-4o", "nobody"))
_RULE = st.builds(
    lambda use, among: {"use": use} if not among else {"optimize": "cost", "among": among},
    _NAMES,
    st.lists(_NAMES, max_size=3),
)
_ROUTE = st.one_of(
    st.fixed_dictionaries({"alias_of": _NAMES}, optional={"sunset_at": st.just(NOW), "replacement": _NAMES}),
    st.fixed_dictionaries({"prefer": st.lists(_NAMES, max_size=3)}),
    st.fixed_dictionaries({"auto": st.lists(_RULE, max_size=3)}),
    st.fixed_dictionaries(
        {"fallbacks": st.lists(_NAMES, max_size=3)},
        optional={
            "local": _NAMES,
            "sunset_at": st.just(NOW),
            "replacement": _NAMES,
            "canary": st.fixed_dictionaries({"model": _NAMES, "percent": st.sampled_from((0, 50, 100))}),
        },
    ),
)


@given(st.dictionaries(_NAMES, _ROUTE, max_size=8), _NAMES, st.sets(_NAMES))
def test_any_web_of_names_ends(routes: dict[str, dict[str, Any]], asked: str, down: set[str]) -> None:
    stand = Stand(routes, with_aliases=True)
    stand.down = down
    for each in stand.models.values():
        assert all(not stand_in.fallbacks and stand_in.name != each.name for stand_in in each.fallbacks)
    try:
        model, notes, _ = stand.resolve(asked)
    except (ModelNotFound, PriceMissing):
        return
    deployed = {offer.name for offer in OFFERS}
    answering = model.alias_of or model.name
    assert answering in deployed
    assert model.price is None or model.price.currency == "USD"
    assert (f"x-waystation-model: {answering}" in notes) is (answering != asked)
    assert sum(note.startswith("x-waystation-model") for note in notes) <= 1
