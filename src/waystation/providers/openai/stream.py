"""A streamed answer as it passes: events are framed, bounded, checked and metered, and go on as the bytes they came in.

Pure: bytes in, pieces out. Asking, waiting and closing are in `provider.py`.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from waystation.dialects.chat_reader import TIERS, is_error
from waystation.dialects.chat_usage import read_usage
from waystation.errors import UpstreamFailed
from waystation.terms import Done, Piece, Usage
from waystation.wire.endings import DONE, cut_short, usage_event
from waystation.wire.sse import EVENT_BYTES_MAX, EventTooLarge, Framer, data_of

_NULL = msgspec.Raw(b"null")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    """Where text can be, here and at the servers that add fields of their own."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None  # of a completion
    finish_reason: str | None = None
    usage: msgspec.Raw = _NULL  # Moonshot tells it with the last choice


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    service_tier: str | None = None


class _OddChunk(msgspec.Struct):
    choices: list[dict[str, Any]] | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    service_tier: Any = None


_chunk = msgspec.json.Decoder(_Chunk)
_odd_chunk = msgspec.json.Decoder(_OddChunk)


class ErrorEvent(Exception):
    """The upstream put an error into its stream; `body` is the event's JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__("an error event")
        self.body = body


class Stream:
    """Feed it what arrives until it is `over` or nothing more comes, then `finish` it.

    `include_usage`: the caller asked for the chunk that has usage and no choices. If not, no chunk without choices goes
    on: clients read `choices[0]` of every chunk. That chunk and `[DONE]` are kept for the end, which goes out when the
    call is settled.
    """

    __slots__ = ("_begun", "_ended", "_fault", "_framer", "_include_usage", "_last", "_tail", "_tier", "done", "usage")

    def __init__(self, include_usage: bool, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._begun: set[int] = set()  # by index of the choice
        self._ended: set[int] = set()  # it has a finish_reason
        self._fault: ErrorEvent | UpstreamFailed | None = None  # comes after what was good
        self._framer = Framer(event_bytes_max)
        self._include_usage = include_usage
        self._last = b"{}"  # the JSON of the last chunk with choices
        self._tail = b""
        self._tier: str | None = None  # one of TIERS
        self.done = False  # [DONE] has come
        self.usage: Usage | None = None

    @property
    def over(self) -> bool:
        """Nothing more is to be fed."""
        return self.done or self._fault is not None

    @property
    def complete(self) -> bool:
        """Every choice has its finish_reason: nothing is missing, even if `[DONE]` never comes."""
        return self.done or (bool(self._ended) and self._begun <= self._ended)

    def all_ended(self, choices: int) -> bool:
        """Whether so many choices have their finish_reason: what still comes costs nothing."""
        return self.done or len(self._ended) >= choices

    def cut(self, *, completion: bool) -> Done:
        """The end of a stream of which nothing more is to be passed on, though more would come."""
        unended = self._begun - self._ended
        return cut_short(self._last, unended, completion=completion, usage_asked=self._include_usage)

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
        piece = None
        if not self.done:
            piece = self._pass(self._framer.finish())
            if data_of(self._framer.rest) == b"[DONE]":  # some forget the empty line after it
                self.done = True
        if not self.complete:
            raise UpstreamFailed("The provider broke off its answer.", detail="the stream ended without finish_reason")
        if self.usage is not None:
            self.usage.tier = self._tier
        if self._include_usage and not self._tail:  # it was asked for, and the upstream has forgotten it
            return piece, self._usage_of_our_own()
        return piece, Done(self._tail + DONE, self.usage)

    def _usage_of_our_own(self) -> Done:
        if self.usage is None:
            return Done(b"", None, tail=lambda usage: usage_event(self._last, usage) + DONE)
        return Done(usage_event(self._last, self.usage) + DONE, self.usage)

    def _pass(self, events: list[bytes]) -> Piece | None:
        passed: list[bytes] = []
        texts: list[str] = []
        try:
            for event in events:
                data = data_of(event)
                if data.startswith(b"{"):
                    if self._read(data, texts):
                        passed.append(event)
                    elif self._include_usage:
                        self._tail += event
                elif data == b"[DONE]":
                    self.done = True
                    break
                elif data:
                    raise _nonsense(data)
        except (ErrorEvent, UpstreamFailed) as error:
            if not passed:
                raise
            self._fault = error
        if not passed:
            return None
        return Piece(passed[0] if len(passed) == 1 else b"".join(passed), "".join(texts))

    def _read(self, data: bytes, texts: list[str]) -> bool:
        """Meter a chunk. False: it has no choices, so it does not go on with the others."""
        try:
            chunk = _chunk.decode(data)
        except msgspec.ValidationError:
            chunk = _even(data)
        except (msgspec.DecodeError, RecursionError):
            raise _nonsense(data) from None
        if chunk.service_tier in TIERS:
            self._tier = chunk.service_tier
        if chunk.usage != _NULL:
            self.usage = read_usage(bytes(chunk.usage)) or self.usage
        if not chunk.choices:
            if chunk.error != _NULL or (chunk.usage == _NULL and _is_error(data)):
                raise ErrorEvent(data)
            return self._include_usage and chunk.usage == _NULL
        self._last = data
        for choice in chunk.choices:
            self._begun.add(choice.index)
            if choice.finish_reason:  # some say "" in every chunk
                self._ended.add(choice.index)
                if choice.usage != _NULL:
                    self.usage = read_usage(bytes(choice.usage)) or self.usage
            if choice.text:
                texts.append(choice.text)
            if choice.delta is not None:
                _add_texts(choice.delta, texts)
        return True


def _is_error(data: bytes) -> bool:
    try:
        return is_error(msgspec.json.decode(data))
    except (msgspec.DecodeError, RecursionError):
        raise _nonsense(data) from None


def _add_texts(delta: _Delta, texts: list[str]) -> None:
    if delta.content:
        texts.append(delta.content)
    # Some servers say the same under both names.
    if reasoning := delta.reasoning_content or delta.reasoning:
        texts.append(reasoning)
    if delta.refusal:
        texts.append(delta.refusal)
    if delta.tool_calls:
        for call in delta.tool_calls:
            _add_function(call.function, texts)
    _add_function(delta.function_call, texts)


def _add_function(function: _Function | None, texts: list[str]) -> None:
    if function is not None:
        texts.append(function.name or "")
        texts.append(function.arguments or "")


def _even(data: bytes) -> _Chunk:
    """A chunk with a field of an odd type, made even: it goes on as it is, so all of its text must be metered."""
    try:
        odd = _odd_chunk.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise _nonsense(data) from None
    choices = []
    for choice in odd.choices or ():
        index = choice.get("index", 0)
        reason = choice.get("finish_reason")
        choices.append(
            _Choice(
                index=index if isinstance(index, int) else 0,
                text="".join(_strings((choice.get("delta"), choice.get("text")))),
                finish_reason=None if reason is None else str(reason),
            )
        )
    tier = odd.service_tier if isinstance(odd.service_tier, str) else None
    return _Chunk(choices, odd.usage, odd.error, tier)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _nonsense(data: bytes) -> UpstreamFailed:
    # What it says stays out of the log: it may be part of an answer.
    return UpstreamFailed("The provider sent what is no answer.", detail=f"an event of {len(data)} bytes is no chunk")
