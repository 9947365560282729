"""OpenAI's responses, as far as they are no calls: read again, deleted, and what the model was given for one."""

from functools import partial
from typing import Any

import msgspec

from waystation.errors import ServiceUnavailable
from waystation.http.v1.control import PAGE_BOTH_WAYS, Asked, Control, Json, Query, Resource
from waystation.storage.responses.model import not_found
from waystation.wire.items import INCLUDES, read_include, shown
from waystation.wire.kept_responses import DeletedResponse, InputItems, InputTokens, ResponseObject, items_page
from waystation.wire.listing import is_id
from waystation.wire.responses import ResponsesRequest

COUNTED_BYTES_MAX = 8 * 1024 * 1024  # of a body whose tokens are counted


async def retrieve(control: Control, asked: Asked) -> Json:
    read_include(asked.values("include"))  # what it had to be asked for is in the object, or was never made
    row = await control.read(partial(control.responses.retrieve, **_which(asked)))
    return Json(msgspec.Raw(row.body))


async def delete(control: Control, asked: Asked) -> DeletedResponse:
    which = _which(asked)
    await control.change(partial(control.responses.delete, **which))
    return DeletedResponse(id=which["response_id"])


async def cancel(control: Control, asked: Asked) -> Json:
    """It has ended by the time that this is answered; who was at it leaves it within half a second."""
    if control.background is None:
        raise ServiceUnavailable("Only a server can cancel a response.")
    row = await control.change(partial(control.background.cancel, **_which(asked)))
    return Json(msgspec.Raw(row.body))


async def input_items(control: Control, asked: Asked) -> InputItems:
    include, page = read_include(asked.values("include")), asked.page()
    found = await control.read(partial(control.responses.input_items, **_which(asked), page=page))
    return items_page([shown(item, include) for item in found], page)


async def input_tokens(control: Control, asked: Asked) -> InputTokens:
    if control.input_counter is None:
        raise ServiceUnavailable("Only a server can count what a response would read.")
    return InputTokens(input_tokens=await control.input_counter.count(asked.body, asked.caller))


def _which(asked: Asked) -> dict[str, Any]:
    response_id = asked.path["response_id"]
    if not is_id(response_id):
        raise not_found(response_id)
    return {"project_id": asked.project_id, "response_id": response_id}


_ONE, _ITEMS = "/responses/{response_id}", "/responses/{response_id}/input_items"
_STREAM = (  # what `http/responses_stream.py` answers
    Query("stream", {"type": "boolean"}, "Its events instead, of one that was made in the background as a stream."),
    Query("starting_after", {"type": "integer", "minimum": 0}, "Events after the one with this sequence number."),
    Query("include_obfuscation", {"type": "boolean"}, "Nothing is obfuscated."),
)
_INCLUDE = Query(
    "include", {"type": "array", "items": {"type": "string", "enum": list(INCLUDES)}}, "What to add to it."
)

RESOURCES = (
    Resource(
        "GET", _ONE, retrieve, "getResponse", "A response that was kept.", ResponseObject, query=(_INCLUDE, *_STREAM)
    ),
    Resource(
        "POST", _ONE + "/cancel", cancel, "cancelResponse", "Cancel a response in the background.", ResponseObject
    ),
    Resource(
        "POST",
        "/responses/input_tokens",
        input_tokens,
        "Getinputtokencounts",
        "How many tokens a response with this body would read. Nothing is asked of a model, and it costs nothing.",
        InputTokens,
        ResponsesRequest,
        body_bytes_max=COUNTED_BYTES_MAX,
    ),
    Resource(
        "DELETE", _ONE, delete, "deleteResponse", "Delete a response with all that is kept of it.", DeletedResponse
    ),
    Resource(
        "GET",
        _ITEMS,
        input_items,
        "listInputItems",
        "What the model was given for a response, earlier turns too.",
        InputItems,
        query=(*PAGE_BOTH_WAYS, _INCLUDE),
    ),
)
