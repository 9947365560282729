"""What a Gemini model's name says about it: its generation, and how its thinking is asked for.

Sources: https://ai.google.dev/gemini-api/docs/thinking (levels and budgets by model) and
https://ai.google.dev/gemini-api/docs/openai (what `reasoning_effort` means there), November 2026.
"""

import re
from typing import Any, NamedTuple

from waystation.dialects.ask import Ask
from waystation.dialects.mapping import Notes

_NAME = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?:-(pro|flash-lite|flash))?")

BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768, "max": 32768}
"""Tokens of thinking for an effort, of the models that take a budget."""

_RANGES = {"pro": (128, 32768), "flash": (1, 24576), "flash-lite": (512, 24576)}
"""Budgets that are taken by a 2.5 model; 0 (no thinking) by all of them but Pro."""

_LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}


class Family(NamedTuple):
    """Of a model that is no Gemini (Gemma, a tuned one) the generation is 0."""

    generation: float = 0.0
    size: str = ""  # "pro", "flash", "flash-lite" or ""

    @property
    def has_budget(self) -> bool:
        return 2.5 <= self.generation < 3

    @property
    def has_levels(self) -> bool:
        return self.generation >= 3


def family(model: str) -> Family:
    match = _NAME.search(model)
    if match is None:
        return Family()
    return Family(float(f"{match[1]}.{match[2] or 0}"), match[3] or "")


def thinking(ask: Ask, kin: Family, notes: Notes) -> dict[str, Any] | None:
    """The `thinkingConfig`; None leaves it to the model. Thoughts are shown to who asks for thinking."""
    field = "reasoning_effort" if ask.reasoning_tokens_max is None else "reasoning_tokens_max"
    effort, budget = ask.reasoning_effort, ask.reasoning_tokens_max
    if effort is None and budget is None:
        return None
    if kin.has_levels:
        return _level(effort or "none", budget, kin, field, notes)
    if kin.has_budget:
        return _budget(BUDGETS[effort or "none"] if budget is None else budget, kin, field, notes)
    notes.ignore(field)
    return None


def _level(effort: str, budget: int | None, kin: Family, field: str, notes: Notes) -> dict[str, Any]:
    """Levels have taken the place of budgets, so a budget becomes the level that comes nearest."""
    if budget is not None:
        effort = next((word for word in ("none", "low", "medium") if budget <= BUDGETS[word]), "high")
    level = _LEVELS.get(effort, "MINIMAL")
    if kin.size == "pro" and level == "MINIMAL":
        level = "LOW"  # a Pro always thinks
    if kin == (3.0, "pro") and level == "MEDIUM":
        level = "HIGH"  # of the first Pro of this generation, which has but two
    if budget is not None or level != effort.upper():
        notes.map(field, f"thinkingLevel={level.lower()}")
    return {"thinkingLevel": level, "includeThoughts": effort != "none"}


def _budget(wanted: int, kin: Family, field: str, notes: Notes) -> dict[str, Any]:
    low, high = _RANGES.get(kin.size, _RANGES["flash"])
    budget = 0 if wanted <= 0 and kin.size != "pro" else min(max(wanted, low), high)
    if field == "reasoning_effort" or budget != wanted:
        notes.map(field, f"thinkingBudget={budget}")
    return {"thinkingBudget": budget, "includeThoughts": wanted > 0}
