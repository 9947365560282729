"""JSONL as it streams in: split into lines, each read and checked; what is wrong is collected with its line number. Pure.

At OpenAI an upload for fine-tuning is refused when a line is no JSON object, and a batch fails at its validation with codes such
as `duplicate_custom_id`. Here both are told at upload, in those codes and words: a file that can't be used is not kept.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from waystation.errors import InvalidRequest

LINE_BYTES_MAX = 16 * 1024 * 1024
PROBLEMS_TOLD_MAX = 10
_HINT_CHARS = 20
_BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.decode


class Problem(msgspec.Struct, frozen=True):
    line: int  # from 1
    code: str  # as OpenAI's batches have it
    message: str


Check = Callable[[int, dict[str, Any]], Iterable[Problem]]


class JsonLines:
    """`feed` the content as it comes, then `finish`. A mark at the start (BOM), blank lines and CRLF do no harm."""

    def __init__(self, check: Check, lines_max: int | None = None) -> None:
        self._check = check
        self._lines_max = lines_max
        self._rest = bytearray()
        self._line = 0
        self._skipping = False  # the rest of a line that is too long
        self.objects = 0
        self.problems: list[Problem] = []
        self.problems_total = 0

    def feed(self, content: bytes) -> None:
        start = 0
        while (end := content.find(b"\n", start)) >= 0:
            self._end_line(content[start:end])
            start = end + 1
        self._keep(content[start:])

    def finish(self) -> None:
        """Raises InvalidRequest with the first problems, if there are any."""
        if self._rest or self._skipping:
            self._end_line(b"")
        if self.problems:
            raise self._refusal()
        if self.objects == 0:
            raise InvalidRequest("The file has no lines.", param="file", code="empty_file")

    def _keep(self, piece: bytes) -> None:
        if not self._skipping:
            self._rest += piece
            if len(self._rest) > LINE_BYTES_MAX:
                self._skipping = True
                self._rest.clear()

    def _end_line(self, piece: bytes) -> None:
        self._line += 1
        self._keep(piece)
        if self._skipping:
            self._complain(
                Problem(self._line, "line_too_long", f"Line {self._line} is longer than {LINE_BYTES_MAX} bytes.")
            )
        else:
            line = bytes(self._rest)
            self._read(line.removeprefix(_BOM) if self._line == 1 else line)
        self._rest.clear()
        self._skipping = False

    def _read(self, line: bytes) -> None:
        line = line.strip(b" \t\r")
        if not line:
            return
        self.objects += 1
        if self._lines_max is not None and self.objects > self._lines_max:
            if self.objects == self._lines_max + 1:
                words = f"Line {self._line} is one too many: a file may have {self._lines_max} of them."
                self._complain(Problem(self._line, "too_many_tasks", words))
            return
        try:
            read = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._complain(_not_an_object(self._line, line, "is not parseable as valid JSON"))
            return
        if not isinstance(read, dict):
            self._complain(_not_an_object(self._line, line, "is not a dictionary"))
            return
        for problem in self._check(self._line, read):
            self._complain(problem)

    def _complain(self, problem: Problem) -> None:
        self.problems_total += 1
        if len(self.problems) < PROBLEMS_TOLD_MAX:
            self.problems.append(problem)

    def _refusal(self) -> InvalidRequest:
        told = " ".join(problem.message for problem in self.problems)
        more = self.problems_total - len(self.problems)
        if any(problem.code == "invalid_json_line" for problem in self.problems):
            told = f"Expected file to have JSONL format, where every line is a valid JSON dictionary. {told}"
        if more:
            told += f" And {more} more."
        return InvalidRequest(told, param="file", code=self.problems[0].code)


def _not_an_object(number: int, line: bytes, what: str) -> Problem:
    start = line[: _HINT_CHARS * 4].decode("utf-8", "replace")[:_HINT_CHARS]
    shown = "".join(character if character.isprintable() else "\ufffd" for character in start)
    return Problem(number, "invalid_json_line", f'Line {number} {what} (HINT: line starts with: "{shown}...").')
