"""Answers to chats written for callers who speak OpenAI's dialect: chunks of a stream, and whole bodies.

Source: CreateChatCompletionStreamResponse and CreateChatCompletionResponse of OpenAI's description. Reasoning goes out as
`reasoning_content`, as most compatible servers have it; signatures of it have no place here.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from waystation.dialects.chat_choices import FINISH, ChoiceBody, gather
from waystation.dialects.envelope import Envelope
from waystation.dialects.saying import (
    Begun,
    CallBegun,
    CallDelta,
    Ended,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.terms import Done, Usage
from waystation.wire.endings import DONE, cut_short, usage_object
from waystation.wire.sse import data_of

_encode = msgspec.json.encode


class Asked(Protocol):
    """What a writer reads of a chat's request (`wire/chat.py:ChatRequest`)."""

    @property
    def include_usage(self) -> bool: ...
    @property
    def choices(self) -> int: ...
    @property
    def tools(self) -> Any: ...
    @property
    def functions(self) -> Any: ...


class ChatWriter:
    """Writes one answer. `legacy`: the caller knows only `function_call`."""

    __slots__ = ("_begun", "_custom", "_ended", "_envelope", "_head", "_legacy", "_tail", "_usage_asked", "_waiting")

    def __init__(self, envelope: Envelope, request: Asked) -> None:
        self._envelope = envelope
        self._usage_asked = request.include_usage
        self._legacy = request.functions is not None and request.tools is None
        self._waiting = request.choices
        self._head = b'data: %b,"choices":[' % _encode(_common(envelope, "chat.completion.chunk"))[:-1]
        self._tail = b'],"usage":null}\n\n' if self._usage_asked else b"]}\n\n"
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._custom: set[tuple[int, int]] = set()  # calls of custom tools, by choice and index

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        """These events of a stream, as whole server-sent events; b"" when they say nothing here."""
        out = []
        for saying in sayings:
            if isinstance(saying, Begun | Used):
                continue
            delta = _WRITE[type(saying)](self, saying)
            if delta is None and type(saying) is not Ended:
                continue
            choice = saying.choice
            if choice not in self._begun:
                self._begun.add(choice)
                out.append(self._event(choice, _FIRST_CALL if type(saying) is CallBegun else _FIRST))
            if type(saying) is Ended:
                self._ended.add(choice)
                reason = FINISH[saying.reason]
                if self._legacy and reason == "tool_calls":
                    reason = "function_call"
                out.append(self._event(choice, b"{}", b'"%b"' % reason.encode()))
            elif delta is not None:
                out.append(self._event(choice, delta))
        return b"".join(out)

    def done(self, usage: Usage | None) -> Done:
        """The end of a stream; the chunk with the usage where it was asked for."""
        if not self._usage_asked:
            return Done(DONE, usage)
        if usage is None:
            return Done(b"", None, tail=self._last)
        return Done(self._last(usage), usage)

    def cut(self) -> Done:
        """The end of a stream of which no more can be paid: each open choice ends for its length."""
        unended = (self._begun or set(range(self._waiting))) - self._ended
        chunk = _encode(_common(self._envelope, "chat.completion.chunk"))
        return cut_short(chunk, unended, completion=False, usage_asked=self._usage_asked)

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        """An answer that is not streamed. Where nobody said what was used, it doesn't tell."""
        body = _common(self._envelope, "chat.completion")
        body["choices"] = [self._choice(index, choice) for index, choice in sorted(gather(sayings).items())]
        if usage is not None:
            body["usage"] = usage_object(usage)
        return Done(_encode(body), usage)

    def _last(self, usage: Usage) -> bytes:
        return b'%b],"usage":%b}\n\n%b' % (self._head, _encode(usage_object(usage)), DONE)

    def _event(self, choice: int, delta: bytes, finish: bytes = b"null") -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}%b' % (
            self._head,
            choice,
            delta,
            finish,
            self._tail,
        )

    def _text(self, saying: TextDelta) -> bytes | None:
        return b'{"content":%b}' % _encode(saying.text) if saying.text else None

    def _reasoning(self, saying: ReasoningDelta) -> bytes | None:
        return b'{"reasoning_content":%b}' % _encode(saying.text) if saying.text else None

    def _refusal(self, saying: RefusalDelta) -> bytes | None:
        return b'{"refusal":%b}' % _encode(saying.text) if saying.text else None

    def _call_begun(self, saying: CallBegun) -> bytes | None:
        if self._legacy:
            if saying.index:
                return None  # that form has room for one call
            return _encode({"function_call": {"name": saying.name, "arguments": ""}})
        if saying.custom:
            self._custom.add((saying.choice, saying.index))
            told: dict[str, Any] = {"type": "custom", "custom": {"name": saying.name, "input": ""}}
        else:
            told = {"type": "function", "function": {"name": saying.name, "arguments": ""}}
        return _encode({"tool_calls": [{"index": saying.index, "id": saying.id, **told}]})

    def _call_more(self, saying: CallDelta) -> bytes | None:
        if self._legacy:
            return None if saying.index else _encode({"function_call": {"arguments": saying.arguments}})
        custom = (saying.choice, saying.index) in self._custom
        told = {"custom": {"input": saying.arguments}} if custom else {"function": {"arguments": saying.arguments}}
        return _encode({"tool_calls": [{"index": saying.index, **told}]})

    def _end(self, saying: Ended) -> None:
        return None

    def _choice(self, index: int, choice: ChoiceBody) -> dict[str, Any]:
        reason = FINISH[choice.reason]
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": choice.refusal or None}
        if choice.reasoning:
            message["reasoning_content"] = choice.reasoning
        if choice.calls or (choice.refusal and not choice.text):
            message["content"] = choice.text or None
        if choice.calls and self._legacy:
            message["function_call"] = {"name": choice.calls[0].name, "arguments": choice.calls[0].arguments}
            reason = "function_call" if reason == "tool_calls" else reason
        elif choice.calls:
            message["tool_calls"] = [call.as_openai() for call in choice.calls]
        return {"index": index, "message": message, "logprobs": None, "finish_reason": reason}


_FIRST = b'{"role":"assistant","content":"","refusal":null}'
_FIRST_CALL = b'{"role":"assistant","content":null,"refusal":null}'
_WRITE: dict[type, Callable[[ChatWriter, Any], bytes | None]] = {
    TextDelta: ChatWriter._text,
    ReasoningDelta: ChatWriter._reasoning,
    RefusalDelta: ChatWriter._refusal,
    CallBegun: ChatWriter._call_begun,
    CallDelta: ChatWriter._call_more,
    Ended: ChatWriter._end,
}


def _common(envelope: Envelope, kind: str) -> dict[str, Any]:
    return {"id": envelope.id, "object": kind, "created": envelope.created, "model": envelope.model}


class _Head(msgspec.Struct):
    id: str = ""
    model: str = ""
    created: int = 0


def envelope_of(event: bytes) -> Envelope:
    """The envelope of a stream that has begun, from the first events that went out of it, or of a whole answer.

    Of a chunk that some server left incomplete, what is missing is empty. Raises ValueError when there is none.
    """
    first = event.partition(b"\n\n")[0] + b"\n\n"
    head = msgspec.json.decode(data_of(first) or event, type=_Head)
    return Envelope(head.id, head.model, head.created)


def new_chat_envelope(model: str, created: int) -> Envelope:
    return Envelope(f"chatcmpl-{secrets.token_hex(15)}", model, created)


def new_completion_envelope(model: str, created: int) -> Envelope:
    return Envelope(f"cmpl-{secrets.token_hex(15)}", model, created)
