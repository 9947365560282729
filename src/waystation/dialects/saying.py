"""What a model answers, whatever the dialect: typed events, close to those of OpenAI's Responses API.

An answer is Begun, then any of the middle ones, then an Ended for each choice, and Used at last where the provider says so. A
whole answer is the same list, all at once.
"""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import msgspec

from waystation.terms import Done, Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]


class Begun(msgspec.Struct, frozen=True):
    """The provider's own id of the answer and name of the model; "" where it gives none."""

    id: str = ""
    model: str = ""


class TextDelta(msgspec.Struct, frozen=True):
    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True):
    """What the model thinks, where the provider shows it. A part that is signed or hidden comes with that at its end."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True):
    text: str
    choice: int = 0


class CallBegun(msgspec.Struct, frozen=True):
    """The model calls a tool. `index` counts the calls of a choice from 0."""

    index: int
    id: str
    name: str
    custom: bool = False
    signature: str | None = None
    choice: int = 0


class CallDelta(msgspec.Struct, frozen=True):
    """More of a call's arguments."""

    index: int
    arguments: str
    choice: int = 0


class Ended(msgspec.Struct, frozen=True):
    reason: FinishReason
    stop_sequence: str | None = None  # which one ended it, where the provider says
    choice: int = 0


class Used(msgspec.Struct, frozen=True):
    usage: Usage


Saying = Begun | TextDelta | ReasoningDelta | RefusalDelta | CallBegun | CallDelta | Ended | Used


class BadAnswer(Exception):
    """What arrived is no answer of its dialect. The text is for the log and holds nothing of the answer."""


class ErrorInAnswer(Exception):
    """The provider put an error into its answer; `body` is its JSON."""

    def __init__(self, body: bytes) -> None:
        super().__init__("an error in the answer")
        self.body = body


class Reader(Protocol):
    """Reads one answer of a dialect. Feed it what arrives, in pieces of any size."""

    over: bool
    """The end has come: nothing more is to be fed."""

    def feed(self, data: bytes) -> list[Saying]:
        """What is whole now. Raises BadAnswer, ErrorInAnswer."""
        ...

    def finish(self) -> list[Saying]:
        """Nothing more comes. Raises as `feed` does, and BadAnswer when the answer isn't whole."""
        ...


class Writer(Protocol):
    """Writes one answer in the caller's dialect. What it is made with: see `dialects/table.py`."""

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        """These events of a stream, as whole server-sent events; b"" when they say nothing in this dialect."""
        ...

    def done(self, usage: Usage | None) -> Done:
        """The end of a stream. Where the usage is unknown and its last events tell it, the Done has a `tail`."""
        ...

    def cut(self) -> Done:
        """The end of a stream of which no more can be paid: each open choice ends for its length."""
        ...

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        """An answer that is not streamed, in one piece."""
        ...


Later = Callable[[Usage], bytes]


def text_of(saying: Saying) -> str:
    """What an event adds to the answer, for counting tokens."""
    if type(saying) is TextDelta or type(saying) is ReasoningDelta or type(saying) is RefusalDelta:
        return saying.text
    if type(saying) is CallDelta:
        return saying.arguments
    return saying.name if type(saying) is CallBegun else ""
