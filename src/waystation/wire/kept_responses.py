"""Responses that are read again, as OpenAI shapes them: the object, the list of its input items, the word that it is gone."""

from collections.abc import Sequence
from typing import Any, Literal

from waystation.errors import InvalidRequest
from waystation.wire.answers import Shape
from waystation.wire.listing import Page

Item = dict[str, Any]


class ResponseObject(Shape, frozen=True, kw_only=True):
    """As it was answered last; OpenAI's description has all members."""

    id: str
    object: Literal["response"] = "response"
    status: Literal["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]
    created_at: int
    model: str
    output: list[Item]


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


def items_page(items: Sequence[Item], page: Page) -> InputItems:
    """A page of items that are given in their order. Raises InvalidRequest for a cursor that is none of them."""
    ordered = list(items) if page.ascending else list(items)[::-1]
    begin = 0
    if page.after:
        place = next((at for at, item in enumerate(ordered) if item["id"] == page.after), None)
        if place is None:
            raise InvalidRequest(
                f"Invalid 'after': there is no item '{page.after}' in the input of this response.", param="after"
            )
        begin = place + 1
    shown = ordered[begin : begin + page.limit]
    return InputItems(
        data=shown,
        first_id=shown[0]["id"] if shown else None,
        last_id=shown[-1]["id"] if shown else None,
        has_more=len(ordered) > begin + page.limit,
    )
