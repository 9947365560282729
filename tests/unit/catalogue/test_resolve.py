"""A call's model with its caller's price: kept while nothing changes, anew as soon as something does."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from waystation.accounts.service import Accounts
from waystation.accounts.store import changes_after
from waystation.catalogue import resolve
from waystation.catalogue.resolve import Catalogue
from waystation.catalogue.service import PRICES, RATE_NANO_MAX, TIME_MAX, PriceList
from waystation.errors import InvalidRequest, ModelNotFound, PriceMissing
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.terms import Abilities, Caller, Deployment, Model, Price, Step
from waystation.testing.clock import FakeClock

T = TypeVar("T")
OWN = Price("USD", 1_000, 2_000)
DEAR = Price("USD", 5_000, 6_000, steps=(Step(10, 7_000, 8_000),), tiers={"flex": Price("USD", 1, 2)})


def offered(name: str, price: Price | None = OWN) -> Model:
    return Model(name, Deployment(f"p/{name}", "p", name), Abilities(frozenset(), 1, 1), price)


class Stand:
    """A catalogue over a real database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock(1_000_000)
        self.list = PriceList(self.clock)
        self.models = {name: offered(name) for name in ("m", "n")}
        self.catalogue = Catalogue(self.models, self.clock.now_s, database.read)
        accounts = Accounts(self.clock, Ids().new)
        self.organization, self.project = database.write_sync(accounts.ensure_first)
        self.other = database.write_sync(lambda c: accounts.create_project(c, self.organization.id, "other"))
        self.caller = Caller("key", self.project.id, self.organization.id)

    def add(self, model: str, price: Price | None, **more: Any) -> None:
        self.database.write_sync(lambda c: self.list.add_price(c, model, price, **more))
        asyncio.run(self.catalogue.prices_changed([model]))

    def rate(self, *rate: Any, **more: Any) -> None:
        self.database.write_sync(lambda c: self.list.add_exchange_rate(c, *rate, **more))
        asyncio.run(self.catalogue.prices_changed([]))

    def price(self, name: str = "m", caller: Caller | None = None) -> Price | None:
        return self.catalogue.for_caller(name, caller or self.caller).price


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    database = Database.open(f"sqlite:///{tmp_path / 'w.db'}")
    yield Stand(database)
    database.close()


def test_without_prices_of_its_own_a_caller_has_the_models(stand: Stand) -> None:
    assert stand.catalogue.for_caller("m", stand.caller) is stand.models["m"]
    with pytest.raises(ModelNotFound):
        stand.catalogue.for_caller("gone", stand.caller)


def test_an_entered_price_comes_back_whole_with_its_source(stand: Stand) -> None:
    stand.add("m", DEAR, source="contract 7")
    price = stand.price()
    assert price is not None
    assert price == Price("USD", 5_000, 6_000, source="contract 7", steps=DEAR.steps, tiers=DEAR.tiers)
    assert stand.price("n") is OWN


def test_a_projects_price_is_its_own(stand: Stand) -> None:
    stand.add("m", DEAR, project_id=stand.project.id)
    other = Caller("key", stand.other.id, stand.organization.id)
    assert stand.price() != OWN
    assert stand.price(caller=other) == OWN
    stand.add("m", None, organization_id=stand.organization.id)
    assert stand.price(caller=other) is None
    assert stand.price() is not None


def test_a_priced_model_is_made_once_and_anew_when_model_or_price_change(stand: Stand) -> None:
    stand.add("m", DEAR)
    first = stand.catalogue.for_caller("m", stand.caller)
    assert stand.catalogue.for_caller("m", stand.caller) is first
    stand.models["m"] = offered("m", Price("USD", 3, 3))  # the view was made anew
    second = stand.catalogue.for_caller("m", stand.caller)
    assert second is not first
    assert second.price == first.price
    stand.add("m", None)
    assert stand.price() is None


def test_a_price_begins_when_its_time_comes_without_anybody_telling(stand: Stand) -> None:
    stand.add("m", DEAR, effective_at=stand.clock.now_s() + 60)
    assert stand.price() == OWN
    stand.clock.advance(59)
    assert stand.price() == OWN
    stand.clock.advance(1)
    price = stand.price()
    assert price is not None
    assert price.input_nano_per_million == 5_000


def test_an_organization_pays_in_its_own_currency(stand: Stand) -> None:
    yuan = Caller("key", stand.project.id, stand.organization.id, currency="CNY")
    with pytest.raises(PriceMissing, match="no exchange rate from USD to CNY"):
        stand.price(caller=yuan)
    stand.rate("USD", "CNY", 7_100_000_000)
    price = stand.price(caller=yuan)
    assert price is not None
    assert (price.currency, price.input_nano_per_million, price.output_nano_per_million) == ("CNY", 7_100, 14_200)
    assert stand.price() is OWN  # the same project in another currency has its own place
    stand.rate("USD", "CNY", 7_200_000_000, effective_at=stand.clock.now_s() + 10)
    stand.clock.advance(10)
    later = stand.price(caller=yuan)
    assert later is not None
    assert later.input_nano_per_million == 7_200


def test_what_is_kept_has_a_bound(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "PRICED_MAX", 3)
    stand.add("m", DEAR)
    for number in range(10):
        stand.price(caller=Caller("key", f"proj_{number}", stand.organization.id))
        assert len(stand.catalogue._priced) <= 3


def test_each_entry_is_a_numbered_change(stand: Stand) -> None:
    stand.add("m", DEAR)
    stand.rate("CNY", "USD", 140_000_000)

    def changes(connection: Connection) -> list[tuple[str, str]]:
        return [(topic, subject) for _, topic, subject in changes_after(connection, 0, 100) if topic == PRICES]

    assert stand.database.read_sync(changes) == [(PRICES, "m"), (PRICES, "CNY/USD")]
    assert [row.model for row in stand.database.read_sync(stand.list.prices)] == ["m"]
    assert [rate.rate_nano for rate in stand.database.read_sync(stand.list.exchange_rates)] == [140_000_000]


@pytest.mark.parametrize(
    ("enter", "param"),
    [
        (lambda s, c: s.list.add_price(c, "", DEAR), "model"),
        (lambda s, c: s.list.add_price(c, "m" * 201, DEAR), "model"),
        (lambda s, c: s.list.add_price(c, "m\n", DEAR), "model"),
        (lambda s, c: s.list.add_price(c, "m", Price("EUR", 1, 1)), "currency"),
        (lambda s, c: s.list.add_price(c, "m", Price("USD", -1, 1)), "price"),
        (lambda s, c: s.list.add_price(c, "m", Price("USD", 1, 10**14)), "price"),
        (lambda s, c: s.list.add_price(c, "m", DEAR, organization_id="org-gone"), "organization_id"),
        (lambda s, c: s.list.add_price(c, "m", DEAR, project_id="proj_gone"), "project_id"),
        (lambda s, c: s.list.add_price(c, "m", DEAR, effective_at=-1), "effective_at"),
        (lambda s, c: s.list.add_price(c, "m", DEAR, effective_at=TIME_MAX + 1), "effective_at"),
        (lambda s, c: s.list.add_price(c, "m", DEAR, source=""), "source"),
        (lambda s, c: s.list.add_exchange_rate(c, "USD", "USD", 10**9), "to_currency"),
        (lambda s, c: s.list.add_exchange_rate(c, "USD", "EUR", 10**9), "to_currency"),
        (lambda s, c: s.list.add_exchange_rate(c, "GBP", "USD", 10**9), "from_currency"),
        (lambda s, c: s.list.add_exchange_rate(c, "CNY", "USD", 0), "rate"),
        (lambda s, c: s.list.add_exchange_rate(c, "CNY", "USD", -1), "rate"),
        (lambda s, c: s.list.add_exchange_rate(c, "CNY", "USD", RATE_NANO_MAX + 1), "rate"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    enter: Callable[[Stand, Connection], object], param: str, stand: Stand
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        stand.database.write_sync(lambda c: enter(stand, c))
    assert refused.value.param == param
    assert stand.database.read_sync(stand.list.prices) == []
    assert stand.database.read_sync(stand.list.exchange_rates) == []


def test_a_project_of_another_organization_has_no_price_here(stand: Stand) -> None:
    accounts = Accounts(stand.clock, Ids().new)
    other = stand.database.write_sync(lambda c: accounts.create_organization(c, "other"))
    with pytest.raises(InvalidRequest, match="There is no project"):
        stand.database.write_sync(
            lambda c: stand.list.add_price(c, "m", DEAR, organization_id=other.id, project_id=stand.project.id)
        )
