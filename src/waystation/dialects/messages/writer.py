"""Writes an answer as Anthropic does: blocks that begin, grow and stop one after the other, then why it ended.

The usage is known when all is settled, so `message_delta`, which tells it, is a stream's tail. `message_start` tells zeros:
clients take the later, cumulative counts.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming, "Event types" (November 2026).
"""

from collections.abc import Iterable
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from waystation.dialects.messages.usage import usage_object
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
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_REASONS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}


class Envelope(Protocol):
    """What an answer says of itself (`dialects/table.py`)."""

    @property
    def id(self) -> str: ...
    @property
    def model(self) -> str: ...


class _Started(msgspec.Struct):
    message: dict[str, Any] = {}


_started = msgspec.json.Decoder(_Started)


def envelope_of(event: bytes) -> tuple[str, str, int]:
    """(id, model, created) of an answer, from the first event that went out: Anthropic's has no time."""
    first = event.partition(b"\n\n")[0] + b"\n\n"
    message = _started.decode(data_of(first)).message
    return str(message.get("id", "")), str(message.get("model", "")), 0


def new_envelope(model: str, created: int) -> tuple[str, str, int]:
    """(id, model, created) of a new one."""
    return f"msg_{uuid4().hex}", model, created


class MessagesWriter:
    """Writes one answer. Anthropic's have one choice: what others say is left out."""

    def __init__(self, envelope: Envelope) -> None:
        self._id, self._model = envelope.id, envelope.model
        self._begun = False
        self._blocks = 0  # begun
        self._open = ""  # the kind of the block that is open
        self._calls: dict[int, int] = {}  # the block of a call
        self._reason: FinishReason | None = None
        self._stop_sequence: str | None = None

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        out: list[bytes] = []
        for saying in sayings:
            if getattr(saying, "choice", 0) == 0:
                self._write(saying, out)
        return b"".join(out)

    def done(self, usage: Usage | None) -> Done:
        last: list[bytes] = []
        self._begin(last)
        self._close(last)
        data = b"".join(last)
        if usage is None:
            return Done(data, None, tail=self._tail)
        return Done(data + self._tail(usage), usage)

    def cut(self) -> Done:
        self._reason, self._stop_sequence = "length", None
        return self.done(None)

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        """In one piece. A usage that is not known is told as zeros: what counts is in the request's record."""
        content: list[dict[str, Any]] = []
        arguments: dict[int, list[str]] = {}
        for saying in sayings:
            if getattr(saying, "choice", 0) == 0:
                self._collect(saying, content, arguments)
        for index, place in self._calls.items():
            content[place]["input"] = _object("".join(arguments.get(index, ())))
        body = self._message(content, usage or Usage())
        return Done(_encode(body | self._ending()), usage)

    # -- a stream

    def _write(self, saying: Saying, out: list[bytes]) -> None:
        self._begin(out)
        if type(saying) is TextDelta or type(saying) is RefusalDelta:
            if saying.text:
                self._enter("text", {"type": "text", "text": ""}, out)
                self._grow({"type": "text_delta", "text": saying.text}, out)
        elif type(saying) is CallDelta:
            block = self._calls.get(saying.index)
            if block is not None and saying.arguments:
                self._grow({"type": "input_json_delta", "partial_json": saying.arguments}, out, block)
        elif type(saying) is CallBegun:
            self._close(out)
            self._calls[saying.index] = self._blocks
            self._enter("call", {"type": "tool_use", "id": saying.id, "name": saying.name, "input": {}}, out)
        elif type(saying) is ReasoningDelta:
            self._think(saying, out)
        elif type(saying) is Ended:
            self._close(out)
            self._reason, self._stop_sequence = saying.reason, saying.stop_sequence

    def _think(self, saying: ReasoningDelta, out: list[bytes]) -> None:
        if saying.redacted is not None:
            self._close(out)
            self._enter("hidden", {"type": "redacted_thinking", "data": saying.redacted}, out)
            self._close(out)
            return
        if saying.text or saying.signature:
            self._enter("thinking", {"type": "thinking", "thinking": "", "signature": ""}, out)
        if saying.text:
            self._grow({"type": "thinking_delta", "thinking": saying.text}, out)
        if saying.signature:  # which comes at the end of what it signs
            self._grow({"type": "signature_delta", "signature": saying.signature}, out)
            self._close(out)

    def _begin(self, out: list[bytes]) -> None:
        if not self._begun:
            self._begun = True
            message = self._message([], Usage()) | {"stop_reason": None, "stop_sequence": None}
            out += _event({"type": "message_start", "message": message}), _PING

    def _enter(self, kind: str, block: dict[str, Any], out: list[bytes]) -> None:
        if self._open != kind:
            self._close(out)
            self._open = kind
            out.append(_event({"type": "content_block_start", "index": self._blocks, "content_block": block}))
            self._blocks += 1

    def _grow(self, delta: dict[str, Any], out: list[bytes], block: int | None = None) -> None:
        index = self._blocks - 1 if block is None else block
        out.append(_event({"type": "content_block_delta", "index": index, "delta": delta}))

    def _close(self, out: list[bytes]) -> None:
        if self._open:
            self._open = ""
            out.append(_event({"type": "content_block_stop", "index": self._blocks - 1}))

    def _tail(self, usage: Usage) -> bytes:
        return _event({"type": "message_delta", "delta": self._ending(), "usage": usage_object(usage)}) + _STOP

    # -- both

    def _message(self, content: list[dict[str, Any]], usage: Usage) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "usage": usage_object(usage),
        }

    def _ending(self) -> dict[str, Any]:
        """Anthropic has a word of its own for an end by one of the caller's stop sequences."""
        reason = _REASONS[self._reason or "stop"]
        if self._reason == "stop" and self._stop_sequence is not None:
            reason = "stop_sequence"
        return {"stop_reason": reason, "stop_sequence": self._stop_sequence}

    def _collect(self, saying: Saying, content: list[dict[str, Any]], arguments: dict[int, list[str]]) -> None:
        if type(saying) is TextDelta or type(saying) is RefusalDelta:
            if saying.text:
                _last(content, "text", {"text": ""})["text"] += saying.text
        elif type(saying) is ReasoningDelta:
            if saying.redacted is not None:
                content.append({"type": "redacted_thinking", "data": saying.redacted})
            elif saying.text or saying.signature:
                signed = bool(content) and bool(content[-1].get("signature"))
                if signed:
                    content.append({"type": "thinking", "thinking": "", "signature": ""})
                block = _last(content, "thinking", {"thinking": "", "signature": ""})
                block["thinking"] += saying.text
                block["signature"] = saying.signature or block["signature"]
        elif type(saying) is CallBegun:
            self._calls[saying.index] = len(content)
            content.append({"type": "tool_use", "id": saying.id, "name": saying.name, "input": {}})
        elif type(saying) is CallDelta:
            arguments.setdefault(saying.index, []).append(saying.arguments)
        elif type(saying) is Ended:
            self._reason, self._stop_sequence = saying.reason, saying.stop_sequence


def _last(content: list[dict[str, Any]], kind: str, new: dict[str, Any]) -> dict[str, Any]:
    """The last block, or a new one when that is of another kind."""
    if not content or content[-1]["type"] != kind:
        content.append({"type": kind, **new})
    return content[-1]


def _object(arguments: str) -> dict[str, Any]:
    """A tool's input, which is an object here. What a model wrote that is none is kept as a text."""
    try:
        read = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": arguments}
    return read if isinstance(read, dict) else {"arguments": read}


def _event(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), _encode(data))
