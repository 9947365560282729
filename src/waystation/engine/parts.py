"""What one choice of an answer is to be, and the parts of which it comes to be. Plain data, for writers and tellers."""

from typing import Any, Literal

import msgspec

from waystation.engine.prompt import Prompt
from waystation.engine.tools import Tool, ToolRules
from waystation.engine.upstream import Candidate

Finish = Literal["stop", "length", "tool_calls"]


class Text(msgspec.Struct):
    text: str
    logprobs: list[Candidate]


class CallBegins(msgspec.Struct):
    index: int
    tool: Tool


class CallArguments(msgspec.Struct):
    index: int
    text: str


class End(msgspec.Struct):
    finish: Finish
    input_tokens: int
    output_tokens: int
    cached_tokens: int


Part = Text | CallBegins | CallArguments | End


class Answered(msgspec.Struct, frozen=True):
    """A tool call whose result is in the messages."""

    name: str
    arguments: dict[str, Any]

    def repeated_by(self, name: str, arguments: dict[str, Any]) -> bool:
        """Whether a call asks again for what is known: the same tool, with at least the same arguments."""
        return name == self.name and all(arguments.get(key) == value for key, value in self.arguments.items())


class Order(msgspec.Struct):
    """What one choice is to be: the prompt, how tokens are chosen, what must come of it."""

    prompt: Prompt
    sampling: dict[str, Any]
    stops: list[str]
    output_max: int
    rules: ToolRules = ToolRules()
    schema: dict[str, Any] | None = None
    logprobs: int | None = None  # candidates beside each token; None: no probabilities
    whole: bool = False  # nobody reads along: probabilities are complete that way
    answered: tuple[Answered, ...] = ()  # calls of this turn whose results the model has been told
    without_tools: Prompt | None = None  # the prompt that has none, for when it only repeats those calls
