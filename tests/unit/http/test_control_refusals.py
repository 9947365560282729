"""What the control plane refuses: a table. Nothing is changed by what is refused."""

from pathlib import Path
from typing import Any

from tests.unit.http.control_stand import Said, Stand, stand

BUDGET = {"scope": "organization", "window": "month"}
BUDGETS, GRANTS, CODES = "/waystation/budgets", "/waystation/credit/grants", "/waystation/credit/codes"
LIMITS, RPM = "/waystation/rate_limits", "max_requests_per_1_minute"
PRICES, RATES = "/waystation/prices", "/waystation/exchange_rates"
KEYS, ORGANIZATION, PROJECTS = "/waystation/keys", "/waystation/organization", "/organization/projects"

ONE_NANO, OUTPUT = {"input_nano_per_million": 1, "output_nano_per_million": "1"}, "rates.output_nano_per_million"
ENDLESS = {"above": 10**40, "input": "1", "output": "1"}
CONFIG = """
[providers.p]
base_url = "http://127.0.0.1:9/v1"
[models.m]
provider = "p"
price = { currency = "USD", input = "2.50", output = "10" }
"""
# The path, the body, and what is said: the code and the parameter of a 400.
REFUSED: list[tuple[str, Any, str | None, str | None]] = [
    (BUDGETS, {**BUDGET, "cap": "1", "capp": 1}, "unknown_parameter", "capp"),
    (BUDGETS, BUDGET, "missing_required_parameter", "cap"),
    (BUDGETS, {**BUDGET, "cap": "1", "cap_nano": 1}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap": 12.5}, "invalid_type", "cap"),
    (BUDGETS, {**BUDGET, "cap": "1e3"}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap": "-1"}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap": "NaN"}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap": "1.0000000001"}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap": "12345678901"}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap": "１２"}, "invalid_value", "cap"),
    (BUDGETS, {**BUDGET, "cap_nano": 12.5}, "invalid_type", "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": True}, "invalid_type", "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": -1}, None, "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": "-1"}, "invalid_value", "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": "12.50"}, "invalid_value", "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": 10**18 + 1}, None, "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": 10**40}, None, "cap_nano"),
    (BUDGETS, {**BUDGET, "cap_nano": "9" * 400}, "invalid_value", "cap_nano"),
    (BUDGETS, {"scope": "galaxy", "window": "month", "cap": "1"}, "invalid_value", "scope"),
    (BUDGETS, {"scope": "organization", "window": "year", "cap": "1"}, "invalid_value", "window"),
    (BUDGETS, {"window": "day", "cap": "1"}, "missing_required_parameter", "scope"),
    (BUDGETS, {"scope": "project", "window": "day", "cap": "1"}, "missing_required_parameter", "subject"),
    (BUDGETS, {"scope": "organization", "subject": "org-other", "window": "day", "cap": "1"}, None, "subject"),
    (BUDGETS, {"scope": "end_user", "subject": "a\n", "window": "day", "cap": "1"}, None, "subject"),
    (BUDGETS, {"scope": "end_user", "subject": "x" * 257, "window": "day", "cap": "1"}, None, "subject"),
    (BUDGETS, {**BUDGET, "cap": "1", "model": ""}, None, "model"),
    (BUDGETS, {**BUDGET, "cap": "1", "project_id": "proj_x"}, None, "project_id"),
    (BUDGETS, {**BUDGET, "cap": "1", "thresholds": [0]}, "integer_below_min_value", "thresholds[0]"),
    (BUDGETS, {**BUDGET, "cap": "1", "thresholds": [50] * 11}, "array_above_max_length", "thresholds"),
    (BUDGETS, {**BUDGET, "cap": "1", "thresholds": "80"}, "invalid_type", "thresholds"),
    (BUDGETS, [], "invalid_type", None),
    (GRANTS, {"amount": "0"}, None, "amount_nano"),
    (GRANTS, {"amount": "5"}, None, "organization_id"),  # the operator's own is postpaid
    (GRANTS, {"amount": "5", "currency": "EUR"}, "invalid_value", "currency"),
    (GRANTS, {"amount": "5", "kind": "sign_up"}, "invalid_value", "kind"),
    (GRANTS, {"amount": "5", "expires_at": 1}, None, "expires_at"),
    (GRANTS, {"amount": "5", "expires_at": 10**30}, "integer_above_max_value", "expires_at"),
    (GRANTS, {"amount": "5", "note": 7}, "invalid_type", "note"),
    (CODES, {"count": 0, "amount": "1"}, "integer_below_min_value", "count"),
    (CODES, {"count": 1001, "amount": "1"}, "integer_above_max_value", "count"),
    (CODES, {"count": 1}, "missing_required_parameter", "amount"),
    (CODES, {"amount": "1", "credit_expires_at": 5}, None, "credit_expires_at"),
    ("/waystation/credit/redeem", {}, "missing_required_parameter", "code"),
    ("/waystation/credit/redeem", {"code": "x" * 101}, "string_above_max_length", "code"),
    (LIMITS, {"scope": "organization"}, "missing_required_parameter", RPM),
    (LIMITS, {"scope": "organization", RPM: None}, "missing_required_parameter", RPM),
    (LIMITS, {"scope": "organization", RPM: -1}, "integer_below_min_value", RPM),
    (LIMITS, {"scope": "organization", RPM: 10**10 + 1}, "integer_above_max_value", RPM),
    (LIMITS, {"scope": "organization", RPM: 1.5}, "invalid_type", RPM),
    (LIMITS, {"scope": "organization", RPM: "60"}, "invalid_type", RPM),
    (LIMITS, {"scope": "organization", "max_request_per_1_minute": 5}, "unknown_parameter", "max_request_per_1_minute"),
    (LIMITS, {"scope": "end_user", "subject": "u", RPM: 5}, "invalid_value", "scope"),
    (LIMITS, {"scope": "key", RPM: 5}, "missing_required_parameter", "subject"),
    (LIMITS, {"scope": "organization", RPM: 5, "model": ""}, None, "model"),
    (LIMITS, {"scope": "organization", RPM: 5, "model": "m" * 201}, None, "model"),
    (PRICES, {"model": "m"}, "missing_required_parameter", "price"),
    (PRICES, {"price": 0}, None, None),
    (PRICES, {"model": "none", "price": 0}, "model_not_found", "model"),
    (PRICES, {"model": "m", "price": 0, "rates": ONE_NANO}, "invalid_value", "rates"),
    (PRICES, {"model": "m", "price": 5}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": 0.5}, "invalid_type", "price"),
    (PRICES, {"model": "m", "price": True}, "invalid_type", "price"),
    (PRICES, {"model": "m", "price": "cheap"}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": "{input={" + "a={" * 5_000}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": 1.5, "output": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "1" * 60_000, "output": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": ["1" * 9_000], "output": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "-1", "output": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "10001", "output": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "1", "output": "1", "currency": "EUR"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "1", "output": "1", "inputt": "1"}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "price": {"input": "1", "output": "1", "steps": [ENDLESS]}}, "invalid_value", "price"),
    (PRICES, {"model": "m", "rates": {"input_nano_per_million": 1}}, "missing_required_parameter", OUTPUT),
    (PRICES, {"model": "m", "rates": ONE_NANO | {"request_nano": "1.5"}}, "invalid_value", "rates.request_nano"),
    (PRICES, {"model": "m", "rates": ONE_NANO | {"request_nano": 10**15}}, None, "price"),
    (PRICES, {"model": "m", "rates": ONE_NANO | {"request_nano": 10**30}}, None, "price"),
    (PRICES, {"model": "m", "rates": ONE_NANO | {"request_nano": -1}}, None, "price"),
    (PRICES, {"model": "m", "price": 0, "effective_at": -1}, "integer_below_min_value", "effective_at"),
    (PRICES, {"model": "m", "price": 0, "effective_at": 10**30}, "integer_above_max_value", "effective_at"),
    (PRICES, {"model": "m", "price": 0, "source": ""}, "empty_string", "source"),
    (PRICES, {"model": "m", "price": 0, "source": "a\nb"}, None, "source"),
    (PRICES, {"model": "m", "price": 0, "organization_id": "org-none"}, None, "organization_id"),
    (PRICES, {"model": "m", "price": 0, "project_id": "proj_none"}, None, "project_id"),
    (RATES, {"from_currency": "USD", "to_currency": "CNY"}, "missing_required_parameter", "rate"),
    (RATES, {"from_currency": "USD", "to_currency": "USD", "rate": "1"}, None, "to_currency"),
    (RATES, {"from_currency": "USD", "to_currency": "EUR", "rate": "1"}, "invalid_value", "to_currency"),
    (RATES, {"from_currency": "USD", "to_currency": "CNY", "rate": "0"}, None, "rate"),
    (RATES, {"from_currency": "USD", "to_currency": "CNY", "rate": 7.2}, "invalid_type", "rate"),
    (RATES, {"from_currency": "USD", "to_currency": "CNY", "rate_nano": 10**30}, None, "rate"),
    (KEYS, {"name": "k"}, "invalid_value", "project_id"),
    (KEYS, {"name": "k", "admin": True, "project_id": "proj_x"}, "invalid_value", "project_id"),
    (KEYS, {"name": " ", "admin": True}, None, "name"),
    (KEYS, {"name": "k", "admin": True, "expires_at": 5}, None, "expires_at"),
    (KEYS, {"name": "k", "admin": True, "expires_at": 2**33, "expires_in_seconds": 5}, "invalid_value", "expires_at"),
    (KEYS, {"name": "k", "admin": True, "expires_in_seconds": 0}, "integer_below_min_value", "expires_in_seconds"),
    ("/waystation/organizations", {"name": ""}, "empty_string", "name"),
    ("/waystation/organizations", {"name": "a\u0000b"}, None, "name"),
    ("/waystation/organizations", {"name": "a", "currency": "EUR"}, "invalid_value", "currency"),
    ("/waystation/organizations", {"name": "a", "time_zone": "../../etc/passwd"}, None, "time_zone"),
    (ORGANIZATION, {"overdraft_nano": -5}, None, "overdraft_nano"),
    (ORGANIZATION, {"overdraft": "1", "overdraft_nano": 5}, "invalid_value", "overdraft"),
    (ORGANIZATION, {"time_zone": "Mars/Olympus"}, None, "time_zone"),
    (PROJECTS, {"name": "x" * 201}, "string_above_max_length", "name"),
    (PROJECTS, {"name": "x", "residency": {}}, "unknown_parameter", "residency"),
]
NOT_JSON = [b"", b"{", b'{"cap": NaN}', b'{"cap": Infinity}', b"\xff{}", b'{"scope": "\\ud800"}', b"[" * 5000]
QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"limit": 0}, "limit"),
    ({"limit": 101}, "limit"),
    ({"limit": "١"}, "limit"),
    ({"limit": "9" * 5000}, "limit"),
    ({"order": "up"}, "order"),
    ({"after": "a b"}, "after"),
    ({"after": "x" * 101}, "after"),
    ({"cursor": "x"}, "cursor"),
]
NOT_THERE = [
    ("GET", f"{BUDGETS}/bdg_none", "budget_id"),
    ("GET", f"{BUDGETS}/%00", "budget_id"),
    ("GET", f"{BUDGETS}/%E4%BD%A0", "budget_id"),
    ("DELETE", f"{BUDGETS}/bdg_none", "budget_id"),
    ("DELETE", f"{CODES}/code_none", "code_id"),
    ("GET", f"{LIMITS}/rl_none", "rate_limit_id"),
    ("DELETE", f"{LIMITS}/rl_none", "rate_limit_id"),
    ("GET", f"{PROJECTS}/proj_none/rate_limits", "project_id"),
    ("GET", f"{PROJECTS}/proj_none", "project_id"),
    ("POST", f"{PROJECTS}/proj_none/archive", "project_id"),
    ("GET", f"{KEYS}/key_none", "key_id"),
    ("DELETE", f"{KEYS}/{'x' * 500}", "key_id"),
]


def test_what_makes_no_sense_is_a_400_that_names_the_parameter(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        before = await everything(s)
        for path, body, code, param in REFUSED:
            said = await s.ask("POST", path, body)
            status = 404 if code == "model_not_found" else 400
            assert said.error == (status, code, param), (path, str(body)[:500], said.body)
            assert len(said.body["error"]["message"]) < 1_000
            check_form(said)
        for data in NOT_JSON:
            said = await s.ask("POST", BUDGETS, data=data)
            assert said.status == 400, data
            check_form(said)
        for query, param in QUERIES:
            said = await s.ask("GET", BUDGETS, **query)
            assert (said.status, said.body["error"]["param"]) == (400, param), query
        for method, path, param in NOT_THERE:
            said = await s.ask(method, path)
            assert said.error == (404, "not_found", param), path
        assert await everything(s) == before

    stand(tmp_path, story, CONFIG)


def test_a_body_is_bounded_and_a_wrong_method_is_told_the_right_ones(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        large = await s.ask("POST", BUDGETS, data=b'{"scope": "' + b"x" * 70_000 + b'"}')
        assert large.error == (413, "request_too_large", None)
        wrong = await s.ask("PUT", f"{BUDGETS}/bdg_1", {})
        assert wrong.error == (405, "method_not_allowed", None)
        assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "DELETE"}

    stand(tmp_path, story)


def test_nobody_gives_themselves_credit_or_trust_or_a_price(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, _ = await s.new_organization()
        asked = [
            (GRANTS, {"organization_id": organization_id, "amount": "1000"}),
            (CODES, {"amount": "1000"}),
            (ORGANIZATION, {"overdraft": "1000"}),
            (ORGANIZATION, {"postpaid": True}),
            ("/waystation/organizations", {"name": "Another sign-up"}),
            (PRICES, {"model": "m", "price": 0}),
            (PRICES, {"model": "m", "price": "unmetered", "organization_id": organization_id}),
            (RATES, {"from_currency": "CNY", "to_currency": "USD", "rate": "0.000000001"}),
        ]
        for path, body in asked:
            said = await s.ask("POST", path, body, key=admin)
            assert said.error == (403, "insufficient_permissions", None), path
        assert (await s.get("/waystation/credit", key=admin))["available_nano"] == "5000000000"

    stand(tmp_path, story)


def test_no_organization_is_granted_more_than_its_books_can_hold(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        organization_id, admin, _ = await s.new_organization()
        most = {"organization_id": organization_id, "amount_nano": str(10**18)}
        said = [await s.ask("POST", GRANTS, most) for _ in range(9)]
        assert [each.status for each in said] == [200] * 7 + [400] * 2
        assert (await s.get("/waystation/credit", key=admin))["balance_nano"] == str(7 * 10**18 + 5 * 10**9)
        assert await s.problems() == []

    stand(tmp_path, story)


async def everything(s: Stand) -> list[Any]:
    paths = (
        BUDGETS,
        LIMITS,
        PRICES,
        RATES,
        KEYS,
        ORGANIZATION,
        PROJECTS,
        CODES,
        "/waystation/organizations",
        "/waystation/credit",
    )
    return [await s.get(path) for path in paths]


def check_form(said: Said) -> None:
    assert set(said.body) == {"error"}
    assert set(said.body["error"]) == {"message", "type", "param", "code"}
