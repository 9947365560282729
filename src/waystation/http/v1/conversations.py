"""`/v1/conversations`: conversations and their items, as OpenAI has them. They are kept until they are deleted."""

from functools import partial
from typing import Any

from waystation.http.v1.control import PAGE_BOTH_WAYS, Asked, Control, Json, Query, Resource
from waystation.storage.conversations.model import Conversation
from waystation.wire.conversations import (
    ConversationItem,
    ConversationItemList,
    ConversationObject,
    CreateConversation,
    CreateItems,
    UpdateMetadata,
)
from waystation.wire.items import Item, check_item, read_include, shown
from waystation.wire.listing import Deleted, Page, shown_of
from waystation.wire.read import Reader

BODY_BYTES_MAX = 32 * 1024 * 1024
"""Items may have pictures and files in them."""

_read_create, _read_update = Reader(CreateConversation).read, Reader(UpdateMetadata).read
_read_items = Reader(CreateItems).read


async def create(control: Control, asked: Asked) -> ConversationObject:
    wanted = _read_create(asked.body or b"{}")
    items = _checked(wanted.items or [])
    verb = partial(
        control.conversations.create, project_id=asked.project_id, metadata=wanted.metadata or {}, items=items
    )
    return conversation_object(await control.change(verb))


async def retrieve(control: Control, asked: Asked) -> ConversationObject:
    return conversation_object(await control.read(partial(control.conversations.conversation, **_which(asked))))


async def update(control: Control, asked: Asked) -> ConversationObject:
    metadata = _read_update(asked.body).metadata or {}
    verb = partial(control.conversations.update, **_which(asked), metadata=metadata)
    return conversation_object(await control.change(verb))


async def delete(control: Control, asked: Asked) -> Deleted:
    which = _which(asked)
    await control.change(partial(control.conversations.delete, **which))
    return Deleted(object="conversation.deleted", id=which["conversation_id"])


async def create_items(control: Control, asked: Asked) -> ConversationItemList:
    include = read_include(asked.values("include"))
    items = _checked(_read_items(asked.body).items)
    kept = await control.change(partial(control.conversations.append, **_which(asked), items=items))
    return _listed([shown(each, include) for each in kept], has_more=False)


async def list_items(control: Control, asked: Asked) -> ConversationItemList:
    include, page = read_include(asked.values("include")), asked.page()
    found = await control.read(partial(control.conversations.page, **_which(asked), page=page))
    return _page_of([shown(each, include) for each in found], page)


async def retrieve_item(control: Control, asked: Asked) -> Json:
    include = read_include(asked.values("include"))
    which = _which(asked) | {"item_id": asked.id("item_id")}
    return Json(shown(await control.read(partial(control.conversations.item, **which)), include))


async def delete_item(control: Control, asked: Asked) -> ConversationObject:
    which = _which(asked) | {"item_id": asked.id("item_id")}
    return conversation_object(await control.change(partial(control.conversations.delete_item, **which)))


def _which(asked: Asked) -> dict[str, Any]:
    return {"project_id": asked.project_id, "conversation_id": asked.id("conversation_id")}


def _checked(items: list[Item]) -> list[Item]:
    for at, each in enumerate(items):
        check_item(each, f"items[{at}]")
    return items


def _page_of(found: list[Item], page: Page) -> ConversationItemList:
    return _listed(shown_of(page, found), has_more=len(found) > page.limit)


def _listed(items: list[Any], *, has_more: bool) -> ConversationItemList:
    ends = (items[0]["id"], items[-1]["id"]) if items else ("", "")
    return ConversationItemList(data=items, first_id=ends[0], last_id=ends[1], has_more=has_more)


def conversation_object(conversation: Conversation) -> ConversationObject:
    return ConversationObject(
        id=conversation.id, created_at=conversation.created_at, metadata=dict(conversation.metadata)
    )


_ALL, _ONE = "/conversations", "/conversations/{conversation_id}"
_ITEMS, _ITEM = f"{_ONE}/items", f"{_ONE}/items/{{item_id}}"
_INCLUDE = (Query("include", {"type": "array", "items": {"type": "string"}}, "What else is to be in the answer."),)
_MADE = ConversationObject
RESOURCES = (
    Resource(
        "POST",
        _ALL,
        create,
        "createConversation",
        "Begin a conversation.",
        _MADE,
        CreateConversation,
        body_bytes_max=BODY_BYTES_MAX,
    ),
    Resource("GET", _ONE, retrieve, "getConversation", "A conversation.", _MADE),
    Resource("POST", _ONE, update, "updateConversation", "Change a conversation's metadata.", _MADE, UpdateMetadata),
    Resource("DELETE", _ONE, delete, "deleteConversation", "Delete a conversation and its items.", Deleted),
    Resource(
        "GET",
        _ITEMS,
        list_items,
        "listConversationItems",
        "A conversation's items.",
        ConversationItemList,
        query=(*PAGE_BOTH_WAYS, *_INCLUDE),
    ),
    Resource(
        "POST",
        _ITEMS,
        create_items,
        "createConversationItems",
        "Add items to a conversation.",
        ConversationItemList,
        CreateItems,
        query=_INCLUDE,
        body_bytes_max=BODY_BYTES_MAX,
    ),
    Resource("GET", _ITEM, retrieve_item, "getConversationItem", "An item.", ConversationItem, query=_INCLUDE),
    Resource("DELETE", _ITEM, delete_item, "deleteConversationItem", "Delete an item.", ConversationObject),
)
