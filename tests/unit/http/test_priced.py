"""What a caller is told of prices: their own, before a call."""

from pathlib import Path
from typing import Any

from tests.unit.http.control_stand import Stand, stand

CONFIG = """
[providers.p]
base_url = "http://127.0.0.1:9/v1"
[models.m]
provider = "p"
price = { currency = "USD", input = "2.50", output = "10" }
[models.yuan]
provider = "p"
price = { currency = "CNY", input = "1", output = "1" }
"""
PRICES = "/waystation/prices"
LATER = 4_000_000_000
RATES = {"input_nano_per_million": 1, "output_nano_per_million": "2000000000", "request_nano": 100_000_000}
ESTIMATE = "/waystation/estimate"
ASKED: dict[str, Any] = {"model": "m", "input_tokens": 6, "output_tokens": 150}


def test_an_estimate_is_at_the_prices_of_whoever_asks(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        told = await s.post(ESTIMATE, ASKED, key=s.key)
        assert (told["cost"], told["cost_nano"], told["currency"]) == ("0.001515", "1515000", "USD")
        assert (await s.post(ESTIMATE, ASKED))["cost"] == "0.001515", "an admin key asks for its organization"
        words = await s.post(ESTIMATE, {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5})
        assert int(words["cost_max_nano"]) == words["input_tokens"] * 2_500 + 5 * 10_000

    stand(tmp_path, story, CONFIG)


def test_a_price_that_is_entered_holds_for_those_that_it_is_for_from_its_time_on(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, project_id = await s.new_organization()
        key = (await s.post("/waystation/keys", {"name": "k", "project_id": project_id}, key=admin))["value"]

        async def told(**given: Any) -> tuple[Any, ...]:
            found = await s.get(f"{PRICES}/effective", model="m", **given)
            return found["holds_for"], found["price"], found["source"], found["effective_at"], found["price_id"]

        own = {"currency": "USD", "input": "2.5", "output": "10"}
        assert await told(key=key) == ("model", own, "config", None, None)
        everybody = await s.post(PRICES, {"model": "m", "price": {"input": "4", "output": "8"}, "effective_at": 5})
        whole = await s.post(
            PRICES, {"model": "m", "rates": RATES, "organization_id": organization_id, "source": "contract 7"}
        )
        project = await s.post(
            PRICES, {"model": "m", "price": "unmetered", "project_id": project_id, "effective_at": LATER}
        )
        assert (everybody["price"], everybody["organization_id"]) == (
            {"currency": "USD", "input": "4", "output": "8"},
            None,
        )
        assert (whole["price"], whole["source"]) == (
            {"currency": "USD", "input": "0.000000001", "output": "2", "request": "0.1"},
            "contract 7",
        )
        assert (project["organization_id"], project["unmetered"], project["currency"]) == (organization_id, True, None)
        assert await told(key=s.key) == ("everybody", everybody["price"], "administrator", 5, everybody["id"])
        for asking in ({"key": key}, {"key": admin}, {"organization_id": organization_id}):
            assert (await told(**asking))[::2] == ("organization", "contract 7", whole["id"])
        later = await told(key=admin, project_id=project_id, at=LATER)
        assert later == ("project", "unmetered", "administrator", LATER, project["id"])
        assert (await s.post(ESTIMATE, ASKED, key=key))["cost"] == "0.1003", "150 of output, and the request itself"
        assert await s.problems() == []

    stand(tmp_path, story, CONFIG)


def test_prices_are_read_by_those_for_whom_they_may_hold(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, project_id = await s.new_organization()
        whose: list[dict[str, str]] = [
            {},
            {"organization_id": organization_id},
            {"project_id": project_id},
            {"organization_id": s.organization_id},
            {"project_id": s.project_id},
        ]
        ids = [(await s.post(PRICES, {"model": "m", "price": 0, **each}))["id"] for each in whose]
        of_yuan = (await s.post(PRICES, {"model": "yuan", "price": 0}))["id"]

        async def listed(**given: Any) -> list[str]:
            return [each["id"] for each in (await s.get(PRICES, order="asc", **given))["data"]]

        assert await listed() == [*ids, of_yuan]
        assert await listed(organization_id=organization_id) == [*ids[:3], of_yuan]
        assert await listed(key=admin) == [*ids[:3], of_yuan]
        assert await listed(key=admin, model="m", limit=2, after=ids[0]) == ids[1:3]
        assert await listed(key=admin, project_id=project_id) == [ids[2]]
        assert await listed(project_id=s.project_id) == [ids[4]]
        page = await s.get(PRICES, limit=2)
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ([of_yuan, ids[4]], True)
        of_lists: list[tuple[dict[str, Any], tuple[int, str | None, str | None]]] = [
            ({"project_id": s.project_id}, (404, "not_found", "project_id")),
            ({"organization_id": s.organization_id}, (404, "not_found", "organization_id")),
            ({"after": "x"}, (400, None, "after")),
        ]
        for query, error in of_lists:
            assert (await s.ask("GET", PRICES, key=admin, **query)).error == error
        of_effective: list[tuple[dict[str, Any], tuple[int, str | None, str | None]]] = [
            ({}, (400, "missing_required_parameter", "model")),
            ({"model": "none"}, (404, "model_not_found", "model")),
            ({"model": "yuan", "at": "soon"}, (400, None, "at")),
            ({"model": "m", "project_id": project_id}, (404, "not_found", "project_id")),
            ({"model": "m", "organization_id": organization_id}, (404, "not_found", "organization_id")),
        ]
        for query, error in of_effective:
            assert (await s.ask("GET", f"{PRICES}/effective", key=s.key, **query)).error == error, query

    stand(tmp_path, story, CONFIG)


def test_an_exchange_rate_makes_a_foreign_price_payable(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        missing = await s.ask("GET", f"{PRICES}/effective", model="yuan", key=s.key)
        assert missing.error == (403, "price_missing", None)
        asked = {"from_currency": "CNY", "to_currency": "USD", "rate": "0.14", "source": "bank"}
        made = await s.post("/waystation/exchange_rates", asked)
        assert (made["rate"], made["rate_nano"]) == ("0.14", "140000000")
        found = await s.get(f"{PRICES}/effective", model="yuan", key=s.key)
        assert found["price"] == {"currency": "USD", "input": "0.14", "output": "0.14"}
        assert "bank" in found["source"]
        back = await s.post(
            "/waystation/exchange_rates", {"from_currency": "USD", "to_currency": "CNY", "rate_nano": "7200000000"}
        )
        _, admin, _ = await s.new_organization()
        listed = await s.get("/waystation/exchange_rates", key=admin)
        assert listed["data"] == [back, made]
        assert (await s.get("/waystation/exchange_rates", from_currency="CNY"))["data"] == [made]

    stand(tmp_path, story, CONFIG)


def test_what_can_not_be_estimated_is_refused_by_name(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        refused: list[tuple[Any, tuple[int, str | None, str | None]]] = [
            ({"model": "none", "input_tokens": 1}, (404, "model_not_found", None)),
            ({"model": "yuan", "input_tokens": 1}, (403, "price_missing", None)),
            ({"model": "m"}, (400, "missing_required_parameter", "messages")),
            ({"model": "m", "input_tokens": -1}, (400, "integer_below_min_value", "input_tokens")),
            ({"model": "m", "input_tokens": 1, "cached_tokens": 2}, (400, "invalid_value", "cached_tokens")),
        ]
        for body, error in refused:
            said = await s.ask("POST", ESTIMATE, body, key=s.key)
            assert said.error == error, (body, said.body)
        assert (await s.ask("POST", ESTIMATE, ASKED, key="")).status == 401
        large = await s.ask("POST", ESTIMATE, data=b" " * (8 * 1024 * 1024 + 1), key=s.key)
        assert large.error == (413, "request_too_large", None)

    stand(tmp_path, story, CONFIG)
