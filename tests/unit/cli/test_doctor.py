"""The checklist for a key, on servers that answer in each of the ways that it tells apart."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.api_stand import KEY, api
from tests.unit.cli.command import waystation
from waystation.cli.doctor import examine, key_format, url_shape

QUOTA = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
LIMIT = {"error": {"message": "Rate limit reached.", "code": "rate_limit_exceeded"}}


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("", "there is no key"),
        (f" {KEY}", "it has spaces"),
        (f"'{KEY}'", "it has spaces, quotes"),
        (f"Bearer {KEY}", "'Bearer' around it"),
        ("key_123", "it does not begin with sk-"),
        ("sk-admin-" + "a" * 42, "it is an admin key"),
        (KEY[:-1], "it has 50 characters"),
        ("sk-" + "ü" * 48, "letters and digits"),
    ],
)
def test_a_key_of_the_wrong_form_is_explained(key: str, found: str) -> None:
    finding = key_format(key)
    assert finding.ok is False
    assert found in finding.found
    assert finding.advice


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080/v1", "ftp://x/v1", "http://x/v1/chat/completions", "http://x/v1/models/"]
)
def test_a_url_that_is_no_base_url_is_explained(url: str) -> None:
    assert url_shape(url).ok is False


def steps(url: str, key: str = KEY) -> dict[str, bool | None]:
    return {finding.step: finding.ok for finding in examine(url, key, None)}


@pytest.mark.parametrize(
    ("status", "answer", "key", "state", "balance"),
    [
        (200, {"choices": []}, KEY, True, True),
        (429, QUOTA, KEY, True, False),
        (429, LIMIT, KEY, True, False),
        (200, {}, "sk-" + "b" * 48, False, None),
    ],
)
def test_each_step_is_told_apart(status: int, answer: Any, key: str, state: bool, balance: bool | None) -> None:
    with api(status, answer) as url:
        assert steps(url, key) == {
            "Key format": True,
            "URL": True,
            "Network": True,
            "Key state": state,
            "Balance and limits": balance,
        }


def test_a_url_without_v1_is_told() -> None:
    with api() as url:
        state = next(finding for finding in examine(url.removesuffix("/v1"), KEY, None) if finding.step == "Key state")
    assert "does /v1 miss at its end?" in state.advice


def test_nothing_that_needs_the_network_is_tried_without_it() -> None:
    assert steps("http://127.0.0.1:1/v1") == {
        "Key format": True,
        "URL": True,
        "Network": False,
        "Key state": None,
        "Balance and limits": None,
    }


def test_the_command_ends_with_1_when_a_step_fails_and_0_when_none_does(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": KEY}
    with api(200, {"choices": []}) as url:
        good = waystation("doctor", "--base-url", url, "--json", home=tmp_path, environ=environ)
    assert (good.code, good.json["ok"]) == (0, True)
    with api(429, QUOTA) as url:
        bad = waystation("doctor", home=tmp_path, environ={**environ, "OPENAI_BASE_URL": url, "LANG": "zh_CN.UTF-8"})
    assert bad.code == 1
    assert "✗ 余额与限额: 429 insufficient_quota" in bad.out
    assert "请充值或提高预算" in bad.out
    assert KEY not in bad.out
