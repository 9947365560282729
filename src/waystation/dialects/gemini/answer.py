"""Gemini's answer, whole or as server-sent events: each event has the form of a whole answer with a part of its content."""

import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from waystation.dialects.gemini.signatures import marked
from waystation.dialects.reading import TOKENS_MAX, StreamReader, Tokens
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
from waystation.terms import Usage
from waystation.wire.sse import EventTooLarge, Framer, data_of

_NULL = msgspec.Raw(b"null")

_REASONS: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
"""All that is neither here nor in _NO_ANSWER ended for what it says (SAFETY, RECITATION, OTHER …): content_filter."""
_NO_ANSWER = frozenset(
    (
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    )
)
"""The model failed: another attempt may do better."""


class _Call(msgspec.Struct):
    name: str
    id: str | None = None
    args: Any = None


class _Part(msgspec.Struct):
    text: str | None = None
    thought: bool = False
    thoughtSignature: str | None = None  # noqa: N815
    functionCall: _Call | None = None  # noqa: N815


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct):
    content: _Content | None = None
    finishReason: str | None = None  # noqa: N815
    index: int = 0


class _Feedback(msgspec.Struct):
    blockReason: str | None = None  # noqa: N815


class _Modality(msgspec.Struct):
    modality: str = ""
    tokenCount: Tokens = 0  # noqa: N815


class _Usage(msgspec.Struct):
    promptTokenCount: Tokens  # noqa: N815
    candidatesTokenCount: Tokens = 0  # noqa: N815
    thoughtsTokenCount: Tokens = 0  # noqa: N815
    cachedContentTokenCount: Tokens = 0  # noqa: N815
    toolUsePromptTokenCount: Tokens = 0  # noqa: N815
    promptTokensDetails: list[_Modality] = []  # noqa: N815
    candidatesTokensDetails: list[_Modality] = []  # noqa: N815


class _Answer(msgspec.Struct):
    candidates: list[_Candidate] | None = None
    promptFeedback: _Feedback | None = None  # noqa: N815
    usageMetadata: msgspec.Raw = _NULL  # noqa: N815
    modelVersion: str = ""  # noqa: N815
    responseId: str = ""  # noqa: N815
    error: msgspec.Raw = _NULL


_answer = msgspec.json.Decoder(_Answer)
_usage = msgspec.json.Decoder(_Usage)


def new_call_id() -> str:
    """For a call of a model that gives none."""
    return f"call_{secrets.token_hex(12)}"


class GeminiReader(StreamReader[bytes]):
    """Reads one answer. A stream has no event that ends it: it is whole when every candidate has ended."""

    def __init__(self, *, stream: bool, new_id: Callable[[], str] = new_call_id) -> None:
        super().__init__()
        self._framer = Framer() if stream else None
        self._whole: list[bytes] = []
        self._new_id = new_id
        self._begun = False
        self._open: set[int] = set()  # candidates that have begun and not ended
        self._ended: set[int] = set()
        self._calls: dict[int, int] = {}  # so many of each candidate
        self._used: Usage | None = None

    def _cut(self, data: bytes) -> list[bytes]:
        if self._framer is None:
            self._whole.append(data)
            return []
        try:
            return [data_of(event) for event in self._framer.feed(data)]
        except EventTooLarge as error:
            raise BadAnswer(str(error)) from None

    def _rest(self) -> list[Saying]:
        if self._framer is None:
            events = [b"".join(self._whole)]
        else:
            events = [data_of(event) for event in self._framer.finish()] + [data_of(self._framer.rest)]
        sayings = self._read_all(events)
        if self._fault is not None:
            raise self._fault
        if self._open or not self._ended:
            raise BadAnswer("it ended without finishReason")
        if self._used is not None:
            sayings.append(Used(self._used))
        return sayings

    def _read(self, event: bytes, sayings: list[Saying]) -> None:
        if not event:
            return
        try:
            answer = _answer.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer(f"{len(event)} bytes are no GenerateContentResponse: {type(error).__name__}") from None
        if answer.error != _NULL:
            raise ErrorInAnswer(event)
        if not self._begun:
            self._begun = True
            sayings.append(Begun(answer.responseId, answer.modelVersion))
        if answer.usageMetadata != _NULL:
            self._used = read_usage(answer.usageMetadata) or self._used  # counts so far: the last ones hold
        for candidate in answer.candidates or ():
            self._read_candidate(candidate, sayings)
        if not answer.candidates and answer.promptFeedback is not None and answer.promptFeedback.blockReason:
            self._end(0, "content_filter", sayings)  # the prompt itself was blocked

    def _read_candidate(self, candidate: _Candidate, sayings: list[Saying]) -> None:
        choice = candidate.index
        if choice not in self._ended:
            self._open.add(choice)
        for part in candidate.content.parts if candidate.content is not None else ():
            self._read_part(part, choice, sayings)
        if (reason := candidate.finishReason) is None:
            return
        if reason in _NO_ANSWER:
            raise BadAnswer(f"its finishReason is {reason}")
        meant = _REASONS.get(reason, "content_filter")
        self._end(choice, "tool_calls" if meant == "stop" and self._calls.get(choice) else meant, sayings)

    def _read_part(self, part: _Part, choice: int, sayings: list[Saying]) -> None:
        if part.functionCall is not None:
            self._read_call(part.functionCall, part.thoughtSignature, choice, sayings)
            return
        if part.text:
            sayings.append(ReasoningDelta(part.text, choice=choice) if part.thought else TextDelta(part.text, choice))
        if part.thoughtSignature is not None:
            sayings.append(ReasoningDelta(signature=marked(part.thoughtSignature), choice=choice))

    def _read_call(self, call: _Call, signature: str | None, choice: int, sayings: list[Saying]) -> None:
        """A call comes in one piece."""
        index = self._calls.get(choice, 0)
        self._calls[choice] = index + 1
        sayings.append(CallBegun(index, call.id or self._new_id(), call.name, signature=signature, choice=choice))
        sayings.append(CallDelta(index, msgspec.json.encode(call.args or {}).decode(), choice))

    def _end(self, choice: int, reason: FinishReason, sayings: list[Saying]) -> None:
        self._open.discard(choice)
        if choice not in self._ended:
            self._ended.add(choice)
            sayings.append(Ended(reason, choice=choice))


def read_usage(raw: bytes) -> Usage | None:
    """Our usage from `usageMetadata`; None when its counts make no sense.

    There, cached tokens are part of the prompt's, as here, but neither thoughts part of the candidates' nor the results of
    tools that Google runs part of the prompt's.
    """
    try:
        said = _usage.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    input_tokens = said.promptTokenCount + said.toolUsePromptTokenCount
    output_tokens = said.candidatesTokenCount + said.thoughtsTokenCount
    if input_tokens > TOKENS_MAX or output_tokens > TOKENS_MAX:
        return None
    return Usage(
        input_tokens,
        output_tokens,
        cached_tokens=min(said.cachedContentTokenCount, input_tokens),
        reasoning_tokens=said.thoughtsTokenCount,
        audio_input_tokens=min(_audio(said.promptTokensDetails), input_tokens),
        audio_output_tokens=min(_audio(said.candidatesTokensDetails), output_tokens),
    )


def _audio(details: list[_Modality]) -> int:
    return sum(detail.tokenCount for detail in details if detail.modality == "AUDIO")
