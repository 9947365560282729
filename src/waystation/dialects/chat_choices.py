"""The events of an answer gathered to its choices: what a body that is not streamed says of each."""

from collections.abc import Iterable
from typing import Any

import msgspec

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

FINISH: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",  # OpenAI has no word of its own for a model that stops because it declines
}


class CallBody(msgspec.Struct):
    id: str
    name: str
    custom: bool
    arguments: str = ""

    def as_openai(self) -> dict[str, Any]:
        if self.custom:
            return {"id": self.id, "type": "custom", "custom": {"name": self.name, "input": self.arguments}}
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


class ChoiceBody(msgspec.Struct):
    texts: list[str] = []
    reasons: list[str] = []
    refusals: list[str] = []
    called: dict[int, CallBody] = {}
    reason: FinishReason = "stop"

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        return "".join(self.reasons)

    @property
    def refusal(self) -> str:
        return "".join(self.refusals)

    @property
    def calls(self) -> list[CallBody]:
        return [call for _, call in sorted(self.called.items())]


def gather(sayings: Iterable[Saying]) -> dict[int, ChoiceBody]:
    """The choices of an answer, by index."""
    choices: dict[int, ChoiceBody] = {}
    for saying in sayings:
        at = getattr(saying, "choice", None)
        if at is None:
            continue
        choice = choices.get(at)
        if choice is None:
            choice = choices[at] = ChoiceBody()
        _add(choice, saying)
    return choices


def _add(choice: ChoiceBody, saying: Saying) -> None:
    if isinstance(saying, TextDelta):
        choice.texts.append(saying.text)
    elif isinstance(saying, ReasoningDelta):
        choice.reasons.append(saying.text)
    elif isinstance(saying, RefusalDelta):
        choice.refusals.append(saying.text)
    elif isinstance(saying, CallBegun):
        choice.called[saying.index] = CallBody(saying.id, saying.name, saying.custom)
    elif isinstance(saying, CallDelta):
        choice.called[saying.index].arguments += saying.arguments
    elif isinstance(saying, Ended):
        choice.reason = saying.reason
