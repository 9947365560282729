"""Conversations over the whole app on a real database: what is put in comes out, in OpenAI's shape, to its project alone."""

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.unit.http.control_stand import Stand, stand
from waystation import tables
from waystation.errors import InvalidRequest
from waystation.storage.conversations import service
from waystation.wire.items import check_item, resource, shown

ALL = "/conversations"


def said(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text, **more}


async def other_projects_key(s: Stand) -> str:
    project = await s.post("/organization/projects", {"name": "Other"})
    made = await s.post("/waystation/keys", {"name": "other", "project_id": project["id"]})
    await s.worker.follower.step()
    return str(made["value"])


def test_a_conversation_is_made_read_changed_and_deleted(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        body = {"metadata": {"topic": "demo"}, "items": [said("Hello!"), said("Hi.", "assistant")]}
        made = await s.post(ALL, body, key=s.key)
        assert made == {
            "id": made["id"],
            "object": "conversation",
            "created_at": made["created_at"],
            "metadata": {"topic": "demo"},
        }
        one = f"{ALL}/{made['id']}"
        assert await s.get(one, key=s.key) == made
        changed = await s.post(one, {"metadata": {"topic": "x"}}, key=s.key)
        assert changed == made | {"metadata": {"topic": "x"}} == await s.get(one, key=s.key)
        listed = await s.get(f"{one}/items", key=s.key, order="asc")
        first, second = listed["data"]
        assert first == {
            "type": "message",
            "id": first["id"],
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hello!"}],
        }
        assert second["content"] == [{"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}]
        assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (first["id"], second["id"], False)
        gone = await s.ask("DELETE", f"{one}/items/{first['id']}", key=s.key)
        assert (gone.status, gone.body) == (200, changed), "OpenAI answers with the conversation"
        assert [each["id"] for each in (await s.get(f"{one}/items", key=s.key))["data"]] == [second["id"]]
        assert (await s.ask("GET", f"{one}/items/{first['id']}", key=s.key)).status == 404
        deleted = await s.ask("DELETE", one, key=s.key)
        assert deleted.body == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
        assert (await s.ask("GET", one, key=s.key)).status == 404
        left = await s.worker.database.read(lambda c: c.execute(select(tables.conversation_items)).all())
        assert left == [], "its items are gone with it"

    stand(tmp_path, story)


def test_pages_walked_at_random_both_ways_are_the_whole_list(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        chance = random.Random(7)
        one = f"{ALL}/{(await s.post(ALL, {}, key=s.key))['id']}/items"
        ids: list[str] = []
        for count in (20, 3, 14):
            made = await s.post(one, {"items": [said(str(at)) for at in range(count)]}, key=s.key)
            ids += [each["id"] for each in made["data"]]
        for order, all_ in (("asc", ids), ("desc", ids[::-1])):
            for cursor in ("after", "before"):
                found: list[str] = []
                given: dict[str, Any] = {} if cursor == "after" else {"before": all_[-1]}
                while True:
                    page = await s.get(one, key=s.key, order=order, limit=chance.randint(1, 9), **given)
                    part = [each["id"] for each in page["data"]]
                    assert (page["first_id"], page["last_id"]) == (part[0], part[-1])
                    found = found + part if cursor == "after" else part + found
                    given = {cursor: part[-1] if cursor == "after" else part[0]}
                    if not page["has_more"]:
                        break
                assert found == (all_ if cursor == "after" else all_[:-1]), (order, cursor)
        assert (await s.ask("GET", one, key=s.key, after="msg_gone")).error == (400, None, "after")
        assert (await s.ask("GET", one, key=s.key, after=ids[0], before=ids[1])).error == (400, None, "before")

    stand(tmp_path, story)


def test_another_projects_conversation_is_told_as_one_that_never_was(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        other = await other_projects_key(s)
        made = await s.post(ALL, {"items": [said("secret")]}, key=s.key)
        item = (await s.get(f"{ALL}/{made['id']}/items", key=s.key))["data"][0]["id"]
        unknown = "conv_0000"
        for method, path, body in (
            ("GET", "{}", None),
            ("POST", "{}", {"metadata": {}}),
            ("DELETE", "{}", None),
            ("GET", "{}/items", None),
            ("POST", "{}/items", {"items": [said("x")]}),
            ("GET", f"{{}}/items/{item}", None),
            ("DELETE", f"{{}}/items/{item}", None),
        ):
            foreign = await s.ask(method, f"{ALL}/" + path.format(made["id"]), body, key=other)
            never = await s.ask(method, f"{ALL}/" + path.format(unknown), body, key=other)
            assert foreign.status == never.status == 404, (method, path)
            assert str(foreign.body).replace(made["id"], unknown) == str(never.body)
        assert len((await s.get(f"{ALL}/{made['id']}/items", key=s.key))["data"]) == 1

    stand(tmp_path, story)


def test_what_openai_refuses_is_refused_and_nothing_is_half_stored(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        one = f"{ALL}/{(await s.post(ALL, key=s.key, data=b''))['id']}"
        many = [said("x")] * 21
        assert (await s.ask("POST", f"{one}/items", {"items": many}, key=s.key)).error[0] == 400
        bad = [said("x"), {"type": "nonsense"}]
        said_bad = await s.ask("POST", f"{one}/items", {"items": bad}, key=s.key)
        assert said_bad.error == (400, "invalid_value", "items[1].type")
        for lacks in ({"name": "f", "arguments": "{}"}, {"call_id": "c1", "arguments": "{}"}):
            lacking = await s.ask("POST", f"{one}/items", {"items": [{"type": "function_call", **lacks}]}, key=s.key)
            assert lacking.error[:2] == (400, "missing_required_parameter")
        assert (await s.ask("POST", one, {}, key=s.key)).error == (400, "missing_required_parameter", "metadata")
        long = {"metadata": {"k": "x" * 513}}
        assert (await s.ask("POST", ALL, long, key=s.key)).status == 400
        assert (await s.get(f"{one}/items", key=s.key)) == {
            "object": "list",
            "data": [],
            "first_id": "",
            "last_id": "",
            "has_more": False,
        }
        assert (await s.ask("GET", f"{one}/items", key=s.key, include="all")).error == (400, "invalid_value", "include")
        large = {"items": [said("x" * 1_000_000)]}
        assert len((await s.post(f"{one}/items", large, key=s.key))["data"][0]["content"][0]["text"]) == 1_000_000

    stand(tmp_path, story)


def test_items_at_rest_are_encrypted_where_a_key_is_configured(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        made = await s.post(ALL, {"items": [said("very secret words")]}, key=s.key)
        (row,) = await s.worker.database.read(lambda c: c.execute(select(tables.conversation_items.c.body)).all())
        assert b"secret" not in row.body
        listed = await s.get(f"{ALL}/{made['id']}/items", key=s.key)
        assert listed["data"][0]["content"][0]["text"] == "very secret words"

    stand(tmp_path, story, '[storage]\nencryption_key = "0123456789abcdef0123456789abcdef"\n')


NEW = "{}new".format


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        ({"role": "user", "content": "a"}, {"id": "msg_new", "status": "completed", "type": "message"}),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"id": "fc_new"}),
        ({"type": "function_call_output", "call_id": "c", "output": "1", "id": None}, {"id": "fco_new"}),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, {"id": "rs_1"}),
        ({"type": "reasoning", "id": "rs_taken", "summary": []}, {"id": "rs_new"}),
        ({"type": "message", "role": "user", "content": "a", "id": "../etc"}, {"id": "msg_new"}),
        ({"type": "message", "role": "user", "content": "a", "status": "incomplete"}, {"status": "incomplete"}),
    ],
    ids=["easy", "call", "output", "own-id", "taken-id", "odd-id", "status"],
)
def test_an_item_gets_what_it_lacks(item: dict[str, Any], kept: dict[str, Any]) -> None:
    check_item(item, "items[0]")
    made = resource(item, NEW, {"rs_taken"})
    assert {name: made[name] for name in kept} == kept
    assert ("status" in made) == (made["type"] != "reasoning")


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "items[0].type"),
        ({}, "items[0].type"),
        ({"type": 7}, "items[0].type"),
        ({"role": "tool", "content": ""}, "items[0].role"),
        ({"role": "user"}, "items[0].content"),
        ({"role": "user", "content": [{"text": "a"}]}, "items[0].content[0].type"),
    ],
    ids=["reference", "nothing", "number", "role", "content", "part"],
)
def test_what_is_no_item_is_refused_where_it_is(item: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_item(item, "items[0]")
    assert refused.value.param == param


def test_what_has_to_be_asked_for_is_left_out_unless_it_is() -> None:
    picture = {"type": "input_image", "image_url": "data:…", "detail": "auto"}
    item = {"type": "message", "id": "msg_1", "role": "user", "content": [picture]}
    assert shown(item, ())["content"][0]["image_url"] is None
    assert shown(item, ("message.input_image.image_url",)) == item
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    assert "encrypted_content" not in shown(thought, ())
    assert shown(thought, ("reasoning.encrypted_content",)) == thought
    search = {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "sources": [1]}}
    assert shown(search, ())["action"] == {"type": "search"}


def test_a_long_conversation_is_gone_at_once_and_its_last_items_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ITEMS_AT_ONCE_MAX", 3)

    async def story(s: Stand) -> None:
        kept = (await s.post(ALL, {"items": [said("stays")]}, key=s.key))["id"]
        long = (await s.post(ALL, {"items": [said(str(at)) for at in range(8)]}, key=s.key))["id"]
        assert (await s.ask("DELETE", f"{ALL}/{long}", key=s.key)).status == 200
        for path in (f"{ALL}/{long}", f"{ALL}/{long}/items"):
            assert (await s.ask("GET", path, key=s.key)).status == 404
        swept = [await s.worker.database.write(partial(service.sweep, most=3)) for _ in range(3)]
        assert swept == [3, 2, 0]
        left = await s.worker.database.read(lambda c: c.execute(select(tables.conversation_items)).all())
        assert [each.conversation_id for each in left] == [kept]
        all_ = await s.worker.database.read(lambda c: c.execute(select(tables.conversations)).all())
        assert [each.id for each in all_] == [kept]

    stand(tmp_path, story)
