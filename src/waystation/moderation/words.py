"""The word lists: what a text says by its words alone. Linear in its length, a slice at a time.

Built-in lists are in `lists/`, an administrator's in a TOML file of the same form (`read_words`).
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from waystation.moderation.model import Scores, merged
from waystation.moderation.normal import normalized
from waystation.wire.moderations import CATEGORIES

STRONG, WEAK = 0.9, 0.25  # what a strong word says alone; what a weak one adds to the judge's word
SLICE_CHARS = 8_192
OVERLAP_CHARS = 128  # the longest that a built-in expression spans
FILE_BYTES_MAX = 1 << 20
EXPRESSION_CHARS_MAX = 4_096
_GAP = " … "  # in place of what is benign: no expression goes on across it by accident
_KINDS = {"strong": STRONG, "weak": WEAK, "words": STRONG, "regexes": STRONG}


class WordsError(ValueError):
    """A words file that can't be used; the text says where and why."""


class List(msgspec.Struct, frozen=True):
    """Expressions of one language or of one file."""

    benign: re.Pattern[str] | None
    harmful: tuple[tuple[str, float, re.Pattern[str]], ...]  # category, score, what is looked for

    def scores(self, text: str) -> Scores:
        """Of one slice of a normalized text."""
        if self.benign is not None:
            text = self.benign.sub(_GAP, text)
        found: Scores = {}
        for category, score, expression in self.harmful:
            if score > found.get(category, 0.0) and expression.search(text):
                found[category] = score
        return found


class Words:
    """All lists of this machine."""

    def __init__(self, lists: Iterable[List]) -> None:
        self._lists = tuple(lists)

    def scores_by_slice(self, text: str) -> Iterator[Scores]:
        """The scores so far, after each slice: whoever iterates may do something else in between."""
        found: Scores = {}
        end = ""
        for at in range(0, len(text), SLICE_CHARS):
            part = end + normalized(text[at : at + SLICE_CHARS])
            end = part[-OVERLAP_CHARS:]
            for each in self._lists:
                found = merged(found, each.scores(part))
            yield found

    def scores(self, text: str) -> Scores:
        return [{}, *self.scores_by_slice(text)][-1]


@cache
def built_in() -> tuple[List, ...]:
    folder = files("waystation.moderation") / "lists"
    return tuple(
        _list(tomllib.loads((folder / name).read_text(encoding="utf-8")), r"\b" if name == "en.toml" else "")
        for name in ("en.toml", "zh.toml")
    )


def read_words(path: Path) -> List:
    """An administrator's list. Raises WordsError."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise WordsError(f"{path} has more than {FILE_BYTES_MAX} bytes")
        table = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise WordsError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WordsError(f"{path} is no TOML: {error}") from None
    try:
        return _list(table, "")
    except WordsError as error:
        raise WordsError(f"{path}: {error}") from None


def _list(table: Mapping[str, Any], edge: str) -> List:
    harmful = []
    for category, kinds in table.items():
        if category == "benign":
            continue
        if category not in CATEGORIES:
            raise WordsError(f"[{category}] is no category; there are: benign, {', '.join(CATEGORIES)}")
        for kind, expressions in _kinds(category, kinds):
            harmful.append((category, _KINDS[kind], _joined(category, kind, expressions, edge)))
    benign = table.get("benign")
    phrases = [] if benign is None else [each for _, given in _kinds("benign", benign) for each in given]
    return List(_joined("benign", "phrases", phrases, edge) if phrases else None, tuple(harmful))


def _kinds(category: str, kinds: Any) -> Iterator[tuple[str, list[str]]]:
    known = ("phrases",) if category == "benign" else tuple(_KINDS)
    if not isinstance(kinds, dict):
        raise WordsError(f"[{category}] must be a table")
    for kind, expressions in kinds.items():
        if kind not in known:
            raise WordsError(f"[{category}] {kind} is not known; there are: {', '.join(known)}")
        if not isinstance(expressions, list) or not all(isinstance(each, str) and each for each in expressions):
            raise WordsError(f"[{category}] {kind} must be a list of texts")
        if expressions:
            yield kind, expressions


def _joined(category: str, kind: str, expressions: list[str], edge: str) -> re.Pattern[str]:
    if kind == "words":
        expressions = [_word(each) for each in expressions]
    for each in expressions:
        if len(each) > EXPRESSION_CHARS_MAX:
            raise WordsError(f"[{category}] {kind} has an expression of more than {EXPRESSION_CHARS_MAX} characters")
        try:
            empty = re.compile(each).search("") is not None
        except (re.error, RecursionError, OverflowError) as error:
            raise WordsError(f"[{category}] {kind} has {each[:80]!r}, which is no expression: {error}") from None
        if empty:
            raise WordsError(f"[{category}] {kind} has {each[:80]!r}, which finds nothing at all, and so everything")
    return re.compile(f"{edge}(?:{'|'.join(expressions)}){edge}")


def _word(word: str) -> str:
    """A word as it is looked for: Latin letters between the edges of words, Chinese anywhere."""
    plain = normalized(word).strip()
    edge = r"\b" if plain.isascii() else ""
    return f"{edge}{re.escape(plain)}{edge}"
