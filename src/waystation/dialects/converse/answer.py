"""Converse's answer: one JSON object, or the events of ConverseStream."""

from contextlib import suppress
from typing import Any

import msgspec

from waystation.dialects.converse.eventstream import BadMessage, Decoder, Message
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

_REASONS: dict[str, FinishReason] = {
    "content_filtered": "content_filter",
    "end_turn": "stop",
    "guardrail_intervened": "content_filter",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",  # Claude's own word
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
_NO_ANSWER = frozenset(("malformed_model_output", "malformed_tool_use"))
"""The model failed: another attempt may do better."""
_TIERS = frozenset(("flex", "priority"))
"""Those that have prices of their own."""


_NULL = msgspec.Raw(b"null")


class _ToolUse(msgspec.Struct):
    toolUseId: str  # noqa: N815
    name: str
    input: Any = None  # of a whole answer
    type: str | None = None  # "server_tool_use": the provider runs it itself


class _ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(msgspec.Struct):
    """Of a whole block (`reasoningText`) or of a delta (`text`, `signature`)."""

    reasoningText: _ReasoningText | None = None  # noqa: N815
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None  # noqa: N815 - base64


class _Block(msgspec.Struct):
    text: str | None = None
    toolUse: _ToolUse | None = None  # noqa: N815
    reasoningContent: _Reasoning | None = None  # noqa: N815


class _Message(msgspec.Struct):
    content: list[_Block] = []


class _Output(msgspec.Struct):
    message: _Message


class _Tier(msgspec.Struct):
    type: str | None = None


class _Whole(msgspec.Struct):
    output: _Output
    stopReason: str  # noqa: N815
    usage: msgspec.Raw = _NULL
    serviceTier: _Tier | None = None  # noqa: N815
    additionalModelResponseFields: Any = None  # noqa: N815


class _Start(msgspec.Struct):
    contentBlockIndex: int  # noqa: N815
    start: _Block


class _InputDelta(msgspec.Struct):
    input: str = ""


class _DeltaBlock(msgspec.Struct):
    text: str | None = None
    toolUse: _InputDelta | None = None  # noqa: N815
    reasoningContent: _Reasoning | None = None  # noqa: N815


class _Delta(msgspec.Struct):
    contentBlockIndex: int  # noqa: N815
    delta: _DeltaBlock


class _Stop(msgspec.Struct):
    stopReason: str  # noqa: N815
    additionalModelResponseFields: Any = None  # noqa: N815


class _Metadata(msgspec.Struct):
    usage: msgspec.Raw = _NULL
    serviceTier: _Tier | None = None  # noqa: N815


class _Usage(msgspec.Struct):
    inputTokens: Tokens  # noqa: N815
    outputTokens: Tokens  # noqa: N815
    cacheReadInputTokens: Tokens = 0  # noqa: N815
    cacheWriteInputTokens: Tokens = 0  # noqa: N815


_whole = msgspec.json.Decoder(_Whole)
_start = msgspec.json.Decoder(_Start)
_delta = msgspec.json.Decoder(_Delta)
_stop = msgspec.json.Decoder(_Stop)
_metadata = msgspec.json.Decoder(_Metadata)
_usage = msgspec.json.Decoder(_Usage)


class ConverseWholeReader:
    """Reads an answer that is not streamed."""

    over = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Saying]:
        self._pieces.append(data)
        return []

    def finish(self) -> list[Saying]:
        """All of it. Raises BadAnswer."""
        data = b"".join(self._pieces)
        try:
            whole = _whole.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer(f"{len(data)} bytes are no answer of Converse: {type(error).__name__}") from None
        sayings: list[Saying] = [Begun()]
        calls = 0
        for block in whole.output.message.content:
            calls += _say_block(block, calls, sayings)
        sayings.append(_ended(whole.stopReason, whole.additionalModelResponseFields, calls))
        if (usage := read_usage(whole.usage, whole.serviceTier)) is not None:
            sayings.append(Used(usage))
        return sayings


def _say_block(block: _Block, calls: int, sayings: list[Saying]) -> int:
    """What a whole block says; 1 when it is a call."""
    if block.text:
        sayings.append(TextDelta(block.text))
    if (thought := block.reasoningContent) is not None:
        text = thought.reasoningText or _ReasoningText()
        sayings.append(ReasoningDelta(text.text, text.signature, thought.redactedContent))
    if (use := block.toolUse) is None or use.type is not None:
        return 0
    sayings.append(CallBegun(calls, use.toolUseId, use.name))
    sayings.append(CallDelta(calls, msgspec.json.encode(use.input or {}).decode()))
    return 1


class ConverseStreamReader(StreamReader[Message]):
    """Reads the events of a stream; `metadata`, with the usage, is the last one."""

    def __init__(self) -> None:
        super().__init__()
        self._decoder = Decoder()
        self._calls: dict[int, int] = {}  # a block's index → which call of the answer it is
        self._silent: set[int] = set()  # calls of which nothing has come yet
        self._ended = False

    def _cut(self, data: bytes) -> list[Message]:
        try:
            return self._decoder.feed(data)
        except BadMessage as error:
            raise BadAnswer(str(error)) from None

    def _rest(self) -> list[Saying]:
        if not self._ended or not self._decoder.is_clean:
            raise BadAnswer("it ended without messageStop")
        return []

    def _read(self, event: Message, sayings: list[Saying]) -> None:
        kind = event.headers.get(":message-type")
        if kind != "event":
            raise _failure(event, kind)
        try:
            self._read_event(event.headers.get(":event-type", ""), event.payload, sayings)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswer(f"an event of {len(event.payload)} bytes is none: {type(error).__name__}") from None

    def _read_event(self, kind: str, payload: bytes, sayings: list[Saying]) -> None:
        match kind:
            case "messageStart":
                sayings.append(Begun())
            case "contentBlockStart":
                self._read_start(_start.decode(payload), sayings)
            case "contentBlockDelta":
                self._read_delta(_delta.decode(payload), sayings)
            case "messageStop":
                stop = _stop.decode(payload)
                # A call of a tool that takes nothing may come without any input; its arguments are an object all the same.
                sayings += [CallDelta(self._calls[block], "{}") for block in sorted(self._silent)]
                sayings.append(_ended(stop.stopReason, stop.additionalModelResponseFields, len(self._calls)))
                self._ended = True
            case "metadata":
                told = _metadata.decode(payload)
                if (usage := read_usage(told.usage, told.serviceTier)) is not None:
                    sayings.append(Used(usage))
                self.over = self._ended

    def _read_start(self, event: _Start, sayings: list[Saying]) -> None:
        use = event.start.toolUse
        if use is not None and use.type is None:
            call = self._calls.setdefault(event.contentBlockIndex, len(self._calls))
            self._silent.add(event.contentBlockIndex)
            sayings.append(CallBegun(call, use.toolUseId, use.name))

    def _read_delta(self, event: _Delta, sayings: list[Saying]) -> None:
        delta, block = event.delta, event.contentBlockIndex
        if delta.text:
            sayings.append(TextDelta(delta.text))
        if delta.toolUse is not None and delta.toolUse.input and block in self._calls:
            self._silent.discard(block)
            sayings.append(CallDelta(self._calls[block], delta.toolUse.input))
        if (thought := delta.reasoningContent) is not None:
            sayings.append(ReasoningDelta(thought.text or "", thought.signature, thought.redactedContent))


def _failure(event: Message, kind: str | None) -> ErrorInAnswer | BadAnswer:
    """An exception of the service's (its body is the payload with the type in it), or an error of the protocol's."""
    if kind == "exception":
        said: Any = {}
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = msgspec.json.decode(event.payload)
        said = said if isinstance(said, dict) else {}
        return ErrorInAnswer(msgspec.json.encode(said | {"__type": event.headers.get(":exception-type", "")}))
    if kind == "error":
        code, message = event.headers.get(":error-code", ""), event.headers.get(":error-message", "")
        return ErrorInAnswer(msgspec.json.encode({"__type": code, "message": message}))
    return BadAnswer("a message of an unknown type")


def _ended(reason: str, fields: Any, calls: int) -> Ended:
    if reason in _NO_ANSWER:
        raise BadAnswer(f"its stopReason is {reason}")
    meant = _REASONS.get(reason, "stop")
    if meant == "stop" and calls:
        meant = "tool_calls"
    stop = fields.get("stop_sequence") if isinstance(fields, dict) and reason == "stop_sequence" else None
    return Ended(meant, stop if isinstance(stop, str) else None)


def read_usage(raw: bytes, tier: _Tier | None = None) -> Usage | None:
    """Our usage from Converse's, which counts neither what was read from its cache nor what was written there as input.

    None when the counts make no sense. Thinking is part of the output and not told.
    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html, November 2026.
    """
    try:
        said = _usage.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    input_tokens = said.inputTokens + said.cacheReadInputTokens + said.cacheWriteInputTokens
    if input_tokens > TOKENS_MAX:
        return None
    return Usage(
        input_tokens,
        said.outputTokens,
        cached_tokens=said.cacheReadInputTokens,
        cache_write_tokens=said.cacheWriteInputTokens,
        tier=tier.type if tier is not None and tier.type in _TIERS else None,
    )
