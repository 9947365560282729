"""providers/headers.py: by what each kind knows us."""

import pytest

from waystation.providers.headers import headers_of
from waystation.providers.model import Kind, ProviderConfig
from waystation.terms import NO_CREDENTIAL, Credential, Secret
from waystation.wire.http import encode_headers

KEY = Credential("c", "c", Secret("k3y"))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("openai", {"authorization": "Bearer k3y"}),
        ("azure", {"api-key": "k3y"}),
        ("anthropic", {"x-api-key": "k3y", "anthropic-version": "2023-06-01"}),
        ("gemini", {"x-goog-api-key": "k3y"}),
        ("bedrock", {}),  # its requests are signed
    ],
)
def test_each_kind_is_shown_the_key_in_its_own_header(kind: Kind, shown: dict[str, str]) -> None:
    config = ProviderConfig(name="p", kind=kind)
    common = {"accept", "content-type", "user-agent"}
    assert {name: value for name, value in headers_of(kind, KEY, config) if name not in common} == shown
    assert "k3y" not in str(headers_of(kind, NO_CREDENTIAL, config))


def test_what_an_administrator_has_set_wins() -> None:
    config = ProviderConfig(name="p", kind="anthropic", api_version="2030-01-01", headers={"X-Api-Key": "other"})
    headers = headers_of("anthropic", KEY, config)
    assert ("x-api-key", "other") in headers
    assert ("anthropic-version", "2030-01-01") in headers
    assert len(encode_headers(headers).splitlines()) == len(dict(headers)) == 5
