"""What is known of upstreams: the table of presets, how they are addressed, and what their errors mean."""

import json
import re
from typing import Any

import pytest

from waystation.catalogue.parameters_table import rules_for
from waystation.errors import ApiError, RateLimitExceeded, UpstreamFailed, UpstreamRejected
from waystation.providers.model import ProviderConfig
from waystation.providers.openai.paths import PATHS, header_block, paths_of, probe_path
from waystation.providers.openai.presets import PRESETS, base_url_of, may_be_private, preset_of, takes_stream_options
from waystation.providers.openai.provider import OpenAI
from waystation.providers.openai.words import meant
from waystation.providers.refusals import refusal
from waystation.routing.seam import Provider
from waystation.runtime.http_client import HttpClient
from waystation.terms import NO_CREDENTIAL, Blame, Credential, Dialect, Operation, Secret
from waystation.wire.http import Origin


def config(**more: Any) -> ProviderConfig:
    return ProviderConfig(name="there", **more)


def test_the_table_is_in_order() -> None:
    for name, preset in PRESETS.items():
        assert preset.name == name
        if preset.base_url:
            Origin.parse(preset.base_url)
        if name != "none":
            assert preset.docs_url.startswith("https://")
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", preset.read_on)
        assert preset.local == preset.base_url.startswith("http://127.0.0.1")
        assert rules_for(name, "a-model") is not None


@pytest.mark.parametrize("preset", sorted(name for name, preset in PRESETS.items() if preset.base_url))
def test_a_preset_is_all_that_a_provider_needs(preset: str) -> None:
    provider: Provider = OpenAI(config(preset=preset), HttpClient(), rules=rules_for)
    assert provider.name == "there"
    assert list(provider.credentials) == [NO_CREDENTIAL]
    assert (Dialect.OPENAI, Operation.CHAT) in provider.native
    assert provider.operations == frozenset(PATHS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"preset": "deepsek"}, "Did you mean 'deepseek'"),
        ({"preset": "zzz"}, "There are: none, openai"),
        ({}, "needs a base_url"),
        ({"kind": "azure"}, "needs a base_url"),
        ({"base_url": "ftp://there.example"}, "begins with http"),
        ({"base_url": "http://there.example", "headers": {"host": "x"}}, "the client's own"),
    ],
)
def test_a_wrong_configuration_is_told_in_words(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OpenAI(config(**given), HttpClient())


def test_local_servers_may_have_private_addresses() -> None:
    assert may_be_private(config(preset="vllm"))
    assert may_be_private(config(allow_private_network=True))
    assert not may_be_private(config(preset="deepseek"))
    assert base_url_of(config(preset="vllm", base_url="http://gpu:8000/v1")) == "http://gpu:8000/v1"
    assert preset_of(config(kind="azure")).name == "azure"


AZURE = "https://mine.openai.azure.com"


@pytest.mark.parametrize(
    ("given", "chat", "probe"),
    [
        ({"base_url": "https://a.example/v1"}, "/v1/chat/completions", "/v1/models"),
        ({"preset": "deepseek"}, "/chat/completions", "/models"),
        ({"preset": "zhipu"}, "/api/paas/v4/chat/completions", None),
        (
            {"kind": "azure", "base_url": AZURE},
            "/openai/deployments/gpt%204%2Fx/chat/completions?api-version=2024-10-21",
            "/openai/models?api-version=2024-10-21",
        ),
        (
            {"kind": "azure", "base_url": f"{AZURE}/openai/", "api_version": "2025-04-01-preview"},
            "/openai/deployments/gpt%204%2Fx/chat/completions?api-version=2025-04-01-preview",
            "/openai/models?api-version=2025-04-01-preview",
        ),
        ({"kind": "azure", "base_url": f"{AZURE}/openai/v1"}, "/openai/v1/chat/completions", "/openai/v1/models"),
        (
            {"kind": "azure", "base_url": f"{AZURE}/openai/v1/", "api_version": "preview"},
            "/openai/v1/chat/completions?api-version=preview",
            "/openai/v1/models?api-version=preview",
        ),
    ],
)
def test_how_each_is_addressed(given: dict[str, Any], chat: str, probe: str | None) -> None:
    there = config(**given)
    path = Origin.parse(base_url_of(there)).path
    assert paths_of(there, path, "gpt 4/x")[Operation.CHAT] == chat
    assert probe_path(there, path) == probe


def test_the_key_goes_where_it_is_looked_for() -> None:
    key = Credential("1", "first", Secret("k-123"))
    assert b"authorization: Bearer k-123\r\n" in bytes(header_block(config(), "authorization", key))
    azure: bytes = header_block(config(kind="azure", headers={"X-Team": "a"}), "api-key", key)
    assert b"api-key: k-123\r\n" in azure
    assert b"x-team: a\r\n" in azure
    assert b"authorization" not in azure
    own: bytes = header_block(config(headers={"Authorization": "Basic x"}), "authorization", key)
    assert own.count(b"authorization") == 1
    assert b"Basic x" in own


ERRORS: list[tuple[int, Any, type[ApiError], Blame]] = [
    # MiniMax: always 200
    (0, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, UpstreamFailed, Blame.CREDENTIAL),
    (0, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, UpstreamFailed, Blame.CREDENTIAL),
    (0, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, RateLimitExceeded, Blame.LIMIT),
    (0, {"base_resp": {"status_code": 2013, "status_msg": "invalid params"}}, UpstreamRejected, Blame.CALLER),
    (0, {"base_resp": {"status_code": 1000, "status_msg": "unknown"}}, UpstreamFailed, Blame.DEPLOYMENT),
    (0, {"base_resp": {"status_code": 9999, "status_msg": "new"}}, UpstreamFailed, Blame.DEPLOYMENT),
    # DashScope: arrears are a 400
    (400, {"error": {"code": "Arrearage", "message": "Access denied"}}, UpstreamFailed, Blame.CREDENTIAL),
    (400, {"error": {"code": "InvalidParameter", "message": "wrong"}}, UpstreamRejected, Blame.CALLER),
    (0, {"code": "Throttling.RateQuota", "message": "slow", "request_id": "r"}, RateLimitExceeded, Blame.LIMIT),
    (0, {"code": "InvalidApiKey", "message": "wrong", "request_id": "r"}, UpstreamFailed, Blame.CREDENTIAL),
    (0, {"code": "DataInspectionFailed", "message": "no", "request_id": "r"}, UpstreamRejected, Blame.CALLER),
    (0, {"code": "InternalError.Algo", "message": "no", "request_id": "r"}, UpstreamFailed, Blame.DEPLOYMENT),
    # Zhipu: arrears are a 429
    (429, {"error": {"code": "1113", "message": "arrears"}}, UpstreamFailed, Blame.CREDENTIAL),
    (429, {"error": {"code": "1302", "message": "slow"}}, RateLimitExceeded, Blame.LIMIT),
    (0, {"error": {"code": "1301", "message": "sensitive"}}, UpstreamRejected, Blame.CALLER),
    # others
    (0, {"error": {"message": "x"}}, UpstreamFailed, Blame.DEPLOYMENT),
    (0, {"error": {"message": "x", "code": 429}}, RateLimitExceeded, Blame.LIMIT),
    (500, {"error": {"message": "x"}}, UpstreamFailed, Blame.DEPLOYMENT),
]


@pytest.mark.parametrize(("status", "body", "kind", "blame"), ERRORS)
def test_an_error_means_what_its_words_say(status: int, body: Any, kind: type[ApiError], blame: Blame) -> None:
    status, data = meant(status, json.dumps(body).encode())
    error = refusal(status, {}, data, model="mine", now_s=0)
    assert type(error) is kind
    assert error.blame is blame


@pytest.mark.parametrize("body", [b"", b"oops", b"[]", b"7", b"null", b'{"base_resp": 7}', b'{"error": 7}'])
def test_an_error_without_words_is_still_one(body: bytes) -> None:
    assert meant(0, body)[0] >= 400
    assert meant(503, body)[0] == 503


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"preset": "deepseek"}, True),
        ({"kind": "azure"}, True),
        ({"kind": "azure", "api_version": "2024-06-01"}, False),
        ({"kind": "azure", "api_version": "2024-09-01-preview"}, True),
        ({"kind": "azure", "api_version": "preview"}, True),
    ],
)
def test_usage_of_streams_is_asked_for_where_that_is_known(given: dict[str, Any], taken: bool) -> None:
    assert takes_stream_options(config(**given)) == taken
