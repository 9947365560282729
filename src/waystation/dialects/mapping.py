"""What becomes of each field of an Ask in another dialect, and how its caller calls it.

A dialect that is written from an Ask has one table, from the field's name to its fate. What can't be said there is named in
the caller's own words: ignored, mapped (sent under another name or value), or refused.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from waystation.dialects.ask import Ask
from waystation.errors import Unsupported
from waystation.terms import Dialect


class Sent(msgspec.Struct, frozen=True):
    """Goes out as it is, under this name."""

    name: str


class Written(msgspec.Struct, frozen=True):
    """Has code of its own; `how` is for who reads the table."""

    how: str


class Ignored(msgspec.Struct, frozen=True):
    """Can't be said there, and the answer is still one to the question. Nobody misses a `neutral` value."""

    neutral: tuple[Any, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Can't be said there, and without it the answer would be another: `why` goes to the caller."""

    why: str


Fate = Sent | Written | Ignored | Refused

_NAMES: dict[Dialect, dict[str, str]] = {
    Dialect.OPENAI: {
        "choices": "n",
        "end_user": "user",
        "format": "response_format",
        "output_tokens_max": "max_completion_tokens",
        "reasoning_tokens_max": "thinking_budget",
        "stops": "stop",
        "turns": "messages",
    },
    Dialect.ANTHROPIC: {
        "end_user": "metadata.user_id",
        "format": "output_config.format",
        "output_tokens_max": "max_tokens",
        "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
        "reasoning_effort": "output_config.effort",
        "reasoning_tokens_max": "thinking.budget_tokens",
        "stops": "stop_sequences",
        "turns": "messages",
    },
    Dialect.RESPONSES: {
        "end_user": "safety_identifier",
        "format": "text.format",
        "output_tokens_max": "max_output_tokens",
        "reasoning_effort": "reasoning.effort",
        "turns": "input",
        "verbosity": "text.verbosity",
    },
}
"""By the caller's dialect: a field's name there, where it is another than ours."""

_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Ask)}


class Notes:
    """What is said to the caller about the fields of one request (`x-waystation-ignored`, `-mapped`)."""

    __slots__ = ("_dialect", "ignored", "mapped")

    def __init__(self, dialect: Dialect = Dialect.OPENAI) -> None:
        self._dialect = dialect
        self.ignored: list[str] = []
        self.mapped: list[str] = []

    def name(self, field: str) -> str:
        return _NAMES[self._dialect].get(field, field)

    def ignore(self, field: str) -> None:
        if (name := self.name(field)) not in self.ignored:
            self.ignored.append(name)

    def map(self, field: str, to: str) -> None:
        self.mapped.append(f"{self.name(field)}>{to}")

    def refusal(self, field: str, why: str) -> Unsupported:
        return Unsupported(why, param=self.name(field))


def plain(ask: Ask, table: Mapping[str, Fate], notes: Notes) -> dict[str, Any]:
    """The fields that go out as they are; those that don't are noted. Raises Unsupported for one that is refused."""
    sent: dict[str, Any] = {}
    for field, fate in table.items():
        value = getattr(ask, field)
        if value is None or value == _DEFAULTS[field] or type(fate) is Written:
            continue
        if type(fate) is Sent:
            sent[fate.name] = value
        elif type(fate) is Refused:
            raise notes.refusal(field, fate.why)
        elif type(fate) is Ignored and value not in fate.neutral:
            notes.ignore(field)
    for name in ask.extra:
        notes.ignore(name)
    return sent
