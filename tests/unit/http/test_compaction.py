"""Conversations made short and counted over the whole app, with a provider that only chats."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.http.control_stand import Stand
from tests.unit.http.test_conversations import other_projects_key
from tests.unit.http.test_kept_responses import answering, ask, last_messages
from waystation.cli.first_start import make_secret_key
from waystation.storage.responses.counting import IMAGE_TOKENS_LOW, IMAGE_TOKENS_USUAL, countable
from waystation.testing.upstream import Upstream
from waystation.wire.responses import read_response

COMPACT, COUNT = "/responses/compact", "/responses/input_tokens"


def test_a_conversation_is_made_short_and_gone_on_with(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        one = await ask(s, "one", instructions="Be brief.")
        asked = len(upstream.requests)
        lost = await s.ask("POST", COMPACT, {"model": "m", "input": "two"}, key=s.key)
        assert (lost.status, len(upstream.requests)) == (503, asked)  # without a key no model is paid
        make_secret_key(s.worker.settings.data)
        said = one["output"][0]["content"][0]["text"]
        made = await s.post(COMPACT, {"model": "m", "previous_response_id": one["id"], "input": "two"}, key=s.key)
        instructions, told = last_messages(upstream)
        assert instructions.startswith("You are given a conversation")
        assert said in told
        assert made["object"] == "response.compaction"
        assert made["usage"]["input_tokens"] > 0
        assert said not in msgspec.json.encode(made).decode()
        assert (await s.ask("GET", f"/responses/{made['id']}", key=s.key)).status == 404  # nothing is kept of it
        two = await ask(s, [*made["output"], {"role": "user", "content": "three"}])
        assert last_messages(upstream)[0] == "one"
        assert said in last_messages(upstream)[2]
        await ask(s, "four", previous_response_id=two["id"])
        assert len(last_messages(upstream)) == 6
        other = await other_projects_key(s)
        refused = await s.ask("POST", "/responses", {"model": "m", "input": made["output"]}, key=other)
        assert refused.error == (400, "invalid_encrypted_content", "input")

    answering(tmp_path, story)


def test_compacting_along_with_an_answer_is_never_left_out_in_silence(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        body = {"model": "m", "input": "one", "context_management": [{"type": "compaction", "compact_threshold": 1000}]}
        said = await s.ask("POST", "/responses", body, key=s.key)
        assert said.headers["x-waystation-ignored"] == "context_management"
        trigger = [{"role": "user", "content": "one"}, {"type": "compaction_trigger"}]
        said = await s.ask("POST", "/responses", {"model": "m", "input": trigger}, key=s.key)
        assert said.error == (400, "unsupported_parameter", "input[1].type")
        assert "compaction_trigger" in said.body["error"]["message"]

    answering(tmp_path, story)


def test_what_a_response_would_read_is_counted_and_nothing_is_kept_or_asked(tmp_path: Path) -> None:
    async def story(s: Stand, upstream: Upstream) -> None:
        made = await s.post("/conversations", {"items": [{"role": "user", "content": "one two three"}]}, key=s.key)
        asked = len(upstream.requests)

        async def count(text: Any = "Hello", **given: Any) -> int:
            return int((await s.post(COUNT, {"model": "m", "input": text, **given}, key=s.key))["input_tokens"])

        plain = await count()
        assert plain == 3 + 3 + 1 + 1  # OpenAI's sum: the reply, a message, its role, its word
        assert await count(conversation=made["id"], background=True) == plain + 3 + 1 + 3
        assert await count(instructions="Be brief.") == plain + 3 + 1 + 3
        tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
        assert await count(tools=[tool]) > plain + 15
        items = await s.get(f"/conversations/{made['id']}/items", key=s.key)
        assert len(items["data"]) == 1
        assert len(upstream.requests) == asked
        one = await ask(s, "Hello")
        assert await count("Bye", previous_response_id=one["id"]) > plain
        other = await other_projects_key(s)
        foreign = {"model": "m", "input": "x", "previous_response_id": one["id"]}
        assert (await s.ask("POST", COUNT, foreign, key=other)).error == (
            400,
            "previous_response_not_found",
            "previous_response_id",
        )
        assert (await s.ask("POST", COUNT, {"model": "none", "input": "x"}, key=s.key)).error[:2] == (
            404,
            "model_not_found",
        )
        assert (await s.ask("POST", COUNT, {"input": "x"}, key=s.key)).status == 400
        picture = [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x/a.png"}]}]
        blind = await s.ask("POST", COUNT, {"model": "m", "input": picture}, key=s.key)
        assert blind.error == (400, "invalid_value", "input[0].content[0]")
        big = {"model": "m", "input": "a b " * 100_000}
        assert (await s.post(COUNT, big, key=s.key))["input_tokens"] > 100_000

    answering(tmp_path, story)


@pytest.mark.parametrize(
    ("item", "text", "more"),
    [
        ({"role": "user", "content": "Hi"}, "Hi", 0),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, "c\nf\n{}", 0),
        ({"type": "function_call_output", "call_id": "c", "output": "21"}, "c\n21", 0),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
            "",
            IMAGE_TOKENS_USUAL,
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": "http://x/a.png", "detail": "low"}]},
            "",
            IMAGE_TOKENS_LOW,
        ),
    ],
)
def test_what_is_counted_of_an_item(item: dict[str, Any], text: str, more: int) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "21"}
    whole = [item] if item.get("type") is None else [call, output]
    messages, pictures = countable(read_response(msgspec.json.encode({"model": "m", "input": whole})))
    assert messages[whole.index(item)]["content"] == text
    assert pictures == more
