"""How thinking is asked of the models that Bedrock serves: each maker has a way of its own."""

from typing import Any

import msgspec

from waystation.dialects.ask import Ask, Reasoning, ToolUse
from waystation.dialects.converse.family import Family, Maker
from waystation.dialects.mapping import Notes

BUDGET_MIN = 1024
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
"""Tokens of thinking for an effort, of the Claudes that take a budget."""
_GRADES = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
_ADAPTIVE = _GRADES | {"xhigh": "xhigh", "max": "max"}


class Thinking(msgspec.Struct, frozen=True):
    fields: dict[str, Any] = {}  # of additionalModelRequestFields
    effort: str | None = None  # of outputConfig
    on: bool = False  # it thinks as we ask it to: Claude takes no sampling parameters then


def thinking(ask: Ask, kin: Family, notes: Notes) -> Thinking:
    field = "reasoning_effort" if ask.reasoning_tokens_max is None else "reasoning_tokens_max"
    effort = _effort(ask)
    if effort is None:
        return Thinking()
    if ask.said and kin.maker is Maker.CLAUDE:
        return _not(field, notes)  # an answer that has begun can't be thought about first
    if kin.thinks_adaptively:
        return _adaptive(effort, kin, field, notes)
    if kin.thinks_by_budget:
        return _budget(ask, effort, field, notes)
    if kin.maker is Maker.NOVA and kin.version >= 2:
        return _nova(ask, effort, field, notes)
    if kin.maker is Maker.GPT_OSS:
        grade = _GRADES.get(effort, "low")
        _tell(field, grade, effort, notes)
        return Thinking({"reasoning_effort": grade})
    return Thinking() if effort == "none" else _not(field, notes)


def _effort(ask: Ask) -> str | None:
    """What was asked for as an effort; a budget is the effort that comes nearest."""
    if (budget := ask.reasoning_tokens_max) is None:
        return ask.reasoning_effort
    return "none" if budget <= 0 else next((word for word in ("low", "medium") if budget <= BUDGETS[word]), "high")


def _not(field: str, notes: Notes) -> Thinking:
    notes.ignore(field)
    return Thinking()


def _tell(field: str, sent: str, effort: str, notes: Notes) -> None:
    if field != "reasoning_effort" or sent != effort:
        notes.map(field, f"effort={sent}")


def _adaptive(effort: str, kin: Family, field: str, notes: Notes) -> Thinking:
    """Without the field it does not think, or as little as it can."""
    if effort == "none":
        return Thinking()
    grade = _ADAPTIVE[effort]
    if grade == "xhigh" and kin.version < 4.65:
        grade = "high"
    _tell(field, grade, effort, notes)
    return Thinking({"thinking": {"type": "adaptive"}}, grade, on=True)


def _budget(ask: Ask, effort: str, field: str, notes: Notes) -> Thinking:
    """A budget is at least 1024 and less than the output that may come."""
    if effort == "none":
        return Thinking()
    wanted = ask.reasoning_tokens_max if ask.reasoning_tokens_max is not None else BUDGETS[effort]
    most = wanted if ask.output_tokens_max is None else ask.output_tokens_max - 1
    budget = min(max(wanted, BUDGET_MIN), most)
    if budget < BUDGET_MIN or _goes_on_without_thoughts(ask):
        return _not(field, notes)
    if field == "reasoning_effort" or budget != wanted:
        notes.map(field, f"budget_tokens={budget}")
    return Thinking({"thinking": {"type": "enabled", "budget_tokens": budget}}, on=True)


def _goes_on_without_thoughts(ask: Ask) -> bool:
    """The last answer called tools and its signed thoughts are not here: Claude refuses to think on from there."""
    last = next((turn for turn in reversed(ask.turns) if turn.role == "assistant"), None)
    if last is None or not any(isinstance(part, ToolUse) for part in last.parts):
        return False
    return not any(isinstance(part, Reasoning) and (part.signature or part.redacted) for part in last.parts)


def _nova(ask: Ask, effort: str, field: str, notes: Notes) -> Thinking:
    """The highest effort takes no bound of the output with it, and a bound is what can be paid."""
    if effort == "none":
        return Thinking({"reasoningConfig": {"type": "disabled"}})
    grade = _GRADES[effort]
    if grade == "high" and (ask.output_tokens_max, ask.temperature, ask.top_p) != (None, None, None):
        grade = "medium"
    _tell(field, grade, effort, notes)
    return Thinking({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": grade}})
