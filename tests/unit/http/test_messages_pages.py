"""What stands beside /v1/messages: counts of tokens and lists of models for Anthropic's clients, on the whole app."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.control_stand import Stand, stand

CONFIG = """
[providers.p]
base_url = "http://127.0.0.1:9/v1"
[models."gpt-4o"]
provider = "p"
price = 0
[models.other]
provider = "p"
price = 0
"""
VERSION = {"anthropic-version": "2023-06-01"}


async def asked(s: Stand, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
    """One request of an Anthropic client, with the key in x-api-key."""
    headers = VERSION | {"x-api-key": s.key if key is None else key}
    return await s._client.request(method, path, headers=headers, json=body)


@pytest.mark.parametrize("prefix", ["/v1", "/anthropic/v1"])
def test_models_are_listed_in_anthropics_form_for_who_says_its_version(tmp_path: Path, prefix: str) -> None:
    async def story(s: Stand) -> None:
        page = (await asked(s, "GET", f"{prefix}/models?limit=2")).json()
        assert (page["first_id"], page["last_id"], page["has_more"]) == ("auto", "gpt-4o", True)
        assert page["data"][0]["type"] == "model"
        rest = (await asked(s, "GET", f"{prefix}/models?after_id=gpt-4o")).json()
        assert [each["id"] for each in rest["data"]] == ["other"]
        one = (await asked(s, "GET", f"{prefix}/models/other")).json()
        assert (one["display_name"], one["lifecycle"]) == ("other", "active")
        assert (await s.get("/models", key=s.key))["object"] == "list"  # OpenAI's clients are answered as ever

    stand(tmp_path, story, CONFIG)


def test_tokens_are_counted_and_it_is_said_by_which_tokenizer(tmp_path: Path) -> None:
    tool = {"name": "weather", "description": "Tells the weather.", "input_schema": {"type": "object"}}
    bodies: list[Any] = [
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello, world"}]},
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello, world"}], "system": "Be kind."},
        {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": "Hello, world"}],
            "system": "Be kind.",
            "tools": [tool],
        },
    ]

    async def story(s: Stand) -> None:
        counts = []
        for body in bodies:
            answer = await asked(s, "POST", "/v1/messages/count_tokens", body)
            assert answer.headers["x-waystation-tokenizer"] == "o200k_base"
            counts.append(answer.json()["input_tokens"])
        assert counts[0] == 10
        assert counts == sorted(set(counts))

    stand(tmp_path, story, CONFIG)


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "status", "kind"),
    [
        ("GET", "/v1/models", None, "sk-" + "x" * 48, 401, "authentication_error"),
        ("GET", "/v1/models/nobody", None, None, 404, "not_found_error"),
        ("GET", "/v1/models?limit=0", None, None, 400, "invalid_request_error"),
        ("GET", "/v1/nowhere", None, None, 404, "not_found_error"),
        ("POST", "/v1/messages/count_tokens", {"model": "gpt-4o"}, None, 400, "invalid_request_error"),
        (
            "POST",
            "/v1/messages/count_tokens",
            {"model": "nobody", "messages": [{"role": "user", "content": "x"}]},
            None,
            404,
            "not_found_error",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("/v1") else "",
)
def test_their_errors_have_anthropics_form(
    tmp_path: Path, method: str, path: str, body: Any, key: str | None, status: int, kind: str
) -> None:
    async def story(s: Stand) -> None:
        answer = await asked(s, method, path, body, key=key)
        told = answer.json()
        assert (answer.status_code, told["type"], told["error"]["type"]) == (status, "error", kind)
        assert told["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]

    stand(tmp_path, story, CONFIG)


def test_a_key_in_x_api_key_is_as_good_as_any_other(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        answer = await s._client.get("/v1/models", headers={"x-api-key": s.key})
        assert answer.json()["object"] == "list"

    stand(tmp_path, story, CONFIG)
