"""Every operation of OpenAI's description has an answer here: it is served, or refused with what to use instead."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.reduce_spec import REDUCED
from tests.unit.http.control_stand import Stand, stand
from waystation.http.operations import OPERATIONS, Operation, documented
from waystation.http.operations_page import page
from waystation.http.routes import PREFIXES

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
DESCRIBED = 288
ID = "x_0123456789"
CODE = "unsupported_by_server"


def url_of(operation: Operation) -> str:
    return re.sub(r"\{[^}]*\}", ID, operation.path)


def test_the_table_is_openais_description() -> None:
    labels = [documented(operation.label) for operation in OPERATIONS if operation.family.described]
    assert len(labels) == DESCRIBED
    assert sorted(labels) == json.loads(REDUCED.read_text())["operations"]


@pytest.mark.parametrize(("language", "file"), [("en", "operations.md"), ("zh", "operations.zh-CN.md")])
def test_the_page_is_printed_from_the_table(language: Any, file: str) -> None:
    """`python -m waystation.http.operations_page en > docs/guides/operations.md`, and `zh`."""
    assert (GUIDES / file).read_text(encoding="utf-8") == page(language)


def test_each_operation_is_served_or_says_what_to_use_instead(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        for operation in OPERATIONS:
            said = await s.ask(operation.method, url_of(operation), key=s.key)
            code = said.body["error"]["code"] if said.status >= 400 else None
            assert said.status < 500, operation.label
            if operation.is_served:
                assert code not in (CODE, "unknown_url", "method_not_allowed"), operation.label
            else:
                assert said.error == (404, CODE, None), operation.label
                message = said.body["error"]["message"]
                assert operation.family.instead, operation.label
                assert operation.family.instead in message
                assert documented(operation.path) in message

    stand(tmp_path, story)


def test_the_key_is_looked_at_before_anything_else(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        for operation in OPERATIONS:
            if not operation.is_served:
                assert (await s.ask(operation.method, url_of(operation), key="")).status == 401, operation.label
        assert (await s.ask("POST", "/batches", key="sk-" + "x" * 48)).status == 401

    stand(tmp_path, story)


def test_they_are_refused_under_every_prefix(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        for prefix in PREFIXES:
            headers = {"authorization": f"Bearer {s.key}"}
            answer = await s._client.post(f"{prefix}/threads/runs", headers=headers, content=b"{")
            assert answer.json()["error"]["code"] == CODE, prefix

    stand(tmp_path, story)


def test_mistakes_are_still_told_apart(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        assert (await s.ask("PUT", "/vector_stores")).error == (405, "method_not_allowed", None)
        assert (await s.ask("GET", "/embeddings")).error == (405, "method_not_allowed", None)
        assert (await s.ask("GET", "/vector_shops")).error == (404, "unknown_url", None)

    stand(tmp_path, story)


def test_the_body_of_a_refused_upload_is_not_read(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        read: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            read.append(1)
            yield b"x"

        headers = {"authorization": f"Bearer {s.key}"}
        answer = await s._client.post("/v1/audio/transcriptions", headers=headers, content=body())
        assert answer.status_code == 404
        assert read == []

    stand(tmp_path, story)
