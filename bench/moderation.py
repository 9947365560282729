"""How well this machine's moderator judges: precision, recall and F1 by group and language, words alone and with the judge.

    waystation serve                                   # in another terminal, with nothing else to do
    python -m bench.moderation --base-url http://127.0.0.1:8080/v1 --key sk-…      # --fit: suggest SLOPE and BIAS

The sample (`moderated/sample.tsv`) was written for this measure. Odd lines are for tuning prompt, lists and thresholds; the
figures are those of the even ones.
"""

import argparse
import json
import math
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from waystation.moderation import judge
from waystation.moderation.model import GROUPS, THRESHOLD, Scores, combined, widened
from waystation.moderation.words import Words, built_in

SAMPLE = Path(__file__).parent / "moderated" / "sample.tsv"
JUDGE = "qwen2.5-coder-0.5b-instruct"
ANY = "any harm"
LANGUAGES = ("en", "zh")


class Sentence(NamedTuple):
    language: str
    group: str  # of GROUPS, or "safe"
    text: str


class Judged(NamedTuple):
    sentence: Sentence
    words: Scores
    alternatives: Mapping[str, float]
    words_s: float
    judge_s: float


class Counts(NamedTuple):
    """Right, wrong and missed."""

    hits: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        return self.hits / (self.hits + self.false) if self.hits + self.false else 0.0

    @property
    def recall(self) -> float:
        return self.hits / (self.hits + self.missed) if self.hits + self.missed else 0.0

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def sample() -> list[Sentence]:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    return [Sentence(*line.split("\t", 2)) for line in lines if line and not line.startswith("#")]


def flagged(scores: Scores) -> set[str]:
    """The groups that are flagged, and ANY."""
    wide = widened(scores)
    found = {group for group, names in GROUPS.items() if any(wide.get(name, 0.0) >= THRESHOLD for name in names)}
    return found | ({ANY} if found else set())


def by_words(judged: Judged) -> set[str]:
    return flagged(judged.words)


def by_both(judged: Judged) -> set[str]:
    return flagged(combined(judged.words, judge.scores_of(judged.alternatives)))


def counts(judged: Iterable[Judged], group: str, found_by: Callable[[Judged], set[str]]) -> Counts:
    hits = false = missed = 0
    for each in judged:
        is_harm = each.sentence.group == group or (group == ANY and each.sentence.group != "safe")
        is_found = group in found_by(each)
        hits += is_harm and is_found
        false += is_found and not is_harm
        missed += is_harm and not is_found
    return Counts(hits, false, missed)


def judged_by(base_url: str, key: str, sentences: Iterable[Sentence]) -> list[Judged]:
    words = Words(built_in())
    found = []
    for sentence in sentences:
        begin = time.perf_counter()
        scores = words.scores(sentence.text)
        middle = time.perf_counter()
        alternatives = asked(base_url, key, sentence.text)
        found.append(Judged(sentence, scores, alternatives, middle - begin, time.perf_counter() - middle))
    return found


def asked(base_url: str, key: str, text: str) -> Mapping[str, float]:
    """What the judge says, asked as the moderator asks it."""
    body = {"model": JUDGE, "prompt": judge.prompt_of(text), "max_tokens": 1, "temperature": 0}
    request = urllib.request.Request(
        f"{base_url}/completions",
        json.dumps({**body, "logprobs": judge.ALTERNATIVES}).encode(),
        {"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return judge.alternatives_in(json.load(answer))


def report(judged: list[Judged]) -> None:
    harmful = sum(each.sentence.group != "safe" for each in judged)
    print(f"{len(judged)} sentences, {harmful} of them harmful; precision / recall / F1")
    print("| group | language | words alone | words and judge |\n| --- | --- | --- | --- |")
    for group in (ANY, *GROUPS):
        for language in LANGUAGES:
            of_it = [each for each in judged if each.sentence.language == language]
            cells = [counts(of_it, group, found_by) for found_by in (by_words, by_both)]
            told = [f"{each.precision:.2f} / {each.recall:.2f} / {each.f1:.2f}" for each in cells]
            print(f"| {group} | {language} | {' | '.join(told)} |")
    for name, times in (("words", [each.words_s for each in judged]), ("judge", [each.judge_s for each in judged])):
        times.sort()
        print(
            f"{name}: median {times[len(times) // 2] * 1000:.1f} ms, p95 {times[len(times) * 95 // 100] * 1000:.1f} ms"
        )


def fit(judged: list[Judged]) -> None:
    """For each group the bias that makes the best F1 of words and judge together; SLOPE stays."""
    for group, names in GROUPS.items():
        best = max(
            (f1_with(judged, group, names[0], bias), -abs(bias), bias) for bias in (step / 4 for step in range(-48, 13))
        )
        print(f'    "{group}": {best[2]},  # F1 {best[0]:.2f}')


def f1_with(judged: list[Judged], group: str, category: str, bias: float) -> float:
    def found_by(each: Judged) -> set[str]:
        margin = judge.SLOPE * judge.margins_of(each.alternatives).get(group, -30.0) + bias
        score = 1 / (1 + math.exp(-max(-30.0, min(30.0, margin))))
        return flagged(combined(each.words, {category: score}))

    return counts(judged, group, found_by).f1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--fit", action="store_true", help="on the half for tuning")
    parser.add_argument("--misses", action="store_true", help="print what was judged wrong")
    chosen = parser.parse_args()
    half = sample()[::2] if chosen.fit else sample()[1::2]
    asked(chosen.base_url, chosen.key, "warm")  # the examples are read once
    judged = judged_by(chosen.base_url, chosen.key, half)
    report(judged)
    if chosen.fit:
        fit(judged)
    if chosen.misses:
        for each in judged:
            if (by_both(each) - {ANY}) != ({each.sentence.group} - {"safe"}):
                print(each.sentence.group, by_both(each) - {ANY}, each.words, each.sentence.text)


if __name__ == "__main__":
    main()
