"""Stored chat completions and what is asked of them, as OpenAI shapes both."""

from typing import Any, Literal

from waystation.wire.answers import Shape


class StoredCompletionObject(Shape, frozen=True, kw_only=True):
    """What it has besides a chat completion: what was asked, and how it may be found."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    request_id: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any] | None
    metadata: dict[str, str]


class OpenListing(Shape, frozen=True, kw_only=True):
    """A list of objects whose shape is open. Ids are empty where there are none: they are texts at OpenAI."""

    object: Literal["list"] = "list"
    data: list[dict[str, Any]]
    first_id: str
    last_id: str
    has_more: bool


class StoredCompletionList(OpenListing, frozen=True, kw_only=True): ...


class StoredMessageList(OpenListing, frozen=True, kw_only=True): ...
