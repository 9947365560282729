"""Reads an answer of Anthropic's into the vocabulary: a stream of events, or a whole message.

What the vocabulary has no word for (citations, the steps of tools that the provider runs itself) is left out. New kinds of
events and blocks may come at any time, says Anthropic's versioning, so what is unknown is passed over.
"""

import msgspec

from waystation.dialects.messages.events import (
    NULL,
    ContentBlock,
    Delta,
    Message,
    StreamEvent,
    read_event,
    read_message,
)
from waystation.dialects.messages.usage import Told, read_told
from waystation.dialects.saying import (
    BadAnswer,
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    ErrorInAnswer,
    FinishReason,
    ReasoningDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.wire.sse import EventTooLarge, Framer, data_of

ANSWER_BYTES_MAX = 32 * 1024 * 1024
"""Of a whole message, which is kept until its end."""

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}


def ended(stop_reason: str, stop_sequence: str | None) -> Ended:
    """Why it ended; a reason that is new is a stop."""
    return Ended(_REASONS.get(stop_reason, "stop"), stop_sequence)


class StreamReader:
    """Reads server-sent events."""

    def __init__(self) -> None:
        self.over = False
        self._framer = Framer()
        self._told = Told()
        self._ended = False
        self._calls: dict[int, int] = {}  # the number of the call in a block, by the block's index
        self._silent: set[int] = set()  # blocks of calls whose arguments have not begun
        self._calls_begun = 0

    def feed(self, data: bytes) -> list[Saying]:
        try:
            return self._read(self._framer.feed(data))
        except EventTooLarge as error:
            raise BadAnswer(str(error)) from None

    def finish(self) -> list[Saying]:
        if self.over:
            return []
        said = self._read(self._framer.finish())
        return said + self._stop()  # at most message_stop is missing, which says nothing

    def _read(self, events: list[bytes]) -> list[Saying]:
        said: list[Saying] = []
        for frame in events:
            data = data_of(frame)
            if not data or self.over:
                continue
            try:
                event = read_event(data)
            except (msgspec.DecodeError, RecursionError):
                raise BadAnswer(f"an event of {len(data)} bytes is none of a message") from None
            said += self._say(event, data)
        return said

    def _say(self, event: StreamEvent, data: bytes) -> list[Saying]:
        kind = event.type
        if kind == "content_block_delta" and event.delta is not None:
            return self._delta(event.index, event.delta)
        if kind == "content_block_start" and event.content_block is not None:
            return self._begin(event.index, event.content_block)
        if kind == "content_block_stop" and event.index in self._silent:  # no argument is an empty object
            self._silent.discard(event.index)
            return [CallDelta(self._calls[event.index], "{}")]
        if kind == "message_start" and event.message is not None:
            self._told = read_told(bytes(event.message.usage))
            return [Begun(event.message.id, event.message.model)]
        if kind == "message_delta":
            return self._end(event)
        if kind == "message_stop":
            return self._stop()
        if kind == "error":
            raise ErrorInAnswer(data)
        return []

    def _begin(self, index: int, block: ContentBlock) -> list[Saying]:
        if block.type == "tool_use":
            number = self._calls[index] = self._calls_begun
            self._calls_begun += 1
            self._silent.add(index)
            begun: list[Saying] = [CallBegun(number, block.id, block.name)]
            arguments = bytes(block.input)
            if arguments not in (b"{}", b"null"):  # some servers give them at once
                self._silent.discard(index)
                begun.append(CallDelta(number, arguments.decode()))
            return begun
        return _said_by(block)

    def _delta(self, index: int, delta: Delta) -> list[Saying]:
        if delta.text:
            return [TextDelta(delta.text)]
        if delta.partial_json and index in self._calls:
            self._silent.discard(index)
            return [CallDelta(self._calls[index], delta.partial_json)]
        if delta.thinking or delta.signature:
            return [ReasoningDelta(delta.thinking or "", delta.signature or None)]
        return []

    def _end(self, event: StreamEvent) -> list[Saying]:
        if event.usage != NULL:
            self._told = self._told.and_then(read_told(bytes(event.usage)))
        delta = event.delta
        if delta is None or delta.stop_reason is None or self._ended:
            return []
        self._ended = True
        return [ended(delta.stop_reason, delta.stop_sequence)]

    def _stop(self) -> list[Saying]:
        if self.over:
            return []
        if not self._ended:
            raise BadAnswer("the stream ended without a stop_reason")
        self.over = True
        usage = self._told.usage()
        return [] if usage is None else [Used(usage)]


class WholeReader:
    """Reads a message that comes in one piece."""

    def __init__(self) -> None:
        self.over = False
        self._parts = bytearray()

    def feed(self, data: bytes) -> list[Saying]:
        self._parts += data
        if len(self._parts) > ANSWER_BYTES_MAX:
            raise BadAnswer(f"it is longer than {ANSWER_BYTES_MAX} bytes")
        return []

    def finish(self) -> list[Saying]:
        if self.over:
            return []
        self.over = True
        body = bytes(self._parts)
        try:
            message = read_message(body)
        except (msgspec.DecodeError, RecursionError):
            raise BadAnswer(f"{len(body)} bytes are no message") from None
        if message.type == "error":
            raise ErrorInAnswer(body)
        if message.type != "message" or message.stop_reason is None:
            raise BadAnswer(f"{len(body)} bytes are no whole message")
        return sayings_of(message)


def sayings_of(message: Message) -> list[Saying]:
    """A whole message in the vocabulary."""
    said: list[Saying] = [Begun(message.id, message.model)]
    calls = 0
    for block in message.content:
        if block.type == "tool_use":
            arguments = bytes(block.input)
            said += (
                CallBegun(calls, block.id, block.name),
                CallDelta(calls, "{}" if arguments == b"null" else arguments.decode()),
            )
            calls += 1
        else:
            said += _said_by(block)
    said.append(ended(message.stop_reason or "end_turn", message.stop_sequence))
    usage = read_told(bytes(message.usage)).usage()
    return said if usage is None else [*said, Used(usage)]


def _said_by(block: ContentBlock) -> list[Saying]:
    if block.type == "text" and block.text:
        return [TextDelta(block.text)]
    if block.type == "thinking" and (block.thinking or block.signature):
        return [ReasoningDelta(block.thinking or "", block.signature or None)]
    if block.type == "redacted_thinking" and block.data is not None:
        return [ReasoningDelta(redacted=block.data)]
    return []
