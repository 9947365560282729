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
from tests.e2e.running import Running

EXAMPLES = 300 if os.environ.get("WAYSTATION_TEST_ALL") == "1" else 12
ANSWER_S = 5.0
MODEL = "gpt-4o"  # one that the gateway of these tests has
OPERATIONS = (
    "POST /chat/completions",
    "POST /completions",
    "POST /embeddings",
    "POST /waystation/tokenize",
    "GET /models",
    "GET /models/{model}",
    "GET /health",
    "GET /ready",
    "GET /version",
)
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,  # each call has its own time-out
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


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


@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/embeddings", "/waystation/tokenize"])
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
    if response.status_code >= 400:
        check_error(json.loads(response.content))


def server_of(document: Any, gateway: Running) -> str:
    """The base URL that the document's paths stand on."""
    servers = document.raw_schema.get("servers") or [{"url": gateway.url}]
    url = str(servers[0]["url"])
    return url if url.startswith("http") else gateway.url + url.rstrip("/")
