"""What an answer says of its response: read from the end of it, or made of the beginning of one that broke off."""

from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.errors import ApiError
from waystation.storage.responses.model import Item
from waystation.wire.sse import Framer, data_of

_ENDS = ("response.completed", "response.incomplete", "response.failed")


class Ended(msgspec.Struct, frozen=True):
    status: str
    model: str
    body: bytes  # JSON of the response
    output: list[Item]


class _Response(msgspec.Struct):
    status: str = "completed"
    model: str = ""
    output: list[Item] = []


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw(b"")
    item: msgspec.Raw = msgspec.Raw(b"")


_read_response = msgspec.json.Decoder(_Response).decode
_read_event = msgspec.json.Decoder(_Event).decode


def ended_of(data: bytes) -> Ended | None:
    """Of a whole answer, or of the last events of a stream. None: it isn't there."""
    if data.startswith(b"{"):
        return _ended(data)
    for event in reversed(_events([data])):
        if event.type in _ENDS:
            return _ended(bytes(event.response))
    return None


def failed_body(parts: Sequence[bytes], error: ApiError) -> Ended | None:
    """What is kept of a stream that broke off: the response as it began, failed, with the items that were whole.

    None: it hadn't begun.
    """
    events = _events(parts)
    begun = next((event.response for event in events if event.type == "response.created"), None)
    if begun is None:
        return None
    body: dict[str, Any] = msgspec.json.decode(begun)
    output = [msgspec.json.decode(event.item) for event in events if event.type == "response.output_item.done"]
    body |= {"status": "failed", "output": output, "error": {"code": "server_error", "message": error.message}}
    return Ended("failed", str(body.get("model", "")), msgspec.json.encode(body), output)


def _ended(body: bytes) -> Ended:
    read = _read_response(body)
    return Ended(read.status, read.model, body, read.output)


def _events(parts: Sequence[bytes]) -> list[_Event]:
    framer = Framer(event_bytes_max=1 << 30)  # they are ours, and bounded where they were made
    return [
        _read_event(data) for part in parts for event in framer.feed(part) if (data := data_of(event)).startswith(b"{")
    ]
