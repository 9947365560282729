"""Answers to completions written for callers who speak OpenAI's dialect: events of a stream, and whole bodies.

A completion is text: what a model thought, and calls of tools, have no place in it.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from waystation.dialects.chat_choices import FINISH, gather
from waystation.dialects.envelope import Envelope
from waystation.dialects.saying import Ended, RefusalDelta, Saying, TextDelta
from waystation.terms import Done, Usage
from waystation.wire.endings import DONE, cut_short, usage_object

_encode = msgspec.json.encode


class Asked(Protocol):
    """What a writer reads of a completion's request (`wire/completions.py:CompletionRequest`)."""

    @property
    def include_usage(self) -> bool: ...
    @property
    def choices(self) -> int: ...


class CompletionWriter:
    __slots__ = ("_begun", "_ended", "_envelope", "_head", "_tail", "_usage_asked", "_waiting")

    def __init__(self, envelope: Envelope, request: Asked) -> None:
        self._envelope = envelope
        self._usage_asked = request.include_usage
        self._waiting = request.choices
        self._head = b'data: %b,"choices":[' % _encode(_common(envelope))[:-1]
        self._tail = b'],"usage":null}\n\n' if self._usage_asked else b"]}\n\n"
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        """These events of a stream, as whole server-sent events; b"" when they say nothing here."""
        out = []
        for saying in sayings:
            if isinstance(saying, TextDelta | RefusalDelta):
                if saying.text:
                    self._begun.add(saying.choice)
                    out.append(self._event(saying.choice, saying.text))
            elif isinstance(saying, Ended):
                self._begun.add(saying.choice)
                self._ended.add(saying.choice)
                out.append(self._event(saying.choice, "", b'"%b"' % _reason(saying.reason).encode()))
        return b"".join(out)

    def done(self, usage: Usage | None) -> Done:
        """The end of a stream; the event with the usage where it was asked for."""
        if not self._usage_asked:
            return Done(DONE, usage)
        if usage is None:
            return Done(b"", None, tail=self._last)
        return Done(self._last(usage), usage)

    def cut(self) -> Done:
        """The end of a stream of which no more can be paid: each open choice ends for its length."""
        unended = (self._begun or set(range(self._waiting))) - self._ended
        return cut_short(_encode(_common(self._envelope)), unended, completion=True, usage_asked=self._usage_asked)

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        """An answer that is not streamed. Where nobody said what was used, it doesn't tell."""
        body = _common(self._envelope)
        body["choices"] = [
            {
                "index": index,
                "text": choice.text + choice.refusal,
                "logprobs": None,
                "finish_reason": _reason(choice.reason),
            }
            for index, choice in sorted(gather(sayings).items())
        ]
        if usage is not None:
            body["usage"] = usage_object(usage)
        return Done(_encode(body), usage)

    def _last(self, usage: Usage) -> bytes:
        return b'%b],"usage":%b}\n\n%b' % (self._head, _encode(usage_object(usage)), DONE)

    def _event(self, choice: int, text: str, finish: bytes = b"null") -> bytes:
        return b'%b{"text":%b,"index":%d,"logprobs":null,"finish_reason":%b}%b' % (
            self._head,
            _encode(text),
            choice,
            finish,
            self._tail,
        )


def _reason(reason: Any) -> str:
    finish = FINISH[reason]
    return "stop" if finish == "tool_calls" else finish


def _common(envelope: Envelope) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "object": "text_completion",
        "created": envelope.created,
        "model": envelope.model,
    }
