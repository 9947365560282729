"""A streamed message as it passes to a caller of the same dialect: events are framed, bounded, checked and metered, and go on
as the bytes they came in.

Pure: bytes in, pieces out. Asking, waiting and closing are in `provider.py`.
"""

import msgspec

from waystation.dialects.messages.events import NULL, StreamEvent, read_event
from waystation.dialects.messages.usage import Told, read_told, usage_object
from waystation.errors import UpstreamFailed
from waystation.terms import Done, Piece, Usage
from waystation.wire.sse import EVENT_BYTES_MAX, EventTooLarge, Framer, data_of


class ErrorEvent(Exception):
    """The upstream put an error into its stream; `body` is the event's JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__("an error event")
        self.body = body


class _Odd(msgspec.Struct):
    """An event of which only the kind can be read: a kind that is new, or a field of a new type."""

    type: str


_read_odd = msgspec.json.Decoder(_Odd).decode
_encode = msgspec.json.encode
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class Stream:
    """Feed it what arrives until it is `over` or nothing more comes, then `finish` it.

    `message_delta`, which has the usage, and what follows it are kept for the end, which goes out when the call is settled.
    """

    __slots__ = ("_fault", "_framer", "_open", "_tail", "_told", "complete", "stopped")

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._framer = Framer(event_bytes_max)
        self._fault: ErrorEvent | UpstreamFailed | None = None  # comes after what was good
        self._open: int | None = None  # the block that has begun and not stopped
        self._tail = b""
        self._told = Told()
        self.complete = False  # it has said why it ended: nothing is missing, even if `message_stop` never comes
        self.stopped = False  # message_stop has come

    @property
    def over(self) -> bool:
        """Nothing more is to be fed."""
        return self.stopped or self._fault is not None

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
        piece = None if self.stopped else self._pass(self._framer.finish())
        if not self.complete:
            raise UpstreamFailed("The provider broke off its answer.", detail="the stream ended without a stop_reason")
        return piece, Done(self._tail if self.stopped else self._tail + _STOP, self._told.usage())

    def cut(self) -> Done:
        """The end of a stream of which nothing more is to be passed on, though more would come."""
        closing = b""
        if self._open is not None:
            closing = b"event: content_block_stop\ndata: %b\n\n" % _encode(
                {"type": "content_block_stop", "index": self._open}
            )

        def tail(usage: Usage) -> bytes:
            told = {
                "type": "message_delta",
                "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
                "usage": usage_object(usage),
            }
            return b"event: message_delta\ndata: %b\n\n" % _encode(told) + _STOP

        return Done(closing, None, tail=tail)

    def _pass(self, events: list[bytes]) -> Piece | None:
        passed: list[bytes] = []
        texts: list[str] = []
        try:
            for event in events:
                data = data_of(event)
                if not data or self.stopped:  # a comment
                    continue
                self._read(data, texts)
                if self.complete:
                    self._tail += event
                else:
                    passed.append(event)
        except (ErrorEvent, UpstreamFailed) as error:
            if not passed:
                raise
            self._fault = error
        if not passed:
            return None
        return Piece(passed[0] if len(passed) == 1 else b"".join(passed), "".join(texts))

    def _read(self, data: bytes, texts: list[str]) -> None:
        try:
            event = read_event(data)
        except msgspec.ValidationError:
            self._read_odd(data, texts)
            return
        except (msgspec.DecodeError, RecursionError):
            raise _nonsense(data) from None
        kind = event.type
        if kind == "content_block_delta":
            delta = event.delta
            if delta is not None and (text := delta.text or delta.thinking or delta.partial_json):
                texts.append(text)
        elif kind == "content_block_start":
            self._open = event.index
            if event.content_block is not None:
                texts.append(event.content_block.text or event.content_block.name)
        elif kind == "content_block_stop":
            self._open = None
        else:
            self._read_frame(event, data)

    def _read_frame(self, event: StreamEvent, data: bytes) -> None:
        """What says something of the message as a whole."""
        if event.type == "message_start" and event.message is not None:
            self._told = read_told(bytes(event.message.usage))
        elif event.type == "message_delta":
            if event.usage != NULL:
                self._told = self._told.and_then(read_told(bytes(event.usage)))
            if event.delta is not None and event.delta.stop_reason is not None:
                self.complete = True
        elif event.type == "message_stop":
            self.stopped = True
        elif event.type == "error":
            raise ErrorEvent(data)

    def _read_odd(self, data: bytes, texts: list[str]) -> None:
        """It goes on as it is, so whatever is in it is metered: the usage at the end has the last word."""
        try:
            _read_odd(data)
        except (msgspec.DecodeError, RecursionError):
            raise _nonsense(data) from None
        texts.append(data.decode(errors="replace"))


def _nonsense(data: bytes) -> UpstreamFailed:
    # What it says stays out of the log: it may be part of an answer.
    return UpstreamFailed("The provider sent what is no answer.", detail=f"an event of {len(data)} bytes is none")
