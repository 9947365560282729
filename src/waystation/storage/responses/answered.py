"""What an answer says of its response: read from the end of it, or made of the beginning of one that broke off."""

import msgspec

from waystation.errors import ApiError
from waystation.storage.responses.model import Item
from waystation.wire.response_failures import failed_response, response_begun
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


_read_response = msgspec.json.Decoder(_Response).decode
_read_event = msgspec.json.Decoder(_Event).decode


def ended_of(data: bytes) -> Ended | None:
    """Of a whole answer, or of the last events of a stream. None: it isn't there."""
    if data.startswith(b"{"):
        return _ended(data)
    for event in reversed(_events(data)):
        if event.type in _ENDS:
            return _ended(bytes(event.response))
    return None


def failed_of(first: bytes, error: ApiError) -> Ended | None:
    """What is kept of a stream that broke off: the response as its last event tells it. `first`: the first that went out.

    None: it hadn't begun.
    """
    begun = response_begun(first)
    if begun is None:
        return None
    failed = failed_response(begun, error.code, error.message)
    return Ended("failed", str(failed.get("model", "")), msgspec.json.encode(failed), failed.get("output") or [])


def _ended(body: bytes) -> Ended:
    read = _read_response(body)
    return Ended(read.status, read.model, body, read.output)


def _events(data: bytes) -> list[_Event]:
    framer = Framer(event_bytes_max=1 << 30)  # they are ours, and bounded where they were made
    return [_read_event(data) for event in framer.feed(data) if (data := data_of(event)).startswith(b"{")]
