"""Responses that are read again, as OpenAI shapes them: the object, the list of its input items, the word that it is gone."""

from collections.abc import Sequence
from typing import Any, Literal

from waystation.errors import InvalidRequest
from waystation.wire.answers import Shape
from waystation.wire.listing import Page, shown_of

Item = dict[str, Any]


class ResponseObject(Shape, frozen=True, kw_only=True):
    """As it was answered last; OpenAI's description has all members."""

    id: str
    object: Literal["response"] = "response"
    status: Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
    created_at: int
    model: str
    output: list[Item]


class ResponseEvent(Shape, frozen=True, kw_only=True):
    """An event of a stream; what else it has depends on its type."""

    type: str
    sequence_number: int


class InputItems(Shape, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedResponse(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class InputTokens(Shape, frozen=True, kw_only=True):
    """What a response would read."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


def items_page(items: Sequence[Item], page: Page) -> InputItems:
    """A page of items that are given in their order. Raises InvalidRequest for a cursor that is none of them."""
    ordered = list(items) if page.reads_ascending else list(items)[::-1]
    begin = 0
    if page.cursor:
        place = next((at for at, item in enumerate(ordered) if item["id"] == page.cursor), None)
        if place is None:
            name = "after" if page.after else "before"
            raise InvalidRequest(
                f"Invalid '{name}': there is no item '{page.cursor}' in the input of this response.", param=name
            )
        begin = place + 1
    found = ordered[begin : begin + page.rows_max]
    shown = shown_of(page, found)
    return InputItems(
        data=shown,
        first_id=shown[0]["id"] if shown else None,
        last_id=shown[-1]["id"] if shown else None,
        has_more=len(found) > page.limit,
    )
