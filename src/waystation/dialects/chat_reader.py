"""Answers to chats and completions of OpenAI-compatible servers, read into the vocabulary: streams and whole bodies.

Servers differ in what they add and forget. What can be understood is; what can't is no answer. Which calls of tools an
answer has is kept in `chat_calls.py`, the words of errors are read by the provider.
"""

from typing import Any

import msgspec

from waystation.dialects.chat_calls import Calls
from waystation.dialects.chat_usage import read_usage
from waystation.dialects.saying import (
    BadAnswer,
    Begun,
    Ended,
    ErrorInAnswer,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    Saying,
    TextDelta,
    Used,
)
from waystation.terms import Usage
from waystation.wire.sse import EventTooLarge, Framer, data_of

CHOICES_MAX = 128
"""The most that can be asked for."""
TIERS = frozenset(("flex", "priority", "batch"))
"""Service tiers that have prices of their own; an answer at another costs what the model costs."""

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",  # Zhipu
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",  # Zhipu
    "refusal": "refusal",
}
BROKEN = frozenset(("abort", "error", "insufficient_system_resource", "network_error"))
"""Reasons that say that the answer isn't whole: SGLang, OpenRouter, DeepSeek, Zhipu."""

_Members = dict[str, Any]
_decode = msgspec.json.Decoder(_Members).decode


class _Chunk(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"null")


class ChatReader:
    """Reads one answer, streamed or not: which of them it is, its first byte tells.

    Begun comes first, Used last; an error in the answer is raised after what was good, at the latest by `finish`.
    """

    __slots__ = (
        "_begun",
        "_body",
        "_calls",
        "_ended",
        "_fault",
        "_framer",
        "_open",
        "_tier",
        "_usage",
        "_whole",
        "over",
    )

    def __init__(self) -> None:
        self._framer: Framer | None = None  # of a stream, once it is known to be one
        self._body = bytearray()
        self._whole = False  # it is no stream
        self._calls = Calls()
        self._begun = False
        self._open: set[int] = set()  # choices
        self._ended: set[int] = set()
        self._fault: BadAnswer | ErrorInAnswer | None = None
        self._usage: Usage | None = None
        self._tier: str | None = None
        self.over = False

    def feed(self, data: bytes) -> list[Saying]:
        """What is whole now. Raises BadAnswer, ErrorInAnswer."""
        if self._framer is None:
            self._body += data
            if self._whole:
                return []
            begin = bytes(self._body).lstrip(b" \t\r\n\xef\xbb\xbf")
            if not begin or begin[:1] == b"{":
                self._whole = bool(begin)
                return []
            self._framer = Framer()
            data = bytes(self._body)
        try:
            return self._read_events(self._framer.feed(data))
        except EventTooLarge as error:
            raise BadAnswer(str(error)) from None

    def finish(self) -> list[Saying]:
        """The end. Raises as `feed` does, and when a choice has no finish_reason."""
        if self._fault is not None:
            raise self._fault
        if self._framer is None:
            sayings = self._read_whole(bytes(self._body))
        else:
            sayings = [] if self.over else self._read_events(self._framer.finish())
            if not self.over and data_of(self._framer.rest).startswith(b"{"):  # some forget the last empty line
                sayings += self._read_events([self._framer.rest + b"\n\n"])
            if self._fault is not None:
                raise self._fault
        if not self._open or self._open - self._ended:
            raise BadAnswer("it ended without finish_reason")
        if self._usage is not None:
            self._usage.tier = self._tier
            sayings.append(Used(self._usage))
        return sayings

    # -- a stream

    def _read_events(self, events: list[bytes]) -> list[Saying]:
        sayings: list[Saying] = []
        try:
            for event in events:
                data = data_of(event)
                if data == b"[DONE]":
                    self.over = True
                    break
                if data:
                    self._read_chunk(data, sayings)
        except (BadAnswer, ErrorInAnswer) as error:
            if not sayings:
                raise
            self._fault, self.over = error, True
        return sayings

    def _read_chunk(self, data: bytes, sayings: list[Saying]) -> None:
        chunk = _object(data)
        choices = _choices(chunk)
        if not choices:
            if is_error(chunk):
                raise ErrorInAnswer(data)
            self._note(chunk, data)
            return
        self._begin(chunk, sayings)
        self._note(chunk, data)
        for choice in choices:
            self._note_choice_usage(choice)
            delta = choice.get("delta")
            # MiniMax repeats the whole answer in its last chunk, as `message`: what was streamed counts.
            said = delta if isinstance(delta, dict) else choice
            self._read_choice(choice, said, sayings)

    # -- a whole body

    def _read_whole(self, data: bytes) -> list[Saying]:
        answer = _object(data)
        choices = _choices(answer)
        if not choices:
            if is_error(answer):
                raise ErrorInAnswer(data)
            raise BadAnswer(f"{len(data)} bytes without choices")
        sayings: list[Saying] = []
        self._begin(answer, sayings)
        self._note(answer, data)
        for choice in choices:
            message = choice.get("message")
            self._read_choice(choice, message if isinstance(message, dict) else choice, sayings)
        return sayings

    # -- what both have

    def _begin(self, answer: _Members, sayings: list[Saying]) -> None:
        if not self._begun:
            self._begun = True
            sayings.append(Begun(_text(answer.get("id")), _text(answer.get("model"))))
            self._calls.answer_id = _text(answer.get("id"))

    def _note(self, answer: _Members, data: bytes) -> None:
        """Keep the usage and the tier: the last good ones count."""
        if isinstance(answer.get("usage"), dict):
            self._usage = read_usage(bytes(msgspec.json.decode(data, type=_Chunk).usage)) or self._usage
        tier = answer.get("service_tier")
        if isinstance(tier, str) and tier in TIERS:
            self._tier = tier

    def _note_choice_usage(self, choice: _Members) -> None:
        usage = choice.get("usage")  # Moonshot tells it with the last choice
        if isinstance(usage, dict):
            self._usage = read_usage(msgspec.json.encode(usage)) or self._usage

    def _read_choice(self, choice: _Members, said: _Members, sayings: list[Saying]) -> None:
        index = choice.get("index")
        at = index if type(index) is int and 0 <= index < CHOICES_MAX else 0
        self._open.add(at)
        # Some servers say the same under both names.
        if thought := _text(said.get("reasoning_content")) or _text(said.get("reasoning")):
            sayings.append(ReasoningDelta(thought, choice=at))
        if text := _text(said.get("content")) or _text(choice.get("text")):
            sayings.append(TextDelta(text, at))
        if refusal := _text(said.get("refusal")):
            sayings.append(RefusalDelta(refusal, at))
        if said.get("tool_calls"):
            sayings += self._calls.read(said["tool_calls"], at)
        if isinstance(said.get("function_call"), dict):
            sayings += self._calls.read_legacy(said["function_call"], at)
        reason = choice.get("finish_reason")
        if reason and at not in self._ended:
            sayings += self._end(str(reason), at)

    def _end(self, reason: str, choice: int) -> list[Saying]:
        if reason in BROKEN:
            raise BadAnswer(f"the provider broke it off: {reason}")
        self._ended.add(choice)
        finish = FINISH.get(reason, "stop")
        if finish == "stop" and self._calls.any_in(choice):  # older servers say `stop` after calls, too
            finish = "tool_calls"
        return [*self._calls.finish(choice), Ended(finish, choice=choice)]


def is_error(answer: _Members) -> bool:
    """Whether an answer without choices says that something went wrong, in one of the known shapes."""
    if answer.get("error"):
        return True
    status = answer.get("base_resp")
    if isinstance(status, dict) and status.get("status_code"):  # MiniMax
        return True
    return isinstance(answer.get("message"), str) and answer.get("code") is not None  # DashScope, and a vLLM of old


def _object(data: bytes) -> _Members:
    try:
        return _decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # What it says stays out of the log: it may be part of an answer.
        raise BadAnswer(f"{len(data)} bytes that are no JSON object") from None


def _choices(answer: _Members) -> list[_Members]:
    choices = answer.get("choices")
    if not choices:
        return []
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise BadAnswer("its choices are none")
    return choices


def _text(value: Any) -> str:
    """A text, also where it comes as a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text(part.get("text")) if isinstance(part, dict) else _text(part) for part in value)
    return ""
