"""`/v1/chat/completions`, read: those that were asked for with `store: true`, as OpenAI has them."""

from functools import partial
from typing import Any, TypeVar

from waystation.errors import InvalidRequest
from waystation.http.v1.control import PAGE_BOTH_WAYS, Asked, Control, Json, Query, Resource
from waystation.wire.conversations import UpdateMetadata
from waystation.wire.listing import Deleted, Page, is_id, shown_of
from waystation.wire.read import Reader
from waystation.wire.stored_completions import (
    OpenListing,
    StoredCompletionList,
    StoredCompletionObject,
    StoredMessageList,
)

PAIRS_MAX = 16  # of metadata, as an object may have

L = TypeVar("L", bound=OpenListing)
_read_update = Reader(UpdateMetadata).read


async def list_(control: Control, asked: Asked) -> StoredCompletionList:
    page = asked.page(_is_completion, "asc")
    verb = partial(
        control.completions.page,
        project_id=asked.project_id,
        page=page,
        model=asked.query.get("model"),
        metadata=_metadata(asked),
    )
    return _listing(StoredCompletionList, page, await control.read(verb))


async def retrieve(control: Control, asked: Asked) -> Json:
    return Json(await control.read(partial(control.completions.completion, **_which(asked))))


async def update(control: Control, asked: Asked) -> Json:
    metadata = _read_update(asked.body).metadata or {}
    return Json(await control.change(partial(control.completions.update, **_which(asked), metadata=metadata)))


async def delete(control: Control, asked: Asked) -> Deleted:
    which = _which(asked)
    await control.change(partial(control.completions.delete, **which))
    return Deleted(object="chat.completion.deleted", id=which["completion_id"])


async def messages(control: Control, asked: Asked) -> StoredMessageList:
    page = asked.page(order="asc")
    all_ = await control.read(partial(control.completions.messages, **_which(asked)))
    rows = all_ if page.reads_ascending else all_[::-1]
    if page.cursor:
        ids = [each["id"] for each in rows]
        if page.cursor not in ids:
            name = "after" if page.after else "before"
            raise InvalidRequest(f"Invalid '{name}': there is no message {page.cursor!r}.", param=name)
        rows = rows[ids.index(page.cursor) + 1 :]
    return _listing(StoredMessageList, page, rows[: page.rows_max])


def _listing(kind: type[L], page: Page, found: list[Any]) -> L:
    data = shown_of(page, found)
    ends = (data[0]["id"], data[-1]["id"]) if data else ("", "")
    return kind(data=data, first_id=ends[0], last_id=ends[1], has_more=len(found) > page.limit)


def _which(asked: Asked) -> dict[str, Any]:
    return {"project_id": asked.project_id, "completion_id": asked.id("completion_id")}


def _is_completion(cursor: str) -> bool:
    return is_id(cursor) and cursor.startswith("chatcmpl-")


def _metadata(asked: Asked) -> dict[str, str]:
    """`metadata[colour]=red`: what they have to have."""
    pairs = {
        name.removeprefix("metadata[").removesuffix("]"): value
        for name, value in asked.query.items()
        if name.startswith("metadata[")
    }
    if len(pairs) > PAIRS_MAX or "metadata" in asked.query:
        raise InvalidRequest(f"Invalid 'metadata': send up to {PAIRS_MAX} metadata[key]=value.", param="metadata")
    return pairs


_ALL, _ONE = "/chat/completions", "/chat/completions/{completion_id}"
_FILTERS = (
    Query("model", {"type": "string"}, "The model that answered."),
    Query(
        "metadata", {"type": "object", "additionalProperties": {"type": "string"}}, "metadata[key]=value, all of them."
    ),
)
_MADE = StoredCompletionObject
_MESSAGES = "The messages that were sent."
RESOURCES = (
    Resource(
        "GET",
        _ALL,
        list_,
        "listChatCompletions",
        "Stored chat completions, the oldest first.",
        StoredCompletionList,
        query=(*PAGE_BOTH_WAYS, *_FILTERS),
    ),
    Resource("GET", _ONE, retrieve, "getChatCompletion", "A stored chat completion.", _MADE),
    Resource("POST", _ONE, update, "updateChatCompletion", "Change its metadata.", _MADE, UpdateMetadata),
    Resource("DELETE", _ONE, delete, "deleteChatCompletion", "Delete it.", Deleted),
    Resource(
        "GET",
        f"{_ONE}/messages",
        messages,
        "getChatCompletionMessages",
        _MESSAGES,
        StoredMessageList,
        query=PAGE_BOTH_WAYS,
    ),
)
