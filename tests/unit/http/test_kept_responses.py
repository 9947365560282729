"""Responses over the whole app: made with a provider's words, read again, gone on with, listed and deleted."""

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.unit.http.control_stand import Stand, stand
from tests.unit.http.test_conversations import other_projects_key
from waystation.testing.upstream import Upstream

ALL = "/responses"


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

    config = f'[providers.p]\nbase_url = "http://127.0.0.1:{port}/v1"\n[models.m]\nprovider = "p"\nprice = 0\n'
    stand(folder, with_upstream, config)


async def ask(s: Stand, text: str, **given: Any) -> dict[str, Any]:
    return dict(await s.post(ALL, {"model": "m", "input": text, **given}, key=s.key))


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
        body = {"model": "m", "input": "Hello!", "stream": True}
        answer = await s._client.post("/v1/responses", json=body, headers={"authorization": f"Bearer {s.key}"})
        last = [line for line in answer.content.split(b"\n") if line.startswith(b"data: {")][-1]
        ended = msgspec.json.decode(last[6:])
        assert ended["type"] == "response.completed"
        assert await s.get(f"{ALL}/{ended['response']['id']}", key=s.key) == ended["response"]

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
