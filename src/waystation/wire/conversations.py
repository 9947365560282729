"""Conversations and what is asked of them, as OpenAI shapes both."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from waystation.wire.answers import Shape
from waystation.wire.messages import Plain
from waystation.wire.parameters import Metadata

ITEMS_MAX = 20
"""Items of one request: OpenAI's bound."""

Items = Annotated[list[dict[str, Any]], Meta(max_length=ITEMS_MAX)]


class CreateConversation(Plain, frozen=True, gc=False):
    metadata: Metadata | None = None
    items: Items | None = None


class UpdateMetadata(Plain, frozen=True, gc=False):
    metadata: Metadata | None


class CreateItems(Plain, frozen=True, gc=False):
    items: Items


class ConversationObject(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]


class ConversationItem(Shape, frozen=True, kw_only=True):
    """What all items have; the rest is its kind's own."""

    type: str
    id: str


class ConversationItemList(Shape, frozen=True, kw_only=True):
    """OpenAI's list of items; of an empty one the ids are empty, since they are texts there."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str
    last_id: str
    has_more: bool
