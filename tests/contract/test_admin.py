"""The official SDK drives the control plane, beside a server that answers calls: what is decided there holds here."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx2
import openai
import pytest
from openai import AuthenticationError, OpenAI, PermissionDeniedError, RateLimitError

from tests.contract.conftest import client_of
from tests.contract.recorder import Recorder
from tests.contract.shapes import assert_shape
from tests.e2e.running import Running

KNOWN_S, POSTED_S = 1.0, 5.0
HELLO: Any = [{"role": "user", "content": "hello"}]
MODEL = "gpt-4o"  # at 2.50 and 10.00 USD for a million tokens


class Tenant(NamedTuple):
    """A prepaid organization on the shared gateway, so that what it does disturbs no other test."""

    organization_id: str
    project_id: str
    admin: httpx2.Client
    key: str


@pytest.fixture(scope="module")
def operator(gateway: Running) -> Iterator[httpx2.Client]:
    made = json.loads(gateway.command("keys", "create", "--admin", "--json").stdout)
    with admin_client(gateway, made["key"]) as client:
        yield client


@pytest.fixture
def tenant(gateway: Running, operator: httpx2.Client) -> Iterator[Tenant]:
    made = post(operator, "/waystation/organizations", {"name": "Tenant"})
    admin_key = post(operator, f"/waystation/keys?organization_id={made['id']}", {"name": "admin", "admin": True})[
        "value"
    ]
    with admin_client(gateway, admin_key) as admin:
        within_a_second(lambda: admin.get("/waystation/credit").status_code == 200)
        project_id = made["default_project_id"]
        key = post(admin, "/waystation/keys", {"name": "calls", "project_id": project_id})["value"]
        yield Tenant(made["id"], project_id, admin, key)


def admin_client(gateway: Running, key: str) -> httpx2.Client:
    return httpx2.Client(base_url=gateway.base_url, headers={"authorization": f"Bearer {key}"}, timeout=10)


def post(client: httpx2.Client, path: str, body: Any = None) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def within_a_second(look: Callable[[], bool]) -> None:
    within(KNOWN_S, look)


def within(seconds: float, look: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.02)


def call(gateway: Running, key: str, **given: Any) -> tuple[int, str | None]:
    """A call's status and error code."""
    answer = httpx2.post(
        f"{gateway.base_url}/chat/completions",
        headers={"authorization": f"Bearer {key}"},
        json={"model": MODEL, "messages": HELLO, "max_tokens": 10, **given},
    )
    return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else None


def test_the_sdk_makes_lists_renames_and_archives_projects(gateway: Running, tenant: Tenant) -> None:
    admin_key = tenant.admin.headers["authorization"].removeprefix("Bearer ")
    recorder = Recorder()
    client = OpenAI(
        base_url=gateway.base_url,
        admin_api_key=admin_key,
        max_retries=0,
        http_client=openai.DefaultHttpxClient(transport=recorder),
    )
    projects = client.admin.organization.projects
    made = projects.create(name="Search")
    assert (made.name, made.status, made.archived_at) == ("Search", "active", None)
    assert projects.update(made.id, name="Find").name == "Find"
    assert projects.retrieve(made.id).name == "Find"
    assert {each.id for each in projects.list(limit=1)} == {made.id, tenant.project_id}, "page after page"
    assert projects.archive(made.id).status == "archived"
    assert [each.id for each in projects.list()] == [tenant.project_id]
    keys = projects.api_keys.list(tenant.project_id)
    (key,) = keys.data
    assert projects.api_keys.retrieve(key.id, project_id=tenant.project_id).id == key.id
    assert projects.api_keys.delete(key.id, project_id=tenant.project_id).deleted
    for exchange in recorder.exchanges:
        of_keys = "/api_keys" in exchange.path
        schema = "ProjectApiKey" if of_keys else "Project"
        body = json.loads(bytes(exchange.body))
        suffix = "ListResponse" if body["object"] == "list" else "DeleteResponse" if exchange.method == "DELETE" else ""
        assert_shape(schema + suffix, body)


def test_the_sdk_lists_and_changes_a_projects_limits_which_hold_within_a_second(
    gateway: Running, tenant: Tenant
) -> None:
    client = OpenAI(
        base_url=gateway.base_url,
        admin_api_key=tenant.admin.headers["authorization"].removeprefix("Bearer "),
        max_retries=0,
    )
    asked = {"scope": "project", "subject": tenant.project_id, "model": MODEL}
    made = post(tenant.admin, "/waystation/rate_limits", asked | {"max_requests_per_1_minute": 50})
    limits = client.admin.organization.projects.rate_limits
    (found,) = limits.list_rate_limits(tenant.project_id)
    assert (found.id, found.model, found.max_requests_per_1_minute) == (made["id"], MODEL, 50)
    changed = limits.update_rate_limit(made["id"], project_id=tenant.project_id, max_requests_per_1_minute=0)
    assert changed.max_requests_per_1_minute == 0
    within_a_second(lambda: call(gateway, tenant.key) == (429, "rate_limit_exceeded"))
    limits.update_rate_limit(made["id"], project_id=tenant.project_id, max_requests_per_1_minute=60)
    within_a_second(lambda: call(gateway, tenant.key) == (200, None))


def test_the_sdk_reads_usage_and_costs_which_have_a_call_as_soon_as_it_has_ended(
    gateway: Running, tenant: Tenant
) -> None:
    within_a_second(lambda: call(gateway, tenant.key) == (200, None))
    caller = OpenAI(base_url=gateway.base_url, api_key=tenant.key, max_retries=0)
    raw = caller.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    told = caller.get(f"/waystation/requests/{raw.headers['x-request-id']}", cast_to=dict[str, Any])
    assert f"{told['cost']} USD" == raw.headers["x-waystation-cost"]
    assert told["project_id"] == tenant.project_id
    recorder = Recorder()
    client = OpenAI(
        base_url=gateway.base_url,
        admin_api_key=tenant.admin.headers["authorization"].removeprefix("Bearer "),
        max_retries=0,
        http_client=openai.DefaultHttpxClient(transport=recorder),
    )
    usage = client.admin.organization.usage
    today = int(time.time()) // 86_400 * 86_400
    chats = usage.completions(start_time=today - 86_400, group_by=["model", "project_id"], models=[MODEL, "other"])
    found = [result for bucket in chats.data for result in bucket.results]
    assert sum(result.num_model_requests for result in found if result.object.endswith("completions.result")) == 2
    assert {(result.model, result.project_id) for result in found if hasattr(result, "model")} == {
        (MODEL, tenant.project_id)
    }
    vectors = usage.embeddings(start_time=today - 86_400, bucket_width="1h", limit=5)
    assert (len(vectors.data), vectors.has_more) == (5, True)
    costs = usage.costs(start_time=today - 86_400, group_by=["line_item"], project_ids=[tenant.project_id])
    of_days = [result for bucket in costs.data for result in bucket.results]
    spent = tenant.admin.get("/waystation/usage").json()["data"][0]
    assert sum(
        result.amount.value or 0 for result in of_days if result.object == "organization.costs.result" and result.amount
    ) == pytest.approx(float(spent["cost"]))
    for exchange in recorder.exchanges:
        assert_shape("UsageResponse", json.loads(bytes(exchange.body)))


def test_a_project_key_is_no_admin_key(gateway: Running, recorder: Recorder) -> None:
    client = client_of(gateway, recorder).with_options(admin_api_key=gateway.key)
    with pytest.raises(PermissionDeniedError) as refused:
        client.admin.organization.projects.list()
    assert refused.value.code == "insufficient_permissions"


def test_a_budget_stops_calls_within_a_second_and_lets_them_go_on_when_it_is_raised(
    gateway: Running, recorder: Recorder, tenant: Tenant
) -> None:
    within_a_second(lambda: call(gateway, tenant.key) == (200, None))
    asked = {"scope": "project", "subject": tenant.project_id, "window": "total", "cap_nano": "1"}
    budget = post(tenant.admin, "/waystation/budgets", asked)
    within_a_second(lambda: call(gateway, tenant.key) == (429, "insufficient_quota"))
    client = client_of(gateway, recorder).with_options(api_key=tenant.key, max_retries=2)
    with pytest.raises(RateLimitError) as refused:
        client.chat.completions.create(model=MODEL, messages=HELLO)
    assert refused.value.code == "insufficient_quota"
    assert refused.value.response.headers["x-should-retry"] == "false"
    post(tenant.admin, f"/waystation/budgets/{budget['id']}", {"cap": "1.00"})
    within_a_second(lambda: call(gateway, tenant.key) == (200, None))
    shown = tenant.admin.get(f"/waystation/budgets/{budget['id']}").json()
    assert int(shown["spent_nano"]) + int(shown["held_nano"]) + int(shown["left_nano"]) == 10**9


def test_a_warning_at_a_percentage_is_given_once_a_period(gateway: Running, tenant: Tenant) -> None:
    asked = {"scope": "key", "subject": key_id(tenant), "window": "day", "cap_nano": "30000", "thresholds": [1, 80]}
    budget = post(tenant.admin, "/waystation/budgets", asked | {"hard": False})
    for _ in range(3):
        assert call(gateway, tenant.key) == (200, None), "it warns only"

    def notices() -> list[int]:
        shown = tenant.admin.get(f"/waystation/budgets/{budget['id']}").json()
        return [notice["percent"] for notice in shown["notices"]]

    within(POSTED_S, lambda: notices() == [1, 80])


def test_a_call_is_paid_from_prepaid_credit_to_the_unit_and_a_code_gives_more(
    gateway: Running, operator: httpx2.Client, tenant: Tenant
) -> None:
    assert call(gateway, tenant.key) == (200, None)
    (code,) = post(operator, "/waystation/credit/codes", {"amount": "2.50"})["data"]
    post(tenant.admin, "/waystation/credit/redeem", {"code": code["code"]})
    credit = tenant.admin.get("/waystation/credit").json()
    assert credit["granted_nano"] == str(7_500_000_000)
    assert int(credit["balance_nano"]) + int(credit["used_nano"]) == 7_500_000_000

    def used() -> int:
        return int(tenant.admin.get("/waystation/credit").json()["used_nano"])

    # 1 s until it is posted, and what a busy machine adds.
    within(POSTED_S, lambda: used() > 0)
    proof = post(operator, "/waystation/ledger/verify")
    assert (proof["ok"], proof["problems"]) == (True, [])


def test_an_archived_projects_keys_are_refused_and_its_open_call_is_answered(
    gateway: Running, recorder: Recorder, tenant: Tenant
) -> None:
    client = client_of(gateway, recorder).with_options(api_key=tenant.key)
    within_a_second(lambda: call(gateway, tenant.key) == (200, None))
    stream = client.chat.completions.create(model="slow", messages=HELLO, stream=True)
    chunks = iter(stream)
    next(chunks)
    post(tenant.admin, f"/organization/projects/{tenant.project_id}/archive")
    within_a_second(lambda: call(gateway, tenant.key) == (401, "invalid_api_key"))
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    with pytest.raises(AuthenticationError):
        client.models.list()


def key_id(tenant: Tenant) -> str:
    keys = tenant.admin.get("/waystation/keys").json()["data"]
    return str(next(key["id"] for key in keys if not key["admin"]))
