"""providers/probing_rules.py: what is asked for nothing, and what the answers mean."""

import pytest

from waystation.providers.model import Kind, ProviderConfig
from waystation.providers.probing_rules import Listing, Verdict, free_request, judge, listing, origin_of


@pytest.mark.parametrize(
    ("kind", "base_url", "version", "asked"),
    [
        ("openai", "", None, "https api.openai.com /v1/models"),
        ("openai", "https://api.deepseek.com", None, "https api.deepseek.com /models"),
        ("openai", "unix:///run/x", None, "unix /run/x /models"),
        ("anthropic", "", None, "https api.anthropic.com /v1/models?limit=1000"),
        ("anthropic", "https://h/v1", None, "https h /v1/models?limit=1000"),
        ("anthropic", "https://h/anthropic", None, "https h /anthropic/v1/models?limit=1000"),
        ("gemini", "", None, "https generativelanguage.googleapis.com /v1beta/models?pageSize=1000"),
        ("gemini", "https://h/proxy", None, "https h /proxy/v1beta/models?pageSize=1000"),
        ("azure", "https://r.openai.azure.com", None, "https r.openai.azure.com /openai/models?api-version=2024-10-21"),
        ("azure", "https://h/openai", "x y", "https h /openai/models?api-version=x%20y"),
        ("azure", "https://h/openai/v1", None, "https h /openai/v1/models"),
        ("bedrock", "", None, "https bedrock.us-east-1.amazonaws.com /foundation-models"),
        (
            "bedrock",
            "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
            None,
            "https bedrock.cn-north-1.amazonaws.com.cn /foundation-models",
        ),
        ("bedrock", "https://gateway.example", None, None),
    ],
)
def test_each_kind_is_asked_for_its_models(kind: Kind, base_url: str, version: str | None, asked: str | None) -> None:
    free = free_request(ProviderConfig(name="p", kind=kind, base_url=base_url, api_version=version))
    assert (None if free is None else f"{free.origin.scheme} {free.origin.host} {free.target}") == asked


def test_one_model_is_one_step_of_the_path() -> None:
    free = free_request(ProviderConfig(name="p", kind="gemini"))
    assert free is not None
    assert free.of_one("models/a/b?c") == "/v1beta/models/a%2Fb%3Fc"
    old = free_request(ProviderConfig(name="p", kind="azure", base_url="https://h"))
    assert old is not None
    assert old.of_one("x") == "/openai/models/x?api-version=2024-10-21"


def test_a_provider_without_a_base_url_is_named() -> None:
    with pytest.raises(ValueError, match="'p' needs a base_url"):
        origin_of(ProviderConfig(name="p", kind="azure"))
    assert origin_of(ProviderConfig(name="p", kind="bedrock", region="eu-west-1")).host.startswith("bedrock-runtime.eu")


LIST = b'{"data": []}'


@pytest.mark.parametrize(
    ("kind", "status", "body", "verdict"),
    [
        ("openai", 200, LIST, "accepted"),
        ("openai", 200, b"<html>", "no_api"),
        ("openai", 200, b"{}", "no_api"),
        ("openai", 301, b"", "no_api"),
        ("openai", 400, b"", "no_api"),
        ("openai", 401, b"", "refused"),
        ("anthropic", 403, b"", "refused"),
        ("openai", 403, b'{"error": {"code": "unsupported_country_region_territory"}}', "region"),
        ("gemini", 400, b'{"error": {"details": [{"reason": "API_KEY_INVALID"}]}}', "refused"),
        ("gemini", 400, b"User location is not supported for the API use.", "region"),
        ("gemini", 400, b"", "no_api"),
        ("openai", 402, b"", "no_credit"),
        ("openai", 429, b"", "limited"),
        ("openai", 404, b"", "not_served"),
        ("openai", 405, b"", "not_served"),
        ("openai", 503, b"", "down"),
    ],
)
def test_answers_are_judged(kind: Kind, status: int, body: bytes, verdict: Verdict) -> None:
    assert judge(kind, status, body) == verdict


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"data": [{"id": "a"}, {"id": "b"}]}', Listing(frozenset("ab"), True)),
        (b'{"data": [{"id": "a"}], "has_more": true}', Listing(frozenset("a"), False)),
        (b'{"models": [{"name": "models/a"}], "nextPageToken": "x"}', Listing(frozenset("a"), False)),
        (b'{"modelSummaries": [{"modelId": "a", "modelArn": "b"}]}', Listing(frozenset("ab"), True)),
        (b'[{"id": "a"}, 3, {"id": 4}, {}]', Listing(frozenset("a"), True)),
        (b'{"data": {}}', None),
        (b"3", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_lists_of_models_are_read_in_every_shape(body: bytes, found: Listing | None) -> None:
    assert listing(body) == found
