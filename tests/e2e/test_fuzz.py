"""Requests made up from our own OpenAPI document, right and wrong: never a 500 or a hang, errors in OpenAI's form."""

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.contract.described import check_error
from tests.e2e.running import Running, serving
from waystation.http.v1.table import RESOURCES

EXAMPLES = 300 if os.environ.get("WAYSTATION_TEST_ALL") == "1" else 12
ANSWER_S = 5.0
PROVIDER = """
[providers.none]
base_url = "http://127.0.0.1:9/v1"
[models.m]
provider = "none"
price = 0
"""
MODEL = "gpt-4o"  # one that the gateway of these tests has
OPERATIONS = (
    "POST /chat/completions",
    "POST /completions",
    "POST /embeddings",
    "POST /waystation/tokenize",
    "POST /waystation/estimate",
    "GET /models",
    "GET /models/{model}",
    "GET /health",
    "GET /ready",
    "GET /version",
    *(f"{resource.method} {resource.documented}" for resource in RESOURCES),
)
ADMINISTRATION = "Administration"  # the tag of the control plane
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,  # each call has its own time-out
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A server whose money and keys are nobody else's, with a key of its operator."""
    folder = tmp_path_factory.mktemp("alone")
    config = folder / "waystation.toml"
    config.write_text("[engine]\nenabled = false\n" + PROVIDER)
    with serving(folder / "data", config) as running:
        made = running.command("keys", "create", "--admin", "--json")
        yield running, json.loads(made.stdout)["key"]


@pytest.fixture(scope="module")
def document(gateway: Running) -> Any:
    return schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for found in document.get_all_operations():
        operation = found.ok()
        yield f"{operation.method.upper()} {operation.path}", operation


def test_the_document_has_every_operation_that_is_fuzzed(document: Any) -> None:
    there = {label.replace(" /v1", " ") for label, _ in operations(document)}
    assert not {wanted for wanted in OPERATIONS if wanted not in there}, there


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "broken"])
def test_made_up_requests_are_answered_or_refused_in_form(
    gateway: Running, document: Any, mode: GenerationMode
) -> None:
    for label, operation in operations(document):
        if ADMINISTRATION in operation.definition.raw["tags"]:
            continue
        if mode is GenerationMode.NEGATIVE and not operation.body and not list(operation.iter_parameters()):
            continue  # nothing goes in, so nothing can be wrong
        fuzz(label, operation.as_strategy(generation_mode=mode), server_of(document, gateway), gateway.key)


def fuzz(label: str, cases: st.SearchStrategy[Any], base_url: str, key: str) -> None:
    @seed(20_26)
    @FUZZ
    @given(case=cases, known=st.booleans())
    def ask(case: Any, known: bool) -> None:
        if known and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = MODEL  # else nearly all would end at a model that is not there
        response = case.call(base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_S)
        check_answer(label, response)

    ask()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "broken"])
def test_made_up_administration_is_answered_or_refused_in_form_and_the_books_add_up(
    alone: tuple[Running, str], mode: GenerationMode
) -> None:
    server, key = alone
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    with httpx2.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {key}"}) as client:
        known = things(client)
        for label, operation in operations(document):
            if ADMINISTRATION in operation.definition.raw["tags"]:
                fuzz_administration(label, operation.as_strategy(generation_mode=mode), known, client, server.url)
    proof = json.loads(server.command("ledger", "verify", "--json").stdout)
    assert proof == {"ok": True, "problems": []}


def things(client: httpx2.Client) -> dict[str, str]:
    """One of each that there is, so that not every request ends at an id that nobody has."""
    organization = client.post("/waystation/organizations", json={"name": "fuzz"}).json()
    budget = client.post("/waystation/budgets", json={"scope": "end_user", "subject": "*", "window": "day", "cap": "1"})
    code = client.post("/waystation/credit/codes", json={"amount": "1"}).json()["data"][0]
    project = client.post("/organization/projects", json={"name": "fuzz"}).json()
    made = client.post("/waystation/keys", json={"name": "fuzz", "project_id": project["id"]}).json()
    limit = {"scope": "project", "subject": project["id"], "max_requests_per_1_minute": 60}
    return {
        "organization_id": organization["id"],
        "rate_limit_id": client.post("/waystation/rate_limits", json=limit).json()["id"],
        "budget_id": budget.json()["id"],
        "code_id": code["id"],
        "project_id": project["id"],
        "key_id": made["id"],
    }


def fuzz_administration(
    label: str, cases: st.SearchStrategy[Any], known: dict[str, str], client: httpx2.Client, url: str
) -> None:
    key = client.headers["Authorization"]

    @seed(20_26)
    @FUZZ
    @given(case=cases, ids=st.booleans(), elsewhere=st.booleans())
    def ask(case: Any, ids: bool, elsewhere: bool) -> None:
        if ids:
            case.path_parameters = {
                name: known.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        if ids and isinstance(case.body, dict) and "model" in case.body:
            case.body["model"] = "m"  # the only one there; a price for another is refused
        if isinstance(case.query, dict):
            case.query.pop("organization_id", None)
            if elsewhere:
                case.query["organization_id"] = known["organization_id"]
        response = case.call(base_url=url, headers={"Authorization": key}, timeout=ANSWER_S)
        check_answer(label, response)

    ask()


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "/completions",
        "/responses",
        "/conversations",
        "/embeddings",
        "/waystation/tokenize",
        "/waystation/estimate",
    ],
)
def test_any_json_at_all_is_answered_or_refused_in_form(gateway: Running, path: str) -> None:
    plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    anything = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
    names = st.sampled_from(["messages", "prompt", "input", "n", "stream", "stop", "tools", "logit_bias", "max_tokens"])
    bodies = anything | st.builds(lambda extra: {"model": MODEL} | extra, st.dictionaries(names, anything))
    with httpx2.Client(timeout=ANSWER_S, headers={"Authorization": f"Bearer {gateway.key}"}) as client:

        @seed(20_26)
        @FUZZ
        @given(body=bodies)
        def ask(body: Any) -> None:
            data = json.dumps(body).encode()
            response = client.post(gateway.base_url + path, content=data, headers={"content-type": "application/json"})
            check_answer(path, response)

        ask()


def check_answer(label: str, response: Any) -> None:
    assert response.status_code < 500, (label, response.status_code, response.content[:500])
    assert response.headers["x-request-id"]
    if response.status_code < 400:
        return
    error = json.loads(response.content)
    if "/v1/messages" in label or "anthropic-version" in response.request.headers:
        assert error.get("type") == "error", (label, error)
        assert error["error"].keys() == {"type", "message"}, (label, error)
    else:
        check_error(error)


def server_of(document: Any, gateway: Running) -> str:
    """The base URL that the document's paths stand on."""
    servers = document.raw_schema.get("servers") or [{"url": gateway.url}]
    url = str(servers[0]["url"])
    return url if url.startswith("http") else gateway.url + url.rstrip("/")
