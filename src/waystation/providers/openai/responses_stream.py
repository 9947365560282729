"""A streamed response as it passes to a caller of the same API: events are framed, bounded, checked and metered. Those that hold
the response object are made the caller's (`responses_echo.py`); all others go on as the bytes they came in.

Pure: bytes in, pieces out. Asking, waiting and closing are in `responses.py`.
"""

from typing import Any

import msgspec

from waystation.dialects.responses.told import read_usage, usage_object
from waystation.errors import UpstreamFailed
from waystation.gateway.call import Call
from waystation.providers.openai.responses_echo import Echo, event
from waystation.providers.openai.responses_open import Items
from waystation.terms import Done, Piece, Usage
from waystation.wire.hosted_tools import ToolMeter, hosted
from waystation.wire.sse import EVENT_BYTES_MAX, EventTooLarge, Framer, data_of

ENDS = frozenset(("response.completed", "response.incomplete"))
_NULL = msgspec.Raw(b"null")
# Deltas by what they add to: a part of a message, or a member of their item.
_PARTS = {"response.output_text.delta": "output_text", "response.refusal.delta": "refusal"}
_MEMBERS = {
    "response.function_call_arguments.delta": "arguments",
    "response.mcp_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.code_interpreter_call_code.delta": "code",
}


class ErrorEvent(Exception):
    """The upstream put an error into its answer; `error` is its JSON."""

    def __init__(self, error: bytes) -> None:
        super().__init__("an error in the answer")
        self.error = error


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int | None = None
    output_index: int = 0
    content_index: int = 0
    delta: msgspec.Raw = _NULL
    item: msgspec.Raw = _NULL
    response: msgspec.Raw = _NULL


class Head(msgspec.Struct):
    """A response object, as far as we look."""

    object: Any = None
    status: Any = None
    error: msgspec.Raw = _NULL
    usage: msgspec.Raw = _NULL
    service_tier: Any = None
    output: msgspec.Raw = _NULL

    def used(self, meter: ToolMeter) -> Usage | None:
        """Its usage, with the calls of tools that it has among its items."""
        for item in _items(self.output):
            meter.see(item)
        usage = read_usage(bytes(self.usage), self.service_tier)
        if usage is not None:
            usage.tool_calls = meter.counts or None
        return usage


read_head = msgspec.json.Decoder(Head).decode
_event = msgspec.json.Decoder(_Event).decode


class ResponseStream:
    """Feed it what arrives until it is `over` or nothing more comes, then `finish` it. Only its last event, kept for the end,
    which goes out when the call is settled, says that a response is whole."""

    __slots__ = ("_call", "_echo", "_fault", "_framer", "_items", "_last", "_meter", "_number", "_response")

    def __init__(self, call: Call, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._call = call
        self._echo = Echo(call)
        self._fault: ErrorEvent | UpstreamFailed | None = None  # comes after what was good
        self._framer = Framer(event_bytes_max)
        self._items = Items()
        self._last: Done | None = None
        self._meter = ToolMeter(hosted(call.request))
        self._number = -1  # of the last event
        self._response = b"{}"  # the response object as it was told last
        call.tool_calls = None  # also what an earlier attempt elsewhere said

    @property
    def over(self) -> bool:
        """Nothing more is to be fed."""
        return self._last is not None or self._fault is not None

    def feed(self, data: bytes) -> Piece | None:
        """What goes on of the events that are whole now. Raises ErrorEvent; UpstreamFailed on nonsense."""
        try:
            return self._pass(self._framer.feed(data))
        except EventTooLarge as error:
            raise UpstreamFailed("The provider sent an event that is too large.", detail=str(error)) from error

    def finish(self) -> tuple[Piece | None, Done]:
        """The end, and events that are whole only now. Raises as `feed` does, and when the answer isn't whole."""
        if self._fault is not None:
            raise self._fault
        piece = None if self._last is not None else self._pass(self._framer.finish())
        if self._fault is not None:
            raise self._fault
        if self._last is None:
            raise UpstreamFailed("The provider broke off its answer.", detail="the stream ended without its last event")
        return piece, self._last

    def cut(self) -> Done:
        """The end of a stream of which no more can be paid: what is open ends there, and the response is incomplete."""
        closing, number = self._items.close(self._number + 1)
        output = self._items.output

        def tail(usage: Usage) -> bytes:
            kind = "response.incomplete"
            response = self._echo.response(
                self._response,
                status="incomplete",
                incomplete_details={"reason": "max_output_tokens"},
                output=output,
                usage=usage_object(usage),
                waystation={"budget_clamped": True},
            )
            return event(kind, {"type": kind, "response": msgspec.Raw(response), "sequence_number": number})

        return Done(closing, None, tail=tail)

    def _pass(self, events: list[bytes]) -> Piece | None:
        passed: list[bytes] = []
        texts: list[str] = []
        try:
            for each in events:
                data = data_of(each)
                if not data or data == b"[DONE]":  # a comment; what some send after the end
                    continue
                try:
                    rewritten = self._read(_event(data), data, texts)
                except (ValueError, RecursionError, KeyError):
                    raise _nonsense(data) from None
                if self._last is not None:
                    break
                passed.append(each if rewritten is None else rewritten)
        except (ErrorEvent, UpstreamFailed) as error:
            if not passed:
                raise
            self._fault = error
        return Piece(b"".join(passed), "".join(texts)) if passed else None

    def _read(self, said: _Event, data: bytes, texts: list[str]) -> bytes | None:
        """Meter an event. None: it goes on as it is."""
        kind = said.type
        if said.sequence_number is not None:
            self._number = said.sequence_number
        if kind.endswith(".delta"):
            self._grow(said, texts)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._see_item(said, texts, done=kind.endswith("done"))
        elif kind == "error" or kind == "response.failed":
            raise ErrorEvent(data)
        elif said.response != _NULL:
            self._response = bytes(said.response)
            if kind in ENDS:
                self._end(kind, data)
                return None
            return self._echo.event(data, kind)
        elif not kind:
            raise _nonsense(data) if not _is_error(data) else ErrorEvent(data)
        return None

    def _grow(self, said: _Event, texts: list[str]) -> None:
        kind = said.type
        if not bytes(said.delta).startswith(b'"') or kind.startswith("response.audio.d"):
            return
        text = msgspec.json.decode(said.delta, type=str)
        texts.append(text)
        if (part := _PARTS.get(kind)) is not None:
            self._items.grows(said.output_index, said.content_index, part, text)
        elif (member := _MEMBERS.get(kind)) is not None:
            self._items.grows(said.output_index, 0, member, text)

    def _see_item(self, said: _Event, texts: list[str], *, done: bool) -> None:
        item = msgspec.json.decode(said.item)
        self._meter.see(item)
        self._call.tool_calls = self._meter.counts or None
        if done:
            self._items.ends(said.output_index, bytes(said.item))
            return
        self._items.begins(said.output_index, item)
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            texts.append(item["name"])

    def _end(self, kind: str, data: bytes) -> None:
        usage = read_head(self._response).used(self._meter)
        self._call.tool_calls = self._meter.counts or None
        if usage is not None:
            self._last = Done(self._echo.event(data, kind), usage)
            return

        def tail(counted: Usage) -> bytes:
            return self._echo.event(data, kind, usage=usage_object(counted))

        self._last = Done(b"", None, tail=tail)


def _items(raw: msgspec.Raw) -> list[Any]:
    items = msgspec.json.decode(raw)
    return items if isinstance(items, list) else []


def _is_error(data: bytes) -> bool:
    said = msgspec.json.decode(data)
    return isinstance(said, dict) and bool(said.get("error"))


def _nonsense(data: bytes) -> UpstreamFailed:
    # What it says stays out of the log: it may be part of an answer.
    return UpstreamFailed("The provider sent what is no answer.", detail=f"an event of {len(data)} bytes is none")
