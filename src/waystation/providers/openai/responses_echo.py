"""The response object that an upstream answers with, made the caller's: under the id under which it is kept here, and saying
what the caller asked of this server instead of what this server asked there. The rest stays as it came."""

from typing import Any

import msgspec

from waystation.gateway.call import Call
from waystation.wire.responses import ResponsesRequest

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode


class Echo:
    """Of one call."""

    __slots__ = ("_changes",)

    def __init__(self, call: Call) -> None:
        request: ResponsesRequest = call.request
        changes: dict[str, Any] = {
            "background": request.background is True,
            "metadata": request.metadata or {},
            "previous_response_id": request.previous_response_id,
            "store": request.store is not False,
        }
        if call.answer_id:
            changes["id"] = call.answer_id
        if (conversation := request.conversation_id) is not None:
            changes["conversation"] = {"id": conversation}
        if request.truncation is not None:
            changes["truncation"] = request.truncation
        if call.tool_calls_max is not None:
            changes["max_tool_calls"] = request.max_tool_calls
        self._changes = changes

    def response(self, raw: bytes, **more: Any) -> bytes:
        """The JSON of a response object, changed. Raises ValueError when it is none."""
        return _encode({**_members.decode(raw), **self._changes, **more})

    def event(self, data: bytes, kind: str, **more: Any) -> bytes:
        """An event whose `response` is changed. Raises ValueError."""
        members: dict[str, Any] = dict(_members.decode(data))
        members["response"] = msgspec.Raw(self.response(bytes(members["response"]), **more))
        return event(kind, members)


def event(kind: str, members: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(members))
