"""Writes an answer as OpenAI's Responses API does: items that are added, grow and are done, then the response as a whole.

The usage is known when all is settled, so the last event, which has it, is a stream's tail.
Source: https://developers.openai.com/api/reference/resources/responses/streaming-events (November 2026).
"""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from waystation.dialects.responses.echo import Asked, Envelope, begun_response, usage_of
from waystation.dialects.responses.events import Events
from waystation.dialects.responses.items import CallItem, MessageItem, PartBody, Status, ThoughtItem, item_id
from waystation.dialects.responses.names import namespaces_of
from waystation.dialects.saying import (
    CallBegun,
    CallDelta,
    Ended,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
)
from waystation.terms import Done, Usage
from waystation.wire.sse import data_of

_encode = msgspec.json.encode
_TEXT: Literal["output_text"] = "output_text"
_REFUSAL: Literal["refusal"] = "refusal"


class ResponsesWriter:
    """Writes one answer. A response has one choice: what others say is left out."""

    def __init__(self, envelope: Envelope, request: Asked, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._id = envelope.id
        self._monotonic_s, self._made_s = monotonic_s, monotonic_s()
        self._created = envelope.created
        self._response = begun_response(envelope, request)
        self._tier = request.service_tier
        reasoning = request.reasoning
        self._shows = reasoning is not None and bool(reasoning.summary or reasoning.generate_summary)
        self._seals = "reasoning.encrypted_content" in (request.include or ())
        self._namespaces = namespaces_of(request.tools)
        self._events = Events()
        self._begun = False
        self._items = 0  # added
        self._output: dict[int, dict[str, Any]] = {}  # items that are done, by their place
        self._message: MessageItem | None = None  # open
        self._thought: ThoughtItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._reason: FinishReason | None = None
        self._declined = False

    # -- what every writer can do

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        for saying in sayings:
            if getattr(saying, "choice", 0) == 0:
                self._begin()
                write = _WRITE.get(type(saying))
                if write is not None:
                    write(self, saying)
        return self._events.take()

    def done(self, usage: Usage | None) -> Done:
        self._begin()
        self._close_all("completed")
        data = self._events.take()
        if usage is None:
            return Done(data, None, tail=self._tail)
        return Done(data + self._tail(usage), usage)

    def cut(self) -> Done:
        self._begin()
        self._reason = "length"
        self._close_all("incomplete")
        return self.done(None)

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        """In one piece. Where nobody said what was used, it doesn't tell."""
        self.piece(sayings)
        self._close_all("completed")
        self._events.take()
        return Done(_encode(self._ended_response(usage)), usage)

    def resume(self, sent: str, last_event: bytes) -> None:
        """Stand where a stream stands of which `sent` was the text so far and `last_event` the last that went out."""
        at = msgspec.json.decode(data_of(last_event), type=_LastEvent)
        self._begun = True
        self._events.next_number = at.sequence_number + 1
        found = at.item_id or (at.item.id if at.item is not None else "")
        if found:
            self._message = MessageItem(found, at.output_index)
            self._items = at.output_index + 1
            if at.item is None:
                self._message.parts.append(PartBody(_TEXT, [sent] if sent else []))

    # -- the events of an answer

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            response = b'{"response":%b}' % _encode(self._response)
            self._events.add_encoded("response.created", response)
            self._events.add_encoded("response.in_progress", response)

    def _text(self, saying: TextDelta) -> None:
        if saying.text:
            message, part = self._part(_TEXT)
            part.texts.append(saying.text)
            self._events.add_encoded(
                "response.output_text.delta",
                b'{"item_id":"%b","output_index":%d,"content_index":%d,"delta":%b,"logprobs":[]}'
                % (message.id.encode(), message.index, len(message.parts) - 1, _encode(saying.text)),
            )

    def _refusal(self, saying: RefusalDelta) -> None:
        if saying.text:
            self._declined = True
            message, part = self._part(_REFUSAL)
            part.texts.append(saying.text)
            self._events.add("response.refusal.delta", **_place(message), delta=saying.text)

    def _thinking(self, saying: ReasoningDelta) -> None:
        if not (saying.text or saying.signature or saying.redacted):
            return
        self._close_message("completed")
        if saying.redacted is not None:
            self._close_thought("completed")
        thought = self._thought or self._new_thought()
        if saying.text:
            if self._shows:
                self._show(thought, saying.text)
            thought.texts.append(saying.text)
        if saying.signature or saying.redacted is not None:  # which come at the end of what they belong to
            thought.signature, thought.redacted = saying.signature, saying.redacted
            self._close_thought("completed")

    def _show(self, thought: ThoughtItem, text: str) -> None:
        place: dict[str, Any] = {"item_id": thought.id, "output_index": thought.index, "summary_index": 0}
        if not thought.texts:
            part = {"type": "summary_text", "text": ""}
            self._events.add("response.reasoning_summary_part.added", **place, part=part)
        self._events.add("response.reasoning_summary_text.delta", **place, delta=text)

    def _call_begun(self, saying: CallBegun) -> None:
        self._close_thought("completed")
        self._close_message("completed")
        kind = "custom_tool_call" if saying.custom else "function_call"
        found = item_id(kind, self._id, self._items)
        call = CallItem(found, self._items, saying.id, saying.name, saying.custom, self._namespaces.get(saying.name))
        self._calls[saying.index] = call
        self._add(call)

    def _call_more(self, saying: CallDelta) -> None:
        call = self._calls.get(saying.index)
        if call is not None and saying.arguments:
            call.arguments.append(saying.arguments)
            kind = "custom_tool_call_input" if call.custom else "function_call_arguments"
            self._events.add(f"response.{kind}.delta", item_id=call.id, output_index=call.index, delta=saying.arguments)

    def _end(self, saying: Ended) -> None:
        self._reason = saying.reason
        self._close_all("incomplete" if saying.reason in ("length", "content_filter") else "completed")

    # -- items

    def _part(self, kind: Any) -> tuple[MessageItem, PartBody]:
        """The open message and its part of this kind, begun where they are not."""
        self._close_thought("completed")
        message = self._message
        if message is None:
            message = self._message = MessageItem(item_id("message", self._id, self._items), self._items)
            self._add(message)
        if not message.parts or message.parts[-1].kind != kind:
            self._close_part(message)
            message.parts.append(PartBody(kind))
            self._events.add("response.content_part.added", **_place(message), part=message.parts[-1].body())
        return message, message.parts[-1]

    def _new_thought(self) -> ThoughtItem:
        found = item_id("reasoning", self._id, self._items)
        self._thought = ThoughtItem(found, self._items, self._shows, self._seals)
        self._add(self._thought)
        return self._thought

    def _add(self, item: MessageItem | CallItem | ThoughtItem) -> None:
        self._items += 1
        self._events.add("response.output_item.added", output_index=item.index, item=item.body("in_progress"))

    def _close_all(self, status: Status) -> None:
        if not self._items and status == "completed" and self._reason in ("stop", None):
            self._part(_TEXT)  # an answer without a word is still a message: agents wait for one
        self._close_thought(status)
        self._close_message(status)
        for _, call in sorted(self._calls.items()):
            self._close_call(call, status)
        self._calls.clear()

    def _close_message(self, status: Status) -> None:
        message, self._message = self._message, None
        if message is not None:
            self._close_part(message)
            self._finish(message, status)

    def _close_part(self, message: MessageItem) -> None:
        if not message.parts:
            return
        part, place = message.parts[-1], _place(message)
        if part.kind == _TEXT:
            self._events.add("response.output_text.done", **place, text=part.text, logprobs=[])
        else:
            self._events.add("response.refusal.done", **place, refusal=part.text)
        self._events.add("response.content_part.done", **place, part=part.body())

    def _close_thought(self, status: Status) -> None:
        thought, self._thought = self._thought, None
        if thought is None:
            return
        if thought.shown and thought.texts:
            place: dict[str, Any] = {"item_id": thought.id, "output_index": thought.index, "summary_index": 0}
            part = {"type": "summary_text", "text": thought.text}
            self._events.add("response.reasoning_summary_text.done", **place, text=thought.text)
            self._events.add("response.reasoning_summary_part.done", **place, part=part)
        self._finish(thought, status)

    def _close_call(self, call: CallItem, status: Status) -> None:
        place: dict[str, Any] = {"item_id": call.id, "output_index": call.index}
        if call.custom:
            self._events.add("response.custom_tool_call_input.done", **place, input=call.text)
        else:
            self._events.add("response.function_call_arguments.done", **place, name=call.name, arguments=call.text)
        self._finish(call, status)

    def _finish(self, item: MessageItem | CallItem | ThoughtItem, status: Status) -> None:
        body = self._output[item.index] = item.body(status)
        self._events.add("response.output_item.done", output_index=item.index, item=body)

    # -- the end

    def _tail(self, usage: Usage) -> bytes:
        response = self._ended_response(usage)
        self._events.add(f"response.{response['status']}", response=response)
        return self._events.take()

    def _ended_response(self, usage: Usage | None) -> dict[str, Any]:
        why = self._why_incomplete()
        response = self._response | {
            "status": "completed" if why is None else "incomplete",
            "completed_at": self._completed_at() if why is None else None,
            "incomplete_details": None if why is None else {"reason": why},
            "output": [item for _, item in sorted(self._output.items())],
            "service_tier": (usage.tier if usage is not None else None) or _served(self._tier),
        }
        return response if usage is None else response | {"usage": usage_of(usage)}

    def _why_incomplete(self) -> str | None:
        if self._reason == "length":
            return "max_output_tokens"
        if self._reason == "content_filter" or (self._reason == "refusal" and not self._declined):
            return "content_filter"
        return None

    def _completed_at(self) -> int:
        return self._created + int(self._monotonic_s() - self._made_s)


_WRITE: dict[type, Callable[[ResponsesWriter, Any], None]] = {
    TextDelta: ResponsesWriter._text,
    RefusalDelta: ResponsesWriter._refusal,
    ReasoningDelta: ResponsesWriter._thinking,
    CallBegun: ResponsesWriter._call_begun,
    CallDelta: ResponsesWriter._call_more,
    Ended: ResponsesWriter._end,
}


def _place(message: MessageItem) -> dict[str, Any]:
    return {"item_id": message.id, "output_index": message.index, "content_index": len(message.parts) - 1}


def _served(tier: str | None) -> str:
    """Of an answer whose provider doesn't say its tier."""
    return "default" if tier in (None, "auto") else str(tier)


class _Item(msgspec.Struct):
    id: str = ""


class _LastEvent(msgspec.Struct):
    """Of the last event that went out: where the stream stands."""

    sequence_number: int = -1
    item_id: str = ""
    output_index: int = 0
    item: _Item | None = None


class _Response(msgspec.Struct):
    id: str = ""
    model: str = ""
    created_at: float = 0


class _First(msgspec.Struct):
    response: _Response


def envelope_of(event: bytes) -> tuple[str, str, int]:
    """(id, model, created) of a response that has begun, from the first event that went out. Raises ValueError."""
    first = event.partition(b"\n\n")[0] + b"\n\n"
    response = msgspec.json.decode(data_of(first), type=_First).response
    return response.id, response.model, int(response.created_at)


def new_envelope(model: str, created: int) -> tuple[str, str, int]:
    """(id, model, created) of a new one."""
    return f"resp_{secrets.token_hex(24)}", model, created
