"""OpenAI's categories as this machine judges them: groups, thresholds, scores and the answer. Pure."""

from collections.abc import Mapping

from waystation.wire.moderations import CATEGORIES, Categories, ModerationResult

Scores = dict[str, float]
"""By category, 0 to 1; a category that is left out is 0."""

GROUPS: dict[str, tuple[str, ...]] = {
    "harassment": ("harassment", "harassment/threatening"),
    "hate": ("hate", "hate/threatening"),
    "illicit": ("illicit", "illicit/violent"),
    "self-harm": ("self-harm", "self-harm/intent", "self-harm/instructions"),
    "sexual": ("sexual", "sexual/minors"),
    "violence": ("violence", "violence/graphic"),
}
"""What the judge tells apart, each with its categories: the widest first."""
THRESHOLD = 0.5
LEAST_SCORE = 1e-6  # of what nothing speaks for: OpenAI's scores are never 0 either
DIGITS = 6

_FIELDS = dict(zip(Categories.__struct_encode_fields__, Categories.__struct_fields__, strict=True))


def merged(one: Mapping[str, float], other: Mapping[str, float]) -> Scores:
    """The larger score of each."""
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in one.keys() | other.keys()}


def combined(words: Mapping[str, float], judge: Mapping[str, float]) -> Scores:
    """What two witnesses say together, each of whom may be right alone: 1 - (1 - a)(1 - b)."""
    return {name: 1 - (1 - words.get(name, 0.0)) * (1 - judge.get(name, 0.0)) for name in words.keys() | judge.keys()}


def widened(scores: Mapping[str, float]) -> Scores:
    """The narrower category is part of the wider one, which is never less likely."""
    wide = dict(scores)
    for first, *rest in GROUPS.values():
        for name in rest:
            wide[first] = max(wide.get(first, 0.0), wide.get(name, 0.0))
    return wide


def result_of(scores: Mapping[str, float], thresholds: Mapping[str, float]) -> ModerationResult:
    """The answer for one text."""
    told = {name: round(max(scores.get(name, 0.0), LEAST_SCORE), DIGITS) for name in CATEGORIES}
    flags = {name: told[name] >= thresholds.get(name, THRESHOLD) for name in CATEGORIES}
    return ModerationResult(
        flagged=any(flags.values()),
        categories=Categories(**{_FIELDS[name]: flag for name, flag in flags.items()}),
        category_scores=told,
        category_applied_input_types={name: ["text"] for name in CATEGORIES},
    )
