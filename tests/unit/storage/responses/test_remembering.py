"""What the Responses API remembers: turns that build on each other, items that are referred to, and what is forgotten."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from tests.unit.storage.responses.kept_stand import ALICE, BOB, DAY_S, Kept, kept, texts
from waystation.errors import ApiError, ContextLengthExceeded, InvalidRequest, UpstreamFailed
from waystation.storage.responses import service
from waystation.storage.vault import Vault
from waystation.terms import Secret


async def refused(asking: object) -> tuple[int, str | None, str | None, str]:
    with pytest.raises(ApiError) as error:
        await asking  # type: ignore[misc]
    return error.value.status, error.value.code, error.value.param, error.value.message


def test_a_response_goes_on_from_all_turns_before_it(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = await k.ask("one", "first", instructions="Be brief.")
        two = await k.ask("two", "second", previous_response_id=one["id"], stream=True)
        await k.ask("three", previous_response_id=two["id"], store=False, conversation=None)
        assert k.read == ["one", "first", "two", "second", "three"]
        assert "instructions" not in k.given
        assert k.given["store"] is False
        assert not {"previous_response_id", "conversation", "background"} & k.given.keys()
        await k.ask("other", previous_response_id=one["id"])
        assert k.read == ["one", "first", "other"]
        assert (await k.row(two["id"])).previous_id == one["id"]
        assert await k.texts_of_input(two["id"]) == ["one", "first", "two"]

    kept(tmp_path, story)


def test_what_is_not_there_any_more_or_not_ones_own_is_told_in_the_same_words(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = (await k.ask("one"))["id"]
        two = (await k.ask("two", previous_response_id=one))["id"]
        said = {
            await refused(k.ask("x", previous_response_id=one, caller=BOB)),
            await refused(k.ask("x", previous_response_id=one.replace("resp_", "resp_0"), caller=BOB)),
        }
        assert {each[:3] for each in said} == {(400, "previous_response_not_found", "previous_response_id")}
        assert await refused(k.row(one, BOB)) == (404, None, None, f"Response with id '{one}' not found.")
        await k.delete(one)
        assert (await refused(k.row(one)))[0] == 404
        status, code, param, message = await refused(k.ask("x", previous_response_id=two))
        assert (status, code, param) == (400, "previous_response_not_found", "previous_response_id")
        assert "was deleted" in message
        assert (await k.row(two)).id == two

    kept(tmp_path, story)


def test_nothing_is_kept_of_what_is_not_to_be_stored_or_was_refused(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = await k.ask("one", store=False)
        assert (await refused(k.row(one["id"])))[0] == 404
        await refused(k.ask("one", breaks=UpstreamFailed("gone")))
        assert await k.database.read(lambda c: c.exec_driver_sql("select count(*) from responses").scalar()) == 0
        assert (await refused(k.ask("x", background=True, store=False)))[2] == "background"
        assert (await refused(k.ask("x", conversation="conv_1", previous_response_id="resp_1")))[0] == 400

    kept(tmp_path, story)


def test_a_stream_that_broke_off_is_kept_as_its_last_event_tells_it(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        await refused(k.ask("one", "first", stream=True, breaks=UpstreamFailed("It broke off.")))
        found = await k.database.read(lambda c: c.exec_driver_sql("select id from responses").scalar())
        row = await k.row(str(found))
        assert row.status == "failed"
        assert b'"error":{"code":"server_error","message":"It broke off."}' in row.body
        assert (await refused(k.ask("x", previous_response_id=row.id)))[1] == "previous_response_not_ready"

    kept(tmp_path, story)


def test_an_item_that_is_referred_to_is_put_in_place(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = await k.ask([{"role": "user", "content": "one", "id": "msg_own1"}], "first")
        reference = {"type": "item_reference", "id": one["output"][0]["id"]}
        own = {"type": "item_reference", "id": "msg_own1"}
        await k.ask([own, reference, {"role": "user", "content": "two"}], store=False)
        assert k.read == ["one", "first", "two"]
        spoken = {"type": "message", "id": "msg_said1", "role": "user", "content": "said"}
        await k.database.write(lambda c: k.conversations.create(c, "proj_a", {}, [spoken]))
        await k.ask([{"type": "item_reference", "id": "msg_said1"}, own], store=False)
        assert k.read == ["said", "one"]
        for caller, item_id in ((BOB, reference["id"]), (BOB, "msg_said1"), (ALICE, "msg_none")):
            said = await refused(k.ask([{"type": "item_reference", "id": item_id}], caller=caller))
            assert said[:3] == (404, None, "input")
            assert said[3].startswith(f"Item with id '{item_id}' not found.")
        await k.delete(one["id"])
        assert (await refused(k.ask([reference])))[0] == 404

    kept(tmp_path, story)


def test_a_call_of_before_needs_its_output_and_an_output_its_call(tmp_path: Path) -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "42"}

    async def story(k: Kept) -> None:
        one = (await k.ask("one", output=[call]))["id"]
        said = await refused(k.ask("And?", previous_response_id=one))
        assert said == (400, None, "input", "No tool output found for function call c1.")
        two = (await k.ask([result], "42.", previous_response_id=one))["id"]
        await k.ask("And?", previous_response_id=two)
        said = await refused(k.ask([result | {"call_id": "c2"}], previous_response_id=two))
        assert said == (400, None, "input", "No tool call found for function call output with call_id c2.")
        assert await k.database.read(lambda c: c.exec_driver_sql("select count(*) from responses").scalar()) == 3

    kept(tmp_path, story)


def test_a_thought_that_is_only_named_comes_back_whole(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
        await k.ask("one", output=[thought])
        named = {"type": "reasoning", "id": "rs_1", "summary": []}
        for caller, given, read in (
            (ALICE, named, thought),
            (ALICE, named | {"encrypted_content": "own"}, named | {"encrypted_content": "own"}),
            (ALICE, named | {"id": "rs_unknown"}, named | {"id": "rs_unknown"}),
            (BOB, named, named),
        ):
            await k.ask([given, {"role": "user", "content": "two"}], store=False, caller=caller)
            assert k.given["input"][0] == read

    kept(tmp_path, story)


def test_a_conversation_is_read_before_and_added_to_after(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        conversation = (await k.database.write(lambda c: k.conversations.create(c, "proj_a", {}, []))).id
        await k.ask("one", "first", conversation=conversation)
        await k.ask("two", "second", conversation={"id": conversation}, store=False)
        assert k.read == ["one", "first", "two"]
        with pytest.raises(UpstreamFailed):
            await k.ask("lost", stream=True, breaks=UpstreamFailed("gone"), conversation=conversation)
        items = await k.database.read(lambda c: k.conversations.items(c, "proj_a", conversation))
        assert texts(items) == ["one", "first", "two", "second"]
        said = await refused(k.ask("x", conversation=conversation, caller=BOB))
        assert said == (404, None, "conversation", f"Conversation with id '{conversation}' not found.")

    kept(tmp_path, story)


def test_two_at_once_on_a_conversation_are_added_one_after_the_other(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        conversation = (await k.database.write(lambda c: k.conversations.create(c, "proj_a", {}, []))).id
        await k.ask("first", "first!", conversation=conversation)
        meets = asyncio.Barrier(5)  # all of them have read the conversation before any has ended
        await asyncio.gather(*(k.ask(f"{n}", f"{n}!", conversation=conversation, meets=meets) for n in range(5)))
        assert len(k.read) == 3
        items = texts(await k.database.read(lambda c: k.conversations.items(c, "proj_a", conversation)))
        assert items[0] == "first"
        assert sorted(items[2::2]) == [f"{n}" for n in range(5)]
        assert items[1::2] == [f"{each}!" for each in items[::2]]

    kept(tmp_path, story)


def test_what_a_living_response_builds_on_lives_as_long(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = (await k.ask("one"))["id"]
        k.clock.advance(20 * DAY_S)
        two = (await k.ask("two", previous_response_id=one))["id"]
        lonely = (await k.ask("lonely"))["id"]
        k.clock.advance(11 * DAY_S)
        await k.sweep()
        await k.ask("three", previous_response_id=two, store=False)
        assert k.read == ["one", "Aye.", "two", "Aye.", "three"]
        assert (await k.row(one)).id == one
        k.clock.advance(20 * DAY_S)
        assert await k.sweep() == 3
        for each in (one, two, lonely):
            assert (await refused(k.row(each)))[0] == 404
        assert await k.sweep() == 0
        assert await k.database.read(lambda c: c.exec_driver_sql("select count(*) from response_items").scalar()) == 0

    kept(tmp_path, story)


def test_a_long_chain_that_expires_at_once_is_swept_a_few_at_a_time(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        last = None
        for _ in range(12):
            last = (await k.ask("x", previous_response_id=last))["id"]
            k.clock.advance(1)
        k.clock.advance(31 * DAY_S)
        assert [await k.sweep(most=5) for _ in range(4)] == [5, 5, 2, 0]

    kept(tmp_path, story)


def test_a_chain_has_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHAIN_RESPONSES_MAX", 3)

    async def story(k: Kept) -> None:
        last = None
        for _ in range(4):
            last = (await k.ask("x", previous_response_id=last))["id"]
        assert (await refused(k.ask("x", previous_response_id=last)))[1] == "context_length_exceeded"

    kept(tmp_path, story)


def test_what_is_too_much_to_send_on_is_refused(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = (await k.ask("x" * 600))["id"]
        with pytest.raises(ContextLengthExceeded):
            await k.ask("y" * 600, previous_response_id=one)

    kept(tmp_path, story, body_bytes_max=1_000)


def test_a_running_response_can_not_be_gone_on_with(tmp_path: Path) -> None:
    async def story(k: Kept) -> None:
        one = (await k.ask("one"))["id"]
        row = await k.row(one)
        await k.database.write(
            lambda c: c.exec_driver_sql("update responses set status = 'in_progress' where id = ?", (one,))
        )
        with pytest.raises(InvalidRequest, match="still in progress"):
            await k.ask("two", previous_response_id=one)
        for status, changes in (("completed", True), ("cancelled", False)):
            finish = partial(
                k.responses.finish, project_id=ALICE.project_id, response_id=one, status=status, body=row.body
            )
            assert await k.database.write(finish) is changes
        assert (await k.row(one)).status == "completed"

    kept(tmp_path, story)


@pytest.mark.parametrize("key", [None, Secret("k" * 32)], ids=["plain", "encrypted"])
def test_contents_are_in_the_files_only_where_they_are_stored_without_a_key(tmp_path: Path, key: Secret | None) -> None:
    async def story(k: Kept) -> None:
        await k.ask("never-kept-marker", "never-kept-marker", store=False)
        await k.ask("kept-marker", "kept-marker")

    kept(tmp_path, story, vault=Vault(key))
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"never-kept-marker" not in files
    assert (b"kept-marker" in files) == (key is None)
