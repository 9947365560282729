"""What the rows and the file are together: all that can be used is used, what can't be is named."""

from pathlib import Path

from msgspec import structs

from tests.unit.fleet.fleet_stand import SECRET, FleetStand, fleet_stand
from waystation.catalogue.routing_model import PRESETS
from waystation.fleet import store
from waystation.fleet.model import Fixed, ProviderFields
from waystation.fleet.nouns import DeploymentConfig, ModelFacts, NewModel, RouteConfig
from waystation.providers.model import ProviderConfig
from waystation.terms import Credential, Secret

FILED = ProviderConfig(
    name="filed",
    base_url="https://filed.example.com",
    credentials=(Credential("filed/1", "one", Secret("sk-one")), Credential("filed/2", "two", Secret("sk-two"))),
)
FIXED = Fixed(
    providers={"filed": FILED},
    models={"chat": ModelFacts("chat", "filed", "chat")},
    routes={"chat": RouteConfig(attempts_max=2)},
)
NEW = DeploymentConfig(model="m", provider="blue", new_model=NewModel(vision=True))
PRICE = {"currency": "CNY", "input": "2", "output": "8"}


def furnish(s: FleetStand) -> str:
    """A provider with a credential, a model and an alias; the credential's id."""
    s.provider()
    made = s.do(lambda c: s.fleet.credentials.create(c, "blue", "main", Secret(SECRET), 3))
    s.do(lambda c: s.fleet.credentials.create(c, "filed", "third", Secret(SECRET)))
    s.do(lambda c: s.fleet.deployments.create(c, NEW, price=PRICE))
    s.do(lambda c: s.fleet.routes.put(c, "alias", RouteConfig(alias_of="m")))
    return made.id


def test_rows_and_file_are_joined_also_after_a_restart(tmp_path: Path) -> None:
    with fleet_stand(tmp_path, FIXED) as s:
        id_ = furnish(s)
        s.do(lambda c: s.fleet.credentials.update(c, "filed/1", enabled=False))
    with fleet_stand(tmp_path, FIXED) as s:
        joined = s.fleet.join(s.do(s.fleet.load))
    assert joined.problems == ()
    assert joined.providers["blue"].credentials == (Credential(id_, "main", Secret(SECRET), 3),)
    filed = joined.providers["filed"].credentials
    assert [(each.name, each.disabled) for each in filed] == [("one", True), ("two", False), ("third", False)]
    offer = joined.offers["m"]
    assert (offer.provider, offer.upstream_model, offer.vision, offer.context_tokens_max) == (
        "blue",
        "m",
        True,
        131_072,
    )
    assert offer.price is not None
    assert (offer.price.currency, offer.price.output_nano_per_million) == ("CNY", 8_000_000_000)
    assert joined.deployments == {"blue/m": NEW}
    assert joined.routes == {"alias": RouteConfig(alias_of="m"), "chat": RouteConfig(attempts_max=2)}


def test_a_secret_of_another_key_is_named_and_all_else_works(tmp_path: Path) -> None:
    with fleet_stand(tmp_path, FIXED) as s:
        id_ = furnish(s)
        hidden = ProviderFields(base_url="https://a.example.com", headers={"x-token": "t"})
        s.do(lambda c: s.fleet.providers.create(c, "hidden", hidden))
        s.key.write_bytes(b"x" * 32)
    with fleet_stand(tmp_path, FIXED) as s:
        joined = s.fleet.join(s.do(s.fleet.load))
        (shown,) = s.do(lambda c: s.fleet.credentials.all(c, "blue"))
        assert shown.problem is not None
        assert id_ in shown.problem
        renewed = s.do(lambda c: s.fleet.credentials.update(c, id_, secret=Secret(SECRET)))
        assert renewed.problem is None
        mended = s.do(lambda c: s.fleet.providers.update(c, "hidden", {"headers": {"x-token": "u"}}))
        assert mended.problem is None
        again = s.fleet.join(s.do(s.fleet.load))
    assert [id_ in problem for problem in joined.problems].count(True) == 1
    assert any("hidden" in problem for problem in joined.problems)
    (credential,) = joined.providers["blue"].credentials
    assert (credential.secret, credential.disabled) == (None, True), "it is never asked without its secret"
    assert [each.disabled for each in joined.providers["filed"].credentials] == [False, False, True]
    assert "m" in joined.offers
    assert again.providers["blue"].credentials[0].secret == Secret(SECRET)
    assert again.providers["hidden"].headers == {"x-token": "u"}


def test_what_the_file_lost_or_took_over_stands_in_nobodys_way(tmp_path: Path) -> None:
    with fleet_stand(tmp_path, FIXED) as s:
        furnish(s)
        s.do(
            lambda c: s.fleet.deployments.create(
                c, DeploymentConfig(model="chat", provider="filed", upstream_model="c")
            )
        )
    other = Fixed(models={"m": ModelFacts("chat", "blue", "m")}, deployments={"blue/m": NEW})
    with fleet_stand(tmp_path, other) as s:
        joined = s.fleet.join(s.do(s.fleet.load))
        s.do(lambda c: s.fleet.routes.put(c, "other", RouteConfig(alias_of="m")))
    assert sorted(joined.problems) == [
        "deployment blue/m: the file has one of this name",
        "deployment filed/c: there is no provider filed",
    ]
    assert joined.offers == {}
    assert set(joined.providers) == {"blue"}


def test_a_preset_brings_its_url(tmp_path: Path) -> None:
    with fleet_stand(tmp_path) as s:
        s.do(lambda c: s.fleet.providers.create(c, "ds", ProviderFields(preset="deepseek")))
        joined = s.fleet.join(s.do(s.fleet.load))
    assert joined.providers["ds"].base_url == PRESETS["deepseek"].base_url != ""


def test_a_model_whose_price_is_lost_is_not_offered_for_nothing(tmp_path: Path) -> None:
    with fleet_stand(tmp_path, FIXED) as s:
        furnish(s)
        (row,) = s.do(store.deployments)
        s.do(lambda c: store.put_deployment(c, structs.replace(row, price=None)))
        joined = s.fleet.join(s.do(s.fleet.load))
    assert joined.offers == {}
    assert [problem.startswith("deployment blue/m: the price of m is None") for problem in joined.problems] == [True]
