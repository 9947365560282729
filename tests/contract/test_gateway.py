"""The official SDK in front of a provider: retries, headers, errors of the provider, and what a call has cost."""

import json

import httpx2
import pytest
from openai import APIError, APIStatusError, ConflictError, InternalServerError, OpenAI, RateLimitError
from openai.types.chat import ChatCompletionMessageParam

from tests.conftest import UPSTREAM_KEY
from tests.contract.recorder import Recorder
from tests.e2e.moody_upstream import RATE_LIMITED, Moody, Refusal
from tests.e2e.running import Running

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def test_the_sdks_own_retries_get_past_a_rate_limit(gateway_client: OpenAI, moody: Moody) -> None:
    moody.will_refuse(RATE_LIMITED, RATE_LIMITED)
    answer = gateway_client.with_options(max_retries=3).chat.completions.create(model="moody", messages=HELLO)
    assert answer.choices[0].message.content == "Now I can."
    assert moody.calls == 3


def test_the_sdks_own_retries_get_past_a_provider_that_fails(gateway_client: OpenAI, moody: Moody) -> None:
    moody.will_refuse(Refusal(503, "overloaded", (("retry-after-ms", "20"),)))
    answer = gateway_client.with_options(max_retries=2).chat.completions.create(model="moody", messages=HELLO)
    assert answer.choices[0].message.content == "Now I can."


def test_a_rate_limit_says_when_to_try_again(gateway_client: OpenAI, recorder: Recorder) -> None:
    with pytest.raises(RateLimitError) as refused:
        gateway_client.chat.completions.create(model="fault-429", messages=HELLO)
    assert refused.value.code == "rate_limit_exceeded"
    headers = recorder.exchanges[-1].headers
    assert int(headers["retry-after-ms"]) == 250
    assert int(headers["retry-after"]) == 1, "whole seconds, rounded up"


def test_every_answer_carries_the_headers_that_scripts_read(gateway_client: OpenAI) -> None:
    raw = gateway_client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.request_id == raw.headers["x-request-id"]
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["openai-version"] == "2020-10-01"
    assert raw.headers["x-waystation-deployment"] == "fake/gpt-4o"
    assert raw.parse().choices[0].message.content


def test_request_ids_are_never_the_same(gateway_client: OpenAI, recorder: Recorder) -> None:
    for _ in range(3):
        gateway_client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert len({exchange.headers["x-request-id"] for exchange in recorder.exchanges}) == 3


def test_the_cost_is_the_worked_example_to_the_digit(gateway_client: OpenAI, moody: Moody) -> None:
    """FAQ 10: 6 tokens in and 150 out, at 0.0025 and 0.01 dollars for a thousand."""
    moody.will_refuse()
    raw = gateway_client.chat.completions.with_raw_response.create(model="moody", messages=HELLO)
    assert raw.headers["x-waystation-cost"] == "0.001515 USD"


def test_a_call_with_an_idempotency_key_is_made_once(gateway_client: OpenAI, moody: Moody) -> None:
    moody.will_refuse()
    before, headers = moody.calls, {"Idempotency-Key": "one-call-only"}
    create = gateway_client.chat.completions.with_raw_response.create
    first, again = [create(model="moody", messages=HELLO, extra_headers=headers) for _ in range(2)]
    assert first.content == again.content
    assert (again.headers["idempotent-replayed"], again.request_id) == ("true", first.request_id)
    assert moody.calls == before + 1
    with pytest.raises(ConflictError) as refused:
        create(model="moody", messages=[*HELLO, *HELLO], extra_headers=headers)
    assert refused.value.code == "idempotency_key_reused"


def test_a_stream_through_a_provider_is_whole(gateway_client: OpenAI) -> None:
    chunks = list(
        gateway_client.chat.completions.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]).startswith("Once upon a time")
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 15


def test_no_usage_chunk_reaches_a_client_that_did_not_ask(gateway_client: OpenAI) -> None:
    chunks = list(gateway_client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert all(chunk.choices for chunk in chunks), "the gateway asks the provider for usage, and keeps it"


def test_a_stream_that_breaks_off_is_an_error_not_an_end(gateway_client: OpenAI) -> None:
    stream = gateway_client.chat.completions.create(model="drop-mid", messages=HELLO, stream=True)
    with pytest.raises(APIError):
        list(stream)


@pytest.mark.parametrize("model", ["fault-500", "fault-401"])
def test_a_providers_fault_is_ours_and_its_key_stays_here(gateway_client: OpenAI, model: str) -> None:
    with pytest.raises(InternalServerError) as refused:  # the caller's key is right: a 401 would mislead
        gateway_client.chat.completions.create(model=model, messages=HELLO)
    assert UPSTREAM_KEY not in json.dumps(refused.value.body)
    assert UPSTREAM_KEY[-6:] not in json.dumps(refused.value.body)


def test_a_providers_empty_account_is_not_the_callers(gateway_client: OpenAI) -> None:
    with pytest.raises(APIStatusError) as refused:
        gateway_client.chat.completions.create(model="fault-quota", messages=HELLO)
    assert refused.value.code != "insufficient_quota", "the caller's own credit is not used up"


def test_local_aliases_are_gone_once_there_is_a_provider(gateway_client: OpenAI) -> None:
    names = {model.id for model in gateway_client.models.list()}
    assert "gpt-4o" in names, "configured"
    assert not names & {"gpt-5", "gpt-4.1", "text-embedding-3-small"}


@pytest.mark.parametrize("path", ["/health", "/ready", "/version", "/metrics", "/openapi.json"])
def test_open_pages_answer_without_a_key(gateway: Running, path: str) -> None:
    answer = httpx2.get(gateway.url + path)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"]


def test_a_browser_on_another_page_may_call(gateway: Running) -> None:
    asked = httpx2.options(
        f"{gateway.base_url}/chat/completions",
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert asked.status_code in (200, 204)
    assert asked.headers["access-control-allow-origin"] in ("*", "https://app.example")
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    answer = httpx2.post(
        f"{gateway.base_url}/chat/completions",
        json={"model": "gpt-4o", "messages": HELLO},
        headers={"origin": "https://app.example", "authorization": f"Bearer {gateway.key}"},
    )
    assert answer.headers["access-control-allow-origin"] in ("*", "https://app.example"), "on the answer too"
