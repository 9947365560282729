"""The parts of a chat's choices in OpenAI's shapes: as chunks of a stream, or gathered to one body.

Source: CreateChatCompletionResponse and CreateChatCompletionStreamResponse of OpenAI's description. Nothing of
llama.cpp's own goes out.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.engine.parts import CallArguments, CallBegins, End, Part, Text
from waystation.engine.tools import Tool
from waystation.engine.upstream import Candidate
from waystation.terms import Done, Usage
from waystation.wire.endings import cut_short, usage_object

_encode = msgspec.json.encode


class Envelope(msgspec.Struct, frozen=True):
    """What every chunk and body of one answer repeats."""

    id: str
    created: int
    model: str
    fingerprint: str
    legacy: bool = False  # calls as `function_call`
    logprobs: int | None = None  # how many candidates beside each token
    usage_asked: bool = False


def new_call_id() -> str:
    return f"call_{secrets.token_urlsafe(18).replace('-', 'x').replace('_', 'y')}"


class ChatStream:
    """Turns parts into the bytes of server-sent events."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        head = {
            "id": envelope.id,
            "object": "chat.completion.chunk",
            "created": envelope.created,
            "model": envelope.model,
            "service_tier": "default",
            "system_fingerprint": envelope.fingerprint,
        }
        self._any = _encode(head)
        self._head = b"data: " + self._any[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if envelope.usage_asked else b"]}\n\n"
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._custom: dict[tuple[int, int], bool] = {}

    def chunk(self, choice: int, part: Part) -> bytes:
        """The event or events that tell a part."""
        out = b"" if choice in self._begun else self._beginning(choice, part)
        if isinstance(part, Text):
            chances = _encode(logprobs(part.logprobs, self._envelope.logprobs)) if part.logprobs else b"null"
            delta = b'{"content":%b}' % _encode(part.text)
            return out + self._event(choice, delta, chances)
        if isinstance(part, CallBegins):
            self._custom[choice, part.index] = part.tool.custom
            return out + self._event(choice, self._call_begins(part))
        if isinstance(part, CallArguments):
            return out + self._event(choice, self._call_goes_on(choice, part))
        self._ended.add(choice)
        return out + self._event(choice, b"{}", finish=_encode(finish_reason(part, self._envelope.legacy)))

    def all_ended(self, choices: int) -> bool:
        return len(self._ended) >= choices

    def cut(self) -> Done:
        """The end of a stream of which no more can be paid."""
        unended = self._begun - self._ended
        return cut_short(self._any, unended, completion=False, usage_asked=self._envelope.usage_asked)

    def usage(self, usage: Usage) -> bytes:
        """The chunk without choices that a caller gets who has asked for it."""
        return self._head + b'],"usage":%b}\n\n' % _encode(usage_object(usage))

    def _beginning(self, choice: int, part: Part) -> bytes:
        self._begun.add(choice)
        content = b"null" if isinstance(part, CallBegins) else b'""'
        return self._event(choice, b'{"role":"assistant","content":%b,"refusal":null}' % content)

    def _event(self, choice: int, delta: bytes, chances: bytes = b"null", finish: bytes = b"null") -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}%b' % (
            self._head,
            choice,
            delta,
            chances,
            finish,
            self._tail,
        )

    def _call_begins(self, part: CallBegins) -> bytes:
        if self._envelope.legacy:
            return _encode({"function_call": {"name": part.tool.name, "arguments": ""}})
        return _encode({"tool_calls": [{"index": part.index, **call_body(part.tool, "")}]})

    def _call_goes_on(self, choice: int, part: CallArguments) -> bytes:
        if self._envelope.legacy:
            return _encode({"function_call": {"arguments": part.text}})
        told = (
            {"custom": {"input": part.text}}
            if self._custom[choice, part.index]
            else {"function": {"arguments": part.text}}
        )
        return _encode({"tool_calls": [{"index": part.index, **told}]})


class ChatBody:
    """Gathers parts to the body of an answer that is not streamed."""

    def __init__(self, envelope: Envelope, choices: int) -> None:
        self._envelope = envelope
        self._texts: list[list[str]] = [[] for _ in range(choices)]
        self._chances: list[list[Candidate]] = [[] for _ in range(choices)]
        self._calls: list[list[tuple[Tool, list[str]]]] = [[] for _ in range(choices)]
        self._finish = ["stop"] * choices

    def add(self, choice: int, part: Part) -> None:
        if isinstance(part, Text):
            self._texts[choice].append(part.text)
            self._chances[choice] += part.logprobs
        elif isinstance(part, CallBegins):
            self._calls[choice].append((part.tool, []))
        elif isinstance(part, CallArguments):
            self._calls[choice][part.index][1].append(part.text)
        else:
            self._finish[choice] = finish_reason(part, self._envelope.legacy)

    def body(self, usage: Usage) -> bytes:
        envelope = self._envelope
        return _encode(
            {
                "id": envelope.id,
                "object": "chat.completion",
                "created": envelope.created,
                "model": envelope.model,
                "choices": [self._choice(choice) for choice in range(len(self._texts))],
                "usage": usage_object(usage),
                "service_tier": "default",
                "system_fingerprint": envelope.fingerprint,
            }
        )

    def _choice(self, choice: int) -> dict[str, Any]:
        chances = None if self._envelope.logprobs is None else logprobs(self._chances[choice], self._envelope.logprobs)
        return {
            "index": choice,
            "message": self._message(choice),
            "logprobs": chances,
            "finish_reason": self._finish[choice],
        }

    def _message(self, choice: int) -> dict[str, Any]:
        calls = [(tool, "".join(texts)) for tool, texts in self._calls[choice]]
        text = "".join(self._texts[choice])
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        if calls:
            message["content"] = text if text.strip() else None
            if self._envelope.legacy:
                message["function_call"] = {"name": calls[0][0].name, "arguments": calls[0][1]}
            else:
                message["tool_calls"] = [call_body(tool, arguments) for tool, arguments in calls]
        return message


def call_body(tool: Tool, arguments: str) -> dict[str, Any]:
    """A tool call as OpenAI tells it, with a new id."""
    if tool.custom:
        return {"id": new_call_id(), "type": "custom", "custom": {"name": tool.name, "input": arguments}}
    return {"id": new_call_id(), "type": "function", "function": {"name": tool.name, "arguments": arguments}}


def finish_reason(end: End, legacy: bool) -> str:
    return "function_call" if legacy and end.finish == "tool_calls" else end.finish


def logprobs(tokens: Sequence[Candidate], candidates: int | None) -> dict[str, Any]:
    """Probabilities of text tokens, each with so many candidates."""
    told = [
        {**_candidate(token), "top_logprobs": [_candidate(other) for other in token.top_logprobs[: candidates or 0]]}
        for token in tokens
    ]
    return {"content": told, "refusal": None}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {"token": candidate.token, "logprob": candidate.logprob, "bytes": candidate.bytes}


def add_end(usage: Usage, end: End, first: bool) -> None:
    """Add one choice's use to the call's: the prompt counts once, as OpenAI counts it."""
    if first:
        usage.input_tokens, usage.cached_tokens = end.input_tokens, end.cached_tokens
    usage.output_tokens += end.output_tokens
