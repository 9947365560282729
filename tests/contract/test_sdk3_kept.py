"""The official SDK on what is kept: responses, in the background too, conversations with their items, stored chats, uploads.

Most of it in front of a provider that only chats; what is answered is ours, and is held against OpenAI's description.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.contract.conftest import client_of
from tests.contract.recorder import Recorder
from tests.e2e.running import Running

MODEL, SLOW = "gpt-4o", "slow"
LOCAL = "gpt-4o-mini"
WAIT_S = 30.0
ENDED = ("completed", "failed", "cancelled", "incomplete")


@pytest.fixture
def kept(gateway: Running, recorder: Recorder) -> OpenAI:
    return client_of(gateway, recorder)


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {WAIT_S} s")


def test_a_response_is_read_again_listed_gone_on_with_and_deleted(kept: OpenAI) -> None:
    first = kept.responses.create(model=MODEL, input="one", metadata={"topic": "demo"})
    assert kept.responses.retrieve(first.id) == first
    second = kept.responses.create(model=MODEL, input="two", previous_response_id=first.id)
    items = list(kept.responses.input_items.list(second.id, order="asc", limit=1))  # page by page
    assert [each.type for each in items] == ["message"] * 3
    assert len({getattr(each, "id", None) for each in items}) == 3
    kept.responses.delete(second.id)
    for ask in (kept.responses.retrieve, kept.responses.delete, kept.responses.cancel):
        with pytest.raises(NotFoundError):
            ask(second.id)
    with pytest.raises(BadRequestError) as refused:
        kept.responses.create(model=MODEL, input="three", previous_response_id=second.id)
    assert refused.value.code == "previous_response_not_found"


def test_a_response_in_the_background_is_polled_streamed_and_gone_on_with(kept: OpenAI) -> None:
    queued = kept.responses.create(model=MODEL, input="hi", background=True)
    assert queued.status == "queued"
    ended = until(lambda: (found := kept.responses.retrieve(queued.id)).status in ENDED and found)
    assert ended.status == "completed"
    events = list(kept.responses.create(model=MODEL, input="hi", background=True, stream=True))
    response_id = events[0].response.id  # type: ignore[union-attr]
    with kept.responses.retrieve(response_id, stream=True) as again:
        assert list(again) == events
    with kept.responses.retrieve(response_id, stream=True, starting_after=events[2].sequence_number) as rest:
        assert list(rest) == events[3:]


def test_a_response_in_the_background_is_cancelled(kept: OpenAI) -> None:
    queued = kept.responses.create(model=SLOW, input="hi", background=True)
    assert kept.responses.cancel(queued.id).status == "cancelled"
    assert kept.responses.cancel(queued.id).status == "cancelled"
    assert kept.responses.retrieve(queued.id).status == "cancelled"
    with pytest.raises(BadRequestError):
        kept.responses.cancel(kept.responses.create(model=MODEL, input="hi").id)


def test_a_conversation_grows_with_its_responses_and_by_hand(kept: OpenAI) -> None:
    made = kept.conversations.create(
        items=[{"type": "message", "role": "user", "content": "Hello!"}], metadata={"topic": "demo"}
    )
    assert kept.conversations.retrieve(made.id) == made
    assert kept.conversations.update(made.id, metadata={"topic": "x"}).metadata == {"topic": "x"}
    kept.responses.create(model=MODEL, input="one", conversation=made.id)
    added = kept.conversations.items.create(made.id, items=[{"type": "message", "role": "user", "content": "two"}]).data
    items = list(kept.conversations.items.list(made.id, order="asc", limit=1))
    assert [each.role for each in items] == ["user", "user", "assistant", "user"]  # type: ignore[union-attr]
    assert items[-1:] == added
    item_id = str(added[0].id)
    assert kept.conversations.items.retrieve(item_id, conversation_id=made.id) == added[0]
    assert kept.conversations.items.delete(item_id, conversation_id=made.id).id == made.id
    with pytest.raises(NotFoundError):
        kept.conversations.items.retrieve(item_id, conversation_id=made.id)
    assert kept.conversations.delete(made.id).deleted is True
    with pytest.raises(NotFoundError):
        kept.conversations.items.list(made.id)


def test_a_stored_chat_is_listed_read_changed_and_deleted(client: OpenAI) -> None:
    topic = {"topic": "stored"}
    made = [
        client.chat.completions.create(
            model=LOCAL, max_tokens=4, messages=[{"role": "user", "content": f"{at}"}], store=True, metadata=topic
        )
        for at in range(3)
    ]
    listed = [each.id for each in client.chat.completions.list(metadata=topic, limit=2)]
    assert listed == sorted(each.id for each in made), "page by page"
    found = client.chat.completions.retrieve(made[0].id)
    assert found.choices == made[0].choices
    changed = client.chat.completions.update(made[0].id, metadata={"topic": "other"})
    assert changed.choices == found.choices
    left = [each.id for each in client.chat.completions.list(metadata=topic)]
    assert left == [each for each in listed if each != found.id]
    (message,) = client.chat.completions.messages.list(made[0].id)
    assert (message.role, message.content) == ("user", "0")
    for each in made:
        assert client.chat.completions.delete(each.id).deleted is True
    with pytest.raises(NotFoundError):
        client.chat.completions.retrieve(made[0].id)
    assert list(client.chat.completions.list(metadata=topic)) == []


def test_an_upload_is_put_together_or_given_up(kept: OpenAI) -> None:
    about: dict[str, Any] = {"filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"}
    upload = kept.uploads.create(bytes=6, **about)
    parts = [kept.uploads.parts.create(upload.id, data=text) for text in (b"def", b"abc")]
    done = kept.uploads.complete(upload.id, part_ids=[each.id for each in reversed(parts)])
    assert (done.status, done.file is not None) == ("completed", True)
    assert done.file is not None
    assert kept.files.retrieve(done.file.id) == done.file
    assert done.file.id in [each.id for each in kept.files.list(limit=1)]
    assert kept.files.delete(done.file.id).deleted is True
    given_up = kept.uploads.create(bytes=6, **about)
    assert kept.uploads.cancel(given_up.id).status == "cancelled"
