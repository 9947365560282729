"""Watch a model's free text for the beginning of a tool call that lacks its tags. Pure.

Small models often write the call as bare or fenced JSON. Text is held back only from a line's beginning that can still
become a call of a known tool; everything else passes at once.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

HELD_LETTERS_MAX = 400  # longer than any beginning of a call: what is held is text

_FENCE = re.compile(r"```[A-Za-z_]{0,12}\s*")
_FENCE_BEGINS = re.compile(r"`{1,2}$|```[A-Za-z_]{0,12}\s*$")
_SPACE = re.compile(r"\s+")
# How models begin a call, without spaces, before its name.
_BEGINNINGS = ('{"name":"', '{"function":"', '{"type":"function","function":{"name":"', '{"function":{"name":"')


class Held(msgspec.Struct):
    """A piece of text with what belongs to it (its tokens' probabilities)."""

    text: str
    extra: Any = None


class ToolGate:
    """Feed it the text as it comes; `called` is the tool's name once a call has begun."""

    def __init__(self, names: Iterable[str]) -> None:
        self._beginnings = tuple(f'{beginning}{name}"' for name in names for beginning in _BEGINNINGS)
        self._names = tuple(names)
        self._held: list[Held] = []
        self._at_line_start = True
        self.called: str | None = None

    def feed(self, text: str, extra: Any = None) -> list[Held]:
        """Take a piece; return the pieces that may go out."""
        self._held.append(Held(text, extra))
        whole = "".join(piece.text for piece in self._held)
        start = self._candidate(whole)
        if self.called is not None and start is not None:
            return self._release(start)
        return self._release(len(whole) if start is None else start)

    def finish(self) -> list[Held]:
        """The text has ended without a call: what is still held goes out."""
        held, self._held = self._held, []
        return held

    def _candidate(self, whole: str) -> int | None:
        """Where in the held text a call begins, or may begin."""
        starts = [0] if self._at_line_start else []
        starts += [found.end() for found in re.finditer("\n", whole)]
        for start in starts:
            verdict = self._judge(whole[start:])
            if verdict is not False:
                self.called = verdict if isinstance(verdict, str) else None
                return start
        return None

    def _judge(self, text: str) -> str | bool:
        """The tool's name when the text begins a call, True when it may come to that, False when it won't."""
        body = text.lstrip()
        if len(text) > HELD_LETTERS_MAX:
            return False
        if _FENCE_BEGINS.fullmatch(body):
            return True
        fence = _FENCE.match(body)
        compact = _SPACE.sub("", body[fence.end() :] if fence else body).removeprefix("[")
        for beginning in self._beginnings:
            if compact.startswith(beginning):
                return beginning[:-1].rpartition('"')[2]
            if beginning.startswith(compact):
                return True  # nothing but spaces so far counts too
        return False

    def _release(self, length: int) -> list[Held]:
        """The pieces that lie wholly before a place; one that reaches over it is cut."""
        out: list[Held] = []
        while self._held and length > 0:
            piece = self._held[0]
            if len(piece.text) > length:
                out.append(Held(piece.text[:length]))
                self._held[0] = Held(piece.text[length:], piece.extra)
                break
            length -= len(piece.text)
            out.append(self._held.pop(0))
        if out:
            self._at_line_start = out[-1].text.endswith("\n")
        return [piece for piece in out if piece.text]
