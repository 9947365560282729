"""Chats with `store: true`, over the whole app: what went out is what is kept, listed, found and forgotten."""

import json
import random
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from tests.unit.http.control_stand import Stand, stand
from tests.unit.http.test_conversations import other_projects_key
from waystation import tables
from waystation.gateway.call import Call
from waystation.storage.completions.service import sweep
from waystation.terms import Caller, Done, Event, Operation, Piece, Usage
from waystation.wire.chat import read_chat

ALL = "/chat/completions"
USAGE = Usage(3, 5)


async def said(s: Stand, answer: list[Event], **asked: Any) -> list[Event]:
    """What goes out of an answer that is kept. `leave`: the client goes after so many events."""
    leave = asked.pop("leave", None)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "store": True, **asked}
    raw = json.dumps(body).encode()
    call = Call(Operation.CHAT, "req_1", raw, read_chat(raw), None, {}, "", 0)

    async def upstream(call: Call) -> AsyncGenerator[Event]:
        assert "store" not in json.loads(call.body), "the provider is not asked to keep it too"
        assert "metadata" not in json.loads(call.body)
        for event in answer:
            yield event

    out: list[Event] = []
    events = s.worker.way.memory.answered(call, Caller("k", s.project_id, s.organization_id), upstream)
    async for event in events:
        out.append(event)
        if len(out) == leave:
            break
    await events.aclose()
    return out


def whole(text: str = "Hello", **more: Any) -> list[Event]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = {"id": "theirs", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [choice], **more}
    return [Done(json.dumps(body).encode(), USAGE)]


def chunk(*choices: dict[str, Any], **more: Any) -> bytes:
    body = {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices, **more}
    return b"data: %b\n\n" % json.dumps(body).encode()


def delta(index: int = 0, finish: str | None = None, logprobs: Any = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}


async def kept(s: Stand, **query: Any) -> list[dict[str, Any]]:
    return list((await s.get(ALL, key=s.key, **query))["data"])


def test_a_whole_answer_is_kept_under_the_id_that_went_out(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        (done,) = await said(s, whole(), metadata={"k": "v"}, temperature=0, user="ann", seed=7)
        assert isinstance(done, Done)
        went = json.loads(done.data)
        (found,) = await kept(s)
        assert found == await s.get(f"{ALL}/{went['id']}", key=s.key)
        assert went["id"].startswith("chatcmpl-")
        assert {**found, **went} == found
        assert found["request_id"] == "req_1"
        assert found["metadata"] == {"k": "v"}
        assert (found["temperature"], found["top_p"], found["input_user"], found["seed"]) == (0, 1.0, "ann", 7)
        assert found["usage"]["total_tokens"] == 8
        changed = await s.post(f"{ALL}/{went['id']}", {"metadata": {"k": "w"}}, key=s.key)
        assert changed == found | {"metadata": {"k": "w"}}
        assert await kept(s, **{"metadata[k]": "v"}) == []
        assert await kept(s, **{"metadata[k]": "w"}) == [changed]
        listed = await s.get(f"{ALL}/{went['id']}/messages", key=s.key)
        assert listed["data"] == [
            {
                "role": "user",
                "content": "hi",
                "id": f"{went['id']}-0",
                "name": None,
                "refusal": None,
                "content_parts": None,
            }
        ]
        gone = await s.ask("DELETE", f"{ALL}/{went['id']}", key=s.key)
        assert gone.body == {"object": "chat.completion.deleted", "id": went["id"], "deleted": True}
        assert await kept(s) == []

    stand(tmp_path, story)


def test_a_stream_is_kept_whole_with_all_that_it_said(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        calls = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}]
        more = [{"index": 0, "function": {"arguments": ":1}"}}]
        token = {"token": "He", "logprob": -0.5, "bytes": None, "top_logprobs": []}
        stream: list[Event] = [
            Piece(
                chunk(delta(role="assistant", content="")) + chunk(delta(content="He", logprobs={"content": [token]}))
            ),
            Piece(chunk(delta(content="llo"), delta(1, tool_calls=calls))),
            Piece(chunk(delta(1, tool_calls=more), delta(0, reasoning_content="hm"))),
            Piece(chunk(delta(finish="stop")) + chunk(delta(1, finish="tool_calls"), system_fingerprint="fp")),
            Done(b"data: [DONE]\n\n", USAGE),
        ]
        out = await said(s, stream, stream=True, n=2)
        text = b"".join(event.data for event in out).decode()
        chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        (found,) = await kept(s)
        assert {each["id"] for each in chunks} == {found["id"]}
        assert text.endswith("data: [DONE]\n\n")
        first, second = found["choices"]
        assert first["message"]["content"] == "Hello"
        assert first["message"]["reasoning_content"] == "hm"
        assert first["logprobs"] == {"content": [token], "refusal": None}
        assert first["finish_reason"] == "stop"
        (called,) = second["message"]["tool_calls"]
        assert called == {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        assert second["message"]["content"] is None
        assert second["finish_reason"] == "tool_calls"
        assert found["object"] == "chat.completion"
        assert found["system_fingerprint"] == "fp"
        assert found["usage"]["completion_tokens"] == 5, "also where the caller did not ask for it"

    stand(tmp_path, story)


def test_what_did_not_come_to_its_end_is_not_kept(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        end = Done(b"data: [DONE]\n\n", USAGE)
        begun: list[Event] = [Piece(chunk(delta(content="a"))), end]
        broken: list[Event] = [Piece(chunk(delta(finish="stop"))), Done(b'data: {"error":{}}\n\n', USAGE)]
        left: list[Event] = [Piece(chunk(delta(finish="stop"))), end]
        odd: list[Event] = [Piece(b'data: {"choices":[{"delta":{"tool_calls":7}}]}\n\n'), end]
        for stream in (begun, broken, odd):
            out = await said(s, stream, stream=True)
            assert len(out) == 2, "it goes out all the same"
        await said(s, left, stream=True, leave=1)
        await said(s, [Done(b"no json", None)])
        assert await kept(s) == []
        await said(s, left, stream=True)
        assert len(await kept(s)) == 1

    stand(tmp_path, story)


def test_lists_are_filtered_and_walked_both_ways(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        chance, all_ = random.Random(3), []
        for at in range(25):
            about = {"colour": "red" if at % 3 else "blue", "even": str(at % 2 == 0)}
            (done,) = await said(s, whole(model=f"m-{at % 2}"), metadata=about)
            assert isinstance(done, Done)
            all_.append((json.loads(done.data)["id"], f"m-{at % 2}", about))
        all_.sort()
        red = {"metadata[colour]": "red"}
        for filters, fits in (
            ({}, lambda _m, _a: True),
            ({"model": "m-1"}, lambda m, _a: m == "m-1"),
            (red, lambda _m, a: a["colour"] == "red"),
            ({**red, "metadata[even]": "True"}, lambda _m, a: a == {"colour": "red", "even": "True"}),
            ({**red, "model": "m-0"}, lambda m, a: m == "m-0" and a["colour"] == "red"),
            ({"metadata[colour]": "green"}, lambda _m, _a: False),
        ):
            ids = [id_ for id_, model, about in all_ if fits(model, about)]
            for order, wanted in (("asc", ids), ("desc", ids[::-1])):
                for cursor in ("after", "before"):
                    assert await walked(s, filters, order, cursor, chance, wanted) == wanted, (filters, order, cursor)
        first = all_[0][0]
        assert (await s.get(ALL, key=s.key))["data"][0]["id"] == first, "ascending unless asked otherwise"
        assert (await s.ask("GET", ALL, key=s.key, after="msg_1")).error == (400, None, "after")
        assert (await s.ask("GET", ALL, key=s.key, metadata="x")).error == (400, None, "metadata")
        assert (await s.ask("GET", ALL, key=s.key, colour="x")).status == 400
        await s.ask("DELETE", f"{ALL}/{first}", key=s.key)
        assert (await kept(s, after=first))[0]["id"] == all_[1][0], "who deletes while reading goes on"

    stand(tmp_path, story)


async def walked(
    s: Stand, filters: Any, order: str, cursor: str, chance: random.Random, wanted: list[str]
) -> list[str]:
    """The whole list, page after page; backwards from its last object, which is taken for granted."""
    found: list[str] = wanted[-1:] if cursor == "before" else []
    given = {cursor: found[0]} if found else {}
    while True:
        page = await s.get(ALL, key=s.key, order=order, limit=chance.randint(1, 9), **filters, **given)
        part = [each["id"] for each in page["data"]]
        found = found + part if cursor == "after" else part + found
        if not page["has_more"]:
            return found
        given = {cursor: part[-1] if cursor == "after" else part[0]}


def test_another_projects_is_told_as_one_that_never_was_and_the_expired_is_swept(tmp_path: Path) -> None:
    async def story(s: Stand) -> None:
        other = await other_projects_key(s)
        (done,) = await said(s, whole(), metadata={"k": "v"})
        assert isinstance(done, Done)
        id_, never = json.loads(done.data)["id"], "chatcmpl-0"
        for method, path, body in (
            ("GET", "{}", None),
            ("POST", "{}", {"metadata": {}}),
            ("DELETE", "{}", None),
            ("GET", "{}/messages", None),
        ):
            foreign = await s.ask(method, f"{ALL}/" + path.format(id_), body, key=other)
            unknown = await s.ask(method, f"{ALL}/" + path.format(never), body, key=other)
            assert foreign.status == unknown.status == 404
            assert str(foreign.body).replace(id_, never) == str(unknown.body)
        assert (await s.get(ALL, key=other, **{"metadata[k]": "v"}))["data"] == []

        def end(connection: Connection) -> list[int]:
            at = s.worker.clock.now_s() + 31 * 86_400
            swept = [sweep(connection, at - 2 * 86_400, 10), sweep(connection, at, 10), sweep(connection, at, 10)]
            left = select(func.count()).select_from(tables.stored_completion_metadata)
            return [*swept, int(connection.execute(left).scalar_one())]

        assert await s.worker.database.write(end) == [0, 1, 0, 0]

    stand(tmp_path, story)
