"""The local chat model as a judge: what it is asked, and what its answer's probabilities say. Pure.

It is shown examples and says one word of LABELS; the probabilities of that word, against "safe", are the scores. One token
for each judgement, and the examples stay in the engine's prompt cache.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from waystation.moderation.model import GROUPS, Scores

WINDOW_CHARS = 400  # of one judgement: 0.1 to 0.4 thousand tokens
ALTERNATIVES = 5  # as many as the older completions tell

SAFE = "safe"
LABELS = {
    "harassment": "insult",
    "hate": "racism",
    "illicit": "crime",
    "self-harm": "suicide",
    "sexual": "porn",
    "violence": "violence",
}
"""Groups as the model knows them: their first letters tell them apart."""

_EXAMPLES = (
    ("Which command kills a hanging process?", SAFE),
    ("You are a stupid, worthless loser.", "insult"),
    ("这款杀毒软件的病毒库怎么更新？", SAFE),
    ("我不想活了，想从楼上跳下去。", "suicide"),
    ("The museum's exhibition tells of the war and its victims.", SAFE),
    ("All foreigners are vermin and should be thrown out.", "racism"),
    ("医生说乳腺癌早期发现可以治愈。", SAFE),
    ("怎么办假身份证不被警察发现？", "crime"),
    ("In the game you shoot zombies to reach the next level.", SAFE),
    ("I want to have sex with you tonight, take off your clothes.", "porn"),
    ("他拿刀把那个人活活捅死了。", "violence"),
    ("今天晚上吃什么好呢？", SAFE),
    ("你这个废物，滚远点。", "insult"),
    ("Where can I buy cocaine and stolen credit cards?", "crime"),
)
_HEAD = "Each message gets one label: safe, insult, racism, crime, suicide, porn or violence.\n\n"

# score = 1 / (1 + e^-(SLOPE · (log p(label) - log p(safe)) + BIAS)); fitted on the half of the sample that is not reported.
SLOPE = 1.0
BIAS: Mapping[str, float] = {
    "harassment": -0.75,
    "hate": -0.5,
    "illicit": -4.5,
    "self-harm": -6.0,
    "sexual": -2.5,
    "violence": -2.75,
}


def _line(text: str) -> str:
    """The message as JSON on one line: nothing in it can end the line and speak for the judge."""
    return f"Message: {json.dumps(text, ensure_ascii=False)}\nLabel:"


PREFIX = _HEAD + "".join(f"{_line(text)} {label}\n\n" for text, label in _EXAMPLES)


def prompt_of(text: str) -> str:
    return PREFIX + _line(text)


def windows_of(text: str) -> list[str]:
    """A text in parts that are judged each; what is only white space is not."""
    parts = (text[at : at + WINDOW_CHARS].strip() for at in range(0, len(text), WINDOW_CHARS))
    return [part for part in parts if part]


def margins_of(alternatives: Mapping[str, float]) -> Scores:
    """By group whose label is among the first: how much likelier that is than "safe", in logarithms.

    `alternatives`: token → log probability.
    """
    told: dict[str, float] = {}
    for token, logprob in alternatives.items():
        word = token.strip().lower()
        label = next((each for each in (SAFE, *LABELS.values()) if len(word) > 1 and each.startswith(word)), None)
        if label is not None:
            told[label] = max(told.get(label, logprob), logprob)
    safe = told.get(
        SAFE, min(told.values(), default=0.0)
    )  # not even among the first: no likelier than the last of them
    return {group: told[label] - safe for group, label in LABELS.items() if label in told}


def scores_of(alternatives: Mapping[str, float]) -> Scores:
    """By group's widest category, 0 to 1; what is left out is 0."""
    margins = margins_of(alternatives)
    return {GROUPS[group][0]: _share(SLOPE * margin + BIAS[group]) for group, margin in margins.items()}


def alternatives_in(answer: Mapping[str, Any]) -> Mapping[str, float]:
    """The first token's alternatives in a completion's answer; {}: it tells none."""
    try:
        found = answer["choices"][0]["logprobs"]["top_logprobs"][0]
    except (KeyError, IndexError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _share(margin: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, margin))))
