"""May an answer that broke off be gone on with, and with what question? Pure.

Only what a reader has seen as plain text can be put into another model's mouth. A tool call that has begun, reasoning,
probabilities and an answer by a schema can't: those end with an error event.
"""

import re

import msgspec

from waystation.dialects.ask import Ask
from waystation.dialects.saying import Begun, Saying, TextDelta, Used
from waystation.dialects.table import NOT_PLAIN, Spoken
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.terms import Operation, Piece, Usage
from waystation.wire.sse import Framer

SENT_BYTES_MAX = 256 * 1024
"""A longer answer is not kept in memory to go on with it."""

_CHANGES_THE_TEXT = ("echo", "suffix", "best_of")
"""Of a completion: what has gone out is then not simply what follows the prompt."""


class Said:
    """What of an answer has gone out, as far as it is needed to go on with it."""

    __slots__ = ("_not_plain", "_size", "_texts", "first", "last", "plain")

    def __init__(self, not_plain: re.Pattern[bytes] = NOT_PLAIN) -> None:
        """`not_plain`: of the caller's dialect (`dialects/table.py`)."""
        self._not_plain = not_plain
        self.first = self.last = b""  # the first and the last bytes that went out
        self.plain = True
        self._texts: list[str] = []
        self._size = 0

    def add(self, piece: Piece) -> None:
        if not self.first:
            self.first = piece.data
        self.last = piece.data
        if self.plain:
            self._size += len(piece.data)
            if self._size > SENT_BYTES_MAX * 8 or self._not_plain.search(piece.data) is not None:
                self.plain = False
                self._texts.clear()
            else:
                self._texts.append(piece.text)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def first_event(self) -> bytes:
        """The first event that went out: it has the answer's envelope."""
        return next(iter(Framer().feed(self.first)), self.first)

    @property
    def last_event(self) -> bytes:
        return (Framer().feed(self.last) or [self.last])[-1]


def question(call: Call, said: Said, spoken: Spoken | None) -> Ask | None:
    """What was asked, when the answer may be gone on with; else None."""
    if spoken is None or not said.plain:
        return None
    try:
        ask = spoken.ask(call.body, call.request, call.output_tokens_max)
        spoken.envelope(said.first_event)
    except (ApiError, ValueError):
        return None
    plain = ask.stream and ask.choices == 1 and ask.logprobs is None and ask.format is None
    return ask if plain and not any(ask.extra.get(name) for name in _CHANGES_THE_TEXT) else None


def may_go_on(call: Call, said: Said, spoken: Spoken | None) -> bool:
    return question(call, said, spoken) is not None


def extended(ask: Ask, sent: str, sent_tokens: int, operation: Operation) -> Ask | None:
    """The question of which `sent` is the answer's begin. None: no more tokens were asked for than that has.

    White space at its end is not handed on: models go on badly after it, and some providers refuse it. See `Seam`.
    """
    left = ask.output_tokens_max
    if left is not None:
        left -= sent_tokens
        if left <= 0:
            return None
    begin = sent.rstrip()
    if operation is Operation.COMPLETION and ask.prompt is not None:
        return msgspec.structs.replace(ask, prompt=ask.prompt + begin, output_tokens_max=left)
    return msgspec.structs.replace(ask, said=begin, output_tokens_max=left)


class Seam:
    """Where the rest of an answer joins what has been sent."""

    def __init__(self, sent: str, sent_tokens: int) -> None:
        self._space = sent[len(sent.rstrip()) :]  # has gone out, but the model does not know
        self._sent_tokens = sent_tokens

    def join(self, saying: Saying) -> Saying | None:
        """What goes on of the next event; None: nothing of it."""
        if type(saying) is TextDelta:
            text = self._text(saying.text)
            return TextDelta(text) if text else None
        if type(saying) is Used:
            return Used(self._usage(saying.usage))
        return None if type(saying) is Begun else saying

    def _text(self, text: str) -> str:
        """Without the white space at its begin that has gone out already."""
        while self._space and text:
            if text[0] != self._space[0]:
                self._space = ""
                break
            text, self._space = text[1:], self._space[1:]
        return text

    def _usage(self, usage: Usage) -> Usage:
        """The usage as the caller's one answer has it: what was sent is output, not input."""
        moved = min(self._sent_tokens, usage.input_tokens)
        left = usage.input_tokens - moved
        return msgspec.structs.replace(
            usage,
            input_tokens=left,
            output_tokens=usage.output_tokens + moved,
            cached_tokens=min(usage.cached_tokens, left),
            cache_write_tokens=min(usage.cache_write_tokens, left - min(usage.cached_tokens, left)),
            estimated=True,
        )
