"""The journals of a folder, opened to be read: those of this worker, of others that live, of dead ones.

The files are opened *before* the database is asked how far they are posted. What a worker prunes from then on stays
readable through the descriptors, so nothing that had settled when the reading began is missed, and nothing is counted
twice. What settles later may or may not be seen.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from waystation.errors import ServiceUnavailable
from waystation.ledger.journal import Segment, segments
from waystation.ledger.records import HOLD, SETTLE, VOID, Record, read_lines

FILES_MAX = 200  # of 16 MiB; more than that means that nothing is posted any more
READ_BYTES_MAX = 256 * 2**20  # of what is not posted yet, in one reading
_CHUNK_BYTES = 2**20


class Mark(NamedTuple):
    """Up to where a journal is posted, and whether nothing more will come of it."""

    position: int
    closed: bool


UNKNOWN = Mark(0, False)  # of a journal that was begun after the database was read


class _File(NamedTuple):
    segment: Segment
    fd: int

    def read(self, start: int = 0) -> tuple[int, bytes]:
        """What it has from a position on, without the zeros that are set aside; and where that begins."""
        offset = max(0, start - self.segment.base)
        begin = self.segment.base + offset
        parts: list[bytes] = []
        while True:
            part = os.pread(self.fd, _CHUNK_BYTES, offset)
            written = part.rstrip(b"\0")
            parts.append(written)
            offset += len(part)
            if len(written) < _CHUNK_BYTES:
                return begin, b"".join(parts)


class Journals:
    """Made by `opened`."""

    def __init__(self, files: list[_File]) -> None:
        self._files = {epoch: list(some) for epoch, some in groupby(files, lambda file: file.segment.epoch)}

    @property
    def epochs(self) -> list[int]:
        return list(self._files)

    def settlements(self, marks: Mapping[int, Mark]) -> Iterator[Record]:
        """What has settled beyond the marks. Raises ServiceUnavailable when the marks are older than the files, or when
        far too much waits to be posted."""
        read_bytes = 0
        for epoch, files in self._files.items():
            mark = marks.get(epoch, UNKNOWN)
            if mark.closed:
                continue
            _check_covered(files, mark)
            for file, after in zip(files, [*files[1:], None], strict=True):
                if after is not None and after.segment.base <= mark.position:
                    continue
                begin, data = file.read(mark.position)
                read_bytes += len(data)
                if read_bytes > READ_BYTES_MAX:
                    raise _too_much(f"more than {READ_BYTES_MAX} bytes of journals are not posted")
                for end, record in read_lines(data):
                    if begin + end > mark.position and record is not None and record[0] == SETTLE:
                        yield record

    def open_holds(self, marks: Mapping[int, Mark]) -> dict[str, int]:
        """Holds that have no end yet: when each was made, by request."""
        found: dict[str, int] = {}
        for epoch, files in self._files.items():
            if marks.get(epoch, UNKNOWN).closed:
                continue
            for file in files:
                for _, record in read_lines(file.read()[1]):
                    if record is None:
                        continue
                    if record[0] == HOLD:
                        found[record[1]] = record[2]
                    elif record[0] in (SETTLE, VOID):
                        found.pop(record[1], None)
        return found

    def find(self, request_id: str) -> tuple[Record | None, Record | None]:
        """The hold of a request and its end, as far as they are here."""
        hold: Record | None = None
        end: Record | None = None
        for files in self._files.values():
            for file in files:
                for record in _about(request_id, file.read()[1]):
                    if record[0] == HOLD:
                        hold = record
                    elif record[0] in (SETTLE, VOID):
                        end = record
        return hold, end


def _about(request_id: str, data: bytes) -> Iterator[Record]:
    """The records of one request, without reading all the others."""
    needle = b'"%b"' % request_id.encode()
    at = data.find(needle)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        if end < 0:
            return
        for _, record in read_lines(data[start : end + 1]):
            if record is not None and record[1] == request_id:
                yield record
        at = data.find(needle, end)


def _check_covered(files: list[_File], mark: Mark) -> None:
    if files[0].segment.base > mark.position:
        raise ServiceUnavailable(
            "The books moved on while they were read. Try again.",
            detail=f"{files[0].segment.path.name} begins after what was posted ({mark.position})",
            retry_after_ms=100,
        )


def _too_much(detail: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        "Too much usage waits to be posted to be added up. Try again later.", detail=detail, retry_after_ms=10_000
    )


@contextmanager
def opened(folder: Path) -> Iterator[Journals]:
    """Open what is in a folder now; a folder that isn't there has nothing. Raises ServiceUnavailable, OSError."""
    with ExitStack() as stack:
        files: list[_File] = []
        found = segments(folder)
        if len(found) > FILES_MAX:
            raise _too_much(f"{len(found)} files of journals are not posted")
        for segment in found:
            try:
                fd = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # it was posted before the database is asked
                continue
            stack.callback(os.close, fd)
            files.append(_File(segment, fd))
        yield Journals(files)
