"""Responses over the whole app: made with a provider's words, read again, gone on with, listed and deleted."""

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.http.control_stand import Stand, stand
from tests.unit.http.test_conversations import other_projects_key
from waystation.testing.upstream import Upstream

ALL = "/responses"
MODELS = ("m", "drop-mid", "fault-context")  # the upstream does as they are called


def answering(folder: Path, story: Callable[[Stand, Upstream], Awaitable[None]]) -> None:
    """Run a story against a worker whose model `m` is a provider's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def with_upstream(s: Stand) -> None:
        upstream = Upstream()
        await upstream.start(port=port)
        try:
            await story(s, upstream)
        finally:
            await upstream.stop()

    config = f'[providers.p]\nbase_url = "http://127.0.0.1:{port}/v1"\n'
    for model in MODELS:
        config += f'[models."{model}"]\nprovider = "p"\nprice = 0\n'
    stand(folder, with_upstream, config)


async def ask(s: Stand, text: Any, **given: Any) -> dict[str, Any]:
    return dict(await s.post(ALL, {"model": "m", "input": text, **given}, key=s.key))


async def sent(s: Stand, body: dict[str, Any], **headers: str) -> bytes:
    """The bytes of an answer."""
    answer = await s._client.post("/v1/responses", json=body, headers={"authorization": f"Bearer {s.key}", **headers})
    return bytes(answer.content)


def last_event(stream: bytes) -> dict[str, Any]:
    last = [line for line in stream.split(b"\n") if line.startswith(b"data: {")][-1]
    return dict(msgspec.json.decode(last[6:]))


async def rows(s: Stand) -> int:
    return await s.worker.database.read(
        lambda c: int(c.exec_driver_sql("select count(*) from responses").scalar() or 0)
    )


def last_messages(upstream: Upstream) -> list[str]:
    """What the provider was asked last."""
    return [each["content"] for each in msgspec.json.decode(upstream.requests[-1].body)["messages"]]


def test_a_response_is_read_again_as_it_was_answered_until_it_is_deleted(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        made = await ask(s, "Hello!", metadata={"topic": "demo"})
        one = f"{ALL}/{made['id']}"
        assert await s.get(one, key=s.key) == made
        assert (made["status"], made["metadata"], made["store"]) == ("completed", {"topic": "demo"}, True)
        other = await other_projects_key(s)
        for method, path in (("GET", one), ("DELETE", one), ("GET", f"{one}/input_items")):
            foreign = await s.ask(method, path, key=other)
            assert foreign.error == (404, None, None)
            assert foreign.body["error"]["message"] == f"Response with id '{made['id']}' not found."
        assert (await s.ask("GET", one, key=s.key, include="nonsense")).error == (400, "invalid_value", "include")
        deleted = await s.ask("DELETE", one, key=s.key)
        assert deleted.body == {"id": made["id"], "object": "response", "deleted": True}
        assert (await s.ask("GET", one, key=s.key)).status == 404
        assert (await s.ask("DELETE", one, key=s.key)).status == 404

    answering(tmp_path, story)


def test_a_provider_that_only_chats_is_told_all_turns_before(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        one = await ask(s, "one", instructions="Be brief.")
        said = one["output"][0]["content"][0]["text"]
        two = await ask(s, "two", previous_response_id=one["id"])
        assert last_messages(upstream) == ["one", said, "two"]
        assert two["previous_response_id"] == one["id"]
        items = f"{ALL}/{two['id']}/input_items"
        first = await s.get(items, key=s.key, order="asc", limit=2)
        assert [each["content"][0]["text"] for each in first["data"]] == ["one", said]
        assert first["has_more"] is True
        rest = await s.get(items, key=s.key, order="asc", after=first["last_id"])
        assert [each["content"][0]["text"] for each in rest["data"]] == ["two"]
        assert rest["has_more"] is False
        newest = await s.get(items, key=s.key)
        assert newest["first_id"] == rest["last_id"]
        assert (await s.ask("GET", items, key=s.key, after="msg_none")).error == (400, None, "after")

    answering(tmp_path, story)


def test_a_streamed_response_is_kept_as_its_last_event_has_it(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        for model, end in (("m", "response.completed"), ("drop-mid", "response.failed")):
            ended = last_event(await sent(s, {"model": model, "input": "Hello!", "stream": True}))
            assert ended["type"] == end
            assert await s.get(f"{ALL}/{ended['response']['id']}", key=s.key) == ended["response"]

    answering(tmp_path, story)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_repeat_with_an_idempotency_key_is_the_same_response_kept_once(tmp_path: Path, stream: bool) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        body = {"model": "m", "input": "Hello!", "stream": stream}
        first = await sent(s, body, **{"idempotency-key": "once"})
        second, third = await asyncio.gather(*(sent(s, body, **{"idempotency-key": "once"}) for _ in range(2)))
        assert first == second == third
        assert (await rows(s), len(upstream.requests)) == (1, 1)
        made = last_event(first)["response"] if stream else msgspec.json.decode(first)
        assert await s.get(f"{ALL}/{made['id']}", key=s.key) == made

    answering(tmp_path, story)


def test_a_file_that_was_named_is_put_in_for_later_turns_too(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        sending = await s._client.post(
            "/v1/files",
            files={"file": ("a.pdf", b"%PDF-marker")},
            data={"purpose": "user_data"},
            headers={"authorization": f"Bearer {s.key}"},
        )
        parts = [{"type": "input_file", "file_id": sending.json()["id"]}, {"type": "input_text", "text": "What is it?"}]
        one = await ask(s, [{"role": "user", "content": parts}])
        two = await ask(s, "And?", previous_response_id=one["id"])
        await ask(s, "So?", previous_response_id=two["id"])
        whole = base64.b64encode(b"%PDF-marker")
        assert [whole in each.body for each in upstream.requests] == [True, True, True]
        items = (await s.get(f"{ALL}/{two['id']}/input_items", key=s.key, order="asc"))["data"]
        assert items[0]["content"][0] == parts[0], "what is kept names the file still"

    answering(tmp_path, story)


def test_what_is_too_long_for_a_provider_is_told_of_the_input(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        said = await s.ask("POST", ALL, {"model": "fault-context", "input": "x"}, key=s.key)
        assert said.error == (400, "context_length_exceeded", "input")
        assert await rows(s) == 0

    answering(tmp_path, story)


def test_who_has_stored_nothing_finds_nothing(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        made = await ask(s, "never-kept-marker", store=False)
        assert made["store"] is False
        assert (await s.ask("GET", f"{ALL}/{made['id']}", key=s.key)).status == 404
        said = await s.ask("POST", ALL, {"model": "m", "input": "x", "previous_response_id": made["id"]}, key=s.key)
        assert said.error == (400, "previous_response_not_found", "previous_response_id")

    answering(tmp_path, story)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"never-kept-marker" not in everything
