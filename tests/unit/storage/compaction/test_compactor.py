"""A conversation is made short over a call as any other, and gone on with from what came of it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.storage.responses.kept_stand import ALICE, BOB, Kept, kept, texts
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.storage.compaction.compactor import SUMMARY_TOKENS_MAX, Compactor
from waystation.terms import Caller, Dialect, Done, Event, Operation, Rung, Usage
from waystation.wire.compaction import read_compact


async def compact(
    k: Kept, reply: str = "Two things were done.", caller: Caller = ALICE, rung: Rung = Rung.PRIMARY, **given: Any
) -> dict[str, Any]:
    compactor = Compactor(
        k.keeper.recall, k.compactions, k.clock, k.ids.new, resolve=lambda call, caller: k.model, body_bytes_max=20_000
    )
    body = msgspec.json.encode({"model": "m", **given})
    call = Call(Operation.CHAT, "req", body, read_compact(body), None, {}, "", 0, Dialect.RESPONSES)

    async def answer(call: Call) -> AsyncGenerator[Event]:
        k.given = msgspec.json.decode(call.body)
        call.rung = rung
        message = {"type": "message", "content": [{"type": "output_text", "text": reply}]}
        yield Done(msgspec.json.encode({"output": [{"type": "reasoning"}, message]}), Usage(30, 5), cost_nano=7)

    (done,) = [event async for event in compactor.answered(call, caller, answer)]
    assert isinstance(done, Done)
    assert done.cost_nano == 7
    k.ignored = call.ignored
    return dict(msgspec.json.decode(done.data))


async def refused(asking: Any) -> tuple[int, str | None, str | None]:
    with pytest.raises(ApiError) as error:
        await asking
    return error.value.status, error.value.code, error.value.param


def test_a_summary_takes_the_place_of_all_but_the_users_messages(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = await k.ask("one", "first")
        made = await compact(
            k, previous_response_id=one["id"], input="two", instructions="Be brief.", service_tier="flex", stream=True
        )
        assert (made["object"], made["id"][:5]) == ("response.compaction", "resp_")
        assert made["usage"]["total_tokens"] == 35
        *messages, item = made["output"]
        assert texts(messages) == ["one", "two"]
        assert {each["role"] for each in messages} == {"user"}
        assert (item["type"], item["id"][:4]) == ("compaction", "cmp_")
        assert "first" in k.read[0]
        assert "Be brief." in k.read[0]
        assert (k.given["store"], k.given["service_tier"]) == (False, "flex")
        assert k.given["max_output_tokens"] == min(SUMMARY_TOKENS_MAX, 1_000)
        assert "stream" not in k.given
        assert k.ignored == ("stream",)

    kept(tmp_path, story)


def test_what_came_of_it_is_gone_on_with_and_made_short_again(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        made = await compact(k, input="one")
        three = await k.ask([*made["output"], {"role": "user", "content": "three"}])
        assert k.read[0] == "one"
        assert k.read[1].endswith("\n\nTwo things were done.")
        assert k.read[2] == "three"
        await k.ask("four", previous_response_id=three["id"])
        assert [each[-5:] for each in k.read] == ["one", "done.", "three", "Aye.", "four"]
        again = await compact(k, "Three things.", previous_response_id=three["id"])
        assert "Two things were done." in k.read[0]
        assert texts(again["output"][:-1]) == ["one", "three"]
        assert [each["type"] for each in again["output"]] == ["message", "message", "compaction"]

    kept(tmp_path, story)


def test_another_projects_is_refused_wherever_it_is_sent(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        made = await compact(k, input="one")
        said = (400, "invalid_encrypted_content", "input")
        assert await refused(k.ask(made["output"], caller=BOB)) == said
        assert await refused(k.ask(made["output"], caller=BOB, store=False)) == said
        assert await refused(compact(k, input=made["output"], caller=BOB)) == said
        one = await k.ask("one")
        missing = (400, "previous_response_not_found", "previous_response_id")
        assert await refused(compact(k, previous_response_id=one["id"], caller=BOB)) == missing

    kept(tmp_path, story)


def test_what_a_provider_compacted_stays_as_it_came(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        theirs = {"type": "compaction", "id": "cmp_theirs", "encrypted_content": "gAAAA"}
        made = await compact(k, input=[theirs, {"role": "user", "content": "one"}])
        assert made["output"][0] == theirs
        assert "gAAAA" not in k.read[0]

    kept(tmp_path, story)


def test_no_summary_is_no_compaction(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        assert (await refused(compact(k, " ", input="one")))[:2] == (502, "upstream_error")
        assert (await refused(compact(k, input="one", rung=Rung.STATIC)))[:2] == (503, "service_unavailable")
        assert await refused(compact(k, input="x" * 20_000)) == (400, "context_length_exceeded", "input")
        assert await refused(compact(k)) == (400, "missing_required_parameter", "input")

    kept(tmp_path, story)
