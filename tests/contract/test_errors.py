"""Typed errors, as the official SDK raises them: OpenAI's status, type, code and `param`, and words that help."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import APIStatusError, AuthenticationError, BadRequestError, NotFoundError, OpenAI

from tests.contract.conftest import client_of
from tests.contract.described import check_error
from tests.contract.recorder import Recorder
from tests.e2e.running import Running

HELLO = [{"role": "user", "content": "hello"}]
MODEL = "gpt-4o"
WRONG_KEY = "sk-" + "w" * 44 + "tail"
REFUSED_WITHIN_S = 1.0


def chat(client: OpenAI, **body: Any) -> Any:
    """A chat call with just this body, as the SDK sends what its types would not let pass."""
    return client.post("/chat/completions", body=body, cast_to=object)


def refused_with_key(running: Running, recorder: Recorder, key: str) -> AuthenticationError:
    client = client_of(running, recorder).with_options(api_key=key)
    with pytest.raises(AuthenticationError) as refused:
        client.models.list()
    return refused.value


def test_missing_key_is_refused_with_words_of_its_own(gateway: Running) -> None:
    answer = httpx2.post(f"{gateway.base_url}/chat/completions", json={"model": MODEL, "messages": HELLO})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["x-request-id"]
    check_error(answer.json())
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "Authorization: Bearer" in answer.json()["error"]["message"]


def test_each_kind_of_bad_key_has_its_own_words_and_none_is_repeated(gateway: Running, recorder: Recorder) -> None:
    key_id, revoked = gateway.new_key("to be revoked")
    client_of(gateway, recorder).with_options(api_key=revoked).models.list()
    gateway.command("keys", "revoke", key_id)
    with httpx2.Client(base_url=gateway.base_url, headers={"authorization": f"Bearer {revoked}"}) as client:
        assert any(client.get("/models").status_code == 401 for _ in _until(REFUSED_WITHIN_S))
    keys = {"malformed": "not-a-key-at-all-but-quite-long", "wrong": WRONG_KEY, "revoked": revoked}
    errors = {kind: refused_with_key(gateway, recorder, key) for kind, key in keys.items()}
    assert {error.code for error in errors.values()} == {"invalid_api_key"}
    assert len({error.message.replace(keys[kind][-4:], "") for kind, error in errors.items()}) == 3
    for kind, error in errors.items():
        assert keys[kind] not in error.message
        assert keys[kind][-4:] in error.message, "the end of the key tells which of them it was"
    assert "revoked" in errors["revoked"].message
    assert "51" in errors["malformed"].message


def test_a_revoked_key_is_refused_within_a_second_on_a_connection_that_was_open(gateway: Running) -> None:
    key_id, key = gateway.new_key("revoked while in use")
    with httpx2.Client(base_url=gateway.base_url, headers={"authorization": f"Bearer {key}"}) as client:
        assert client.get("/models").status_code == 200
        gateway.command("keys", "revoke", key_id)
        # The command returns when it is written; from then on the worker has a second to know.
        statuses = [client.get("/models").status_code for _ in _until(REFUSED_WITHIN_S)]
    assert statuses[-1] == 401


def test_an_unknown_model_is_not_found(gateway_client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        chat(gateway_client, model="gpt-1000", messages=HELLO)
    assert refused.value.code == "model_not_found"
    assert "gpt-1000" in refused.value.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"logit_bias": {"50256": 101}}, "logit_bias.50256"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"seed": 1.5}, "seed"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"verbosity": 3}, "verbosity"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "king", "content": "hello"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_a_known_parameter_of_a_wrong_type_or_range_is_named(
    gateway_client: OpenAI, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        chat(gateway_client, **({"model": MODEL, "messages": HELLO} | body))
    assert refused.value.param == param, refused.value.message
    assert refused.value.type == "invalid_request_error"


def test_missing_messages_are_named(gateway_client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        chat(gateway_client, model=MODEL)
    assert refused.value.param == "messages"
    assert refused.value.code == "missing_required_parameter"


def test_too_long_a_prompt_is_context_length_exceeded(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as refused:
        chat(client, model=MODEL, messages=[{"role": "user", "content": "one two three four " * 12_000}])
    assert refused.value.code == "context_length_exceeded"
    assert refused.value.param == "messages"
    assert "32768" in refused.value.message


def test_a_body_over_the_bound_is_413(gateway_client: OpenAI) -> None:
    with pytest.raises(APIStatusError) as refused:
        chat(gateway_client, model=MODEL, messages=[{"role": "user", "content": "x" * (33 * 1024 * 1024)}])
    assert refused.value.status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"hello", b"[1, 2", b"\xff\xfe", b'{"model": NaN}'])
def test_a_body_that_is_no_json_says_so(gateway: Running, body: bytes) -> None:
    answer = httpx2.post(
        f"{gateway.base_url}/chat/completions",
        content=body,
        headers={"authorization": f"Bearer {gateway.key}", "content-type": "application/json"},
    )
    assert answer.status_code == 400
    check_error(answer.json())
    assert "JSON" in answer.json()["error"]["message"]


def test_an_unknown_url_is_404(gateway_client: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        gateway_client.get("/nothing/here", cast_to=object)
    assert refused.value.code == "unknown_url"
    assert "/v1/nothing/here" in refused.value.message


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/chat/completions"), ("DELETE", "/embeddings"), ("POST", "/models")]
)
def test_a_wrong_method_is_405_and_names_the_right_one(gateway: Running, method: str, path: str) -> None:
    answer = httpx2.request(method, gateway.base_url + path, headers={"authorization": f"Bearer {gateway.key}"})
    assert answer.status_code == 405
    assert ("GET" if path == "/models" else "POST") in answer.headers["allow"]
    check_error(answer.json())
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_an_admin_key_is_no_key_for_calls(gateway: Running, recorder: Recorder) -> None:
    admin = json.loads(gateway.command("keys", "create", "--admin", "--json").stdout)["key"]
    assert admin.startswith("sk-admin-")
    assert len(admin) == len(gateway.key) == 51
    client = client_of(gateway, recorder).with_options(api_key=admin)
    with pytest.raises(APIStatusError) as refused:
        chat(client, model=MODEL, messages=HELLO)
    assert refused.value.status_code in (401, 403)


def _until(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield None
        time.sleep(0.05)
