"""A response that was answered before, told again as another: under a new id, saying what is asked now. The output stays."""

from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.dialects.responses.echo import Asked
from waystation.wire.sse import Framer, data_of

_RANDOM_LEAST = 16  # characters of an id: as many don't occur anywhere else
_HAS_RESPONSE = b'"response":'
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode


class _Named(msgspec.Struct):
    id: str = ""


def told_again(pieces: Sequence[bytes], request: Asked, answer_id: str, now_at: int) -> list[bytes]:
    """The pieces of an answer, whole or streamed. `now_at`: UTC seconds. Raises ValueError where they are no response's."""
    again = _Again(request, answer_id, now_at)
    if len(pieces) == 1 and pieces[0].startswith(b"{"):
        return [again.response(pieces[0])]
    framer = Framer(event_bytes_max=1 << 30)  # they are ours, and bounded where they were kept
    return [b"".join(map(again.event, framer.feed(piece))) for piece in pieces]


class _Again:
    def __init__(self, request: Asked, answer_id: str, now_at: int) -> None:
        self._id, self._now_at = answer_id, now_at
        self._names: tuple[bytes, bytes] | None = None  # what the ids of its items were made of, and are made of now
        self._changes: dict[str, Any] = {
            "id": answer_id,
            "created_at": now_at,
            "background": request.background is True,
            "metadata": request.metadata or {},
            "previous_response_id": request.previous_response_id,
            "prompt_cache_key": request.prompt_cache_key,
            "prompt_cache_retention": request.prompt_cache_retention,
            "safety_identifier": request.safety_identifier,
            "store": request.store is not False,
        }
        if (conversation := request.conversation_id) is not None:
            self._changes["conversation"] = {"id": conversation}
        if request.user is not None:
            self._changes["user"] = request.user

    def response(self, data: bytes) -> bytes:
        if self._names is None:
            old = msgspec.json.decode(data, type=_Named).id.rpartition("_")[2]
            new = self._id.rpartition("_")[2]
            self._names = (old.encode(), new.encode()) if len(old) >= _RANDOM_LEAST else (b"", b"")
        said: dict[str, Any] = dict(_members.decode(self._renamed(data)))
        said.pop("conversation", None)
        said.pop("user", None)
        ended = {} if bytes(said.get("completed_at", b"null")) == b"null" else {"completed_at": self._now_at}
        return _encode(said | self._changes | ended)

    def event(self, event: bytes) -> bytes:
        data = data_of(event)
        if _HAS_RESPONSE not in data or not data.startswith(b"{"):
            return self._renamed(event)
        members: dict[str, Any] = dict(_members.decode(data))
        if (response := members.get("response")) is None:
            return self._renamed(event)
        members["response"] = msgspec.Raw(self.response(bytes(response)))
        kind = msgspec.json.decode(members["type"], type=str)
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(members))

    def _renamed(self, data: bytes) -> bytes:
        if self._names is None or not self._names[0]:
            return data
        return data.replace(*self._names)
