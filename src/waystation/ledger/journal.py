"""A worker's journal: holds before dispatch and settlements before the last byte, in files that only grow.

What a record means is `records.py`'s business, what becomes of it the poster's, what is left of it after a crash
`replay.py`'s.
"""

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from errno import ENOSPC
from os import pwrite
from pathlib import Path
from typing import NamedTuple

from waystation.errors import ServiceUnavailable
from waystation.ledger.records import SETTLE, Record, line, read_lines
from waystation.ledger.sync import Syncer, sync_folder

SEGMENT_BYTES_MAX = 16 * 2**20  # then the next file is begun
SET_ASIDE_BYTES = 2**20  # disk space taken at a time, before it is needed
ROOM_FOR_END_BYTES = 2048  # kept free for the settlement of each open hold, so that a full disk refuses only new ones
_NAME = re.compile(r"e(\d+)-s(\d+)-(\d+)\.journal\Z")

log = logging.getLogger("waystation.ledger")


class Segment(NamedTuple):
    """One file of a journal. Positions count through all files of an epoch; this one begins at `base`."""

    epoch: int
    slot: int
    base: int
    path: Path


def segments(folder: Path) -> list[Segment]:
    """All segments in a folder, in the order in which they were written."""
    named = ((_NAME.match(path.name), path) for path in folder.glob("*.journal"))
    return sorted(Segment(int(match[1]), int(match[2]), int(match[3]), path) for match, path in named if match)


def lock_epoch(folder: Path, epoch: int) -> int | None:
    """Take a journal for oneself: a descriptor to hold on to; None while the worker that writes it lives."""
    fd = os.open(folder / f"e{epoch}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def remove_epoch(folder: Path, epoch: int) -> None:
    """Delete a journal that is posted whole, the oldest file first: a crash must not leave holds without their ends."""
    for segment in segments(folder):
        if segment.epoch == epoch:
            segment.path.unlink(missing_ok=True)
    (folder / f"e{epoch}.lock").unlink(missing_ok=True)


class Journal:
    """The journal that this process writes. All but the syncing happens on the event loop, with plain writes."""

    def __init__(self, folder: Path, slot: int, epoch: int) -> None:
        """Begin a journal. Raises OSError; ServiceUnavailable when another process has this epoch."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.slot, self.epoch = folder, slot, epoch
        self.position = 0
        self.open: dict[str, int] = {}  # open holds, the oldest first: where each is written
        # Ends that a failing disk did not take, with where their holds are; at most one for each hold.
        self._unwritten: list[tuple[int, bytes]] = []
        lock = lock_epoch(folder, epoch)
        if lock is None:
            raise ServiceUnavailable("Another process writes this journal.", detail=f"epoch {epoch}")
        self._lock = lock
        self._segments: list[Segment] = []
        try:
            self._fd = self._begin_segment()
            # Allowances that are taken from now on outlast a power cut, so what gives them back must do so too.
            sync_folder(folder)
        except OSError:
            remove_epoch(folder, epoch)
            os.close(lock)
            raise
        self._syncer = Syncer(self._fd, folder)

    # -- writing

    def begin(self, request_id: str, record: Record) -> None:
        """Write a hold. Raises ServiceUnavailable when the disk can't take it and all the ends that are due."""
        if self._unwritten or self._syncer.fault is not None:
            self._write_late()
        holds = self.open
        while self._room - self._offset < ROOM_FOR_END_BYTES * (len(holds) + 2):
            self._make_room()
        position = self.position
        try:
            self._write(line(record))
        except OSError as error:
            raise _full(error) from error
        holds[request_id] = position

    def end(self, request_id: str, record: Record) -> bool:
        """Write the settlement or the voiding of a hold. What a failing disk refuses is kept and written later: False."""
        held_at = self.open.pop(request_id, self.position)
        data = line(record)
        try:
            self._write(data)
        except OSError as error:
            log.error("%s: its end can't be written to the journal yet: %s", request_id, error)
            self._unwritten.append((held_at, data))
            return False
        return True

    @property
    def is_behind(self) -> bool:
        """Whether ends of holds wait for the disk to take them."""
        return bool(self._unwritten)

    def extend(self, record: Record) -> bool:
        """Write that a call holds more; False when the disk does not take it: then it must not."""
        try:
            self._write(line(record))
        except OSError as error:
            log.warning("the journal did not take the extension of a hold: %s", error)
            return False
        return True

    def note(self, record: Record) -> None:
        """Write how far an answer has come. It makes recovery more exact; a failing disk is not its business."""
        try:
            self._write(line(record))
        except OSError:
            log.warning("the journal did not take a note of progress")

    def _write(self, data: bytes) -> None:
        # At an explicit offset, so that a write that was cut short is simply written over by the next.
        size_bytes = len(data)
        if pwrite(self._fd, data, self._offset) != size_bytes:
            raise OSError(ENOSPC, "No space left on device")
        self._offset += size_bytes
        self.position += size_bytes
        if not self._syncer.dirty:
            self._syncer.touch()

    def _write_late(self) -> None:
        """Write what was refused before. Raises ServiceUnavailable while the disk still refuses."""
        try:
            while self._unwritten:
                self._write(self._unwritten[0][1])
                self._unwritten.pop(0)
        except OSError as error:
            raise _full(error) from error
        if self._syncer.fault is not None:
            raise ServiceUnavailable(_FULL, detail=self._syncer.fault, retry_after_ms=1_000)

    # -- files

    def _make_room(self) -> None:
        try:
            if self._offset >= SEGMENT_BYTES_MAX:
                self._fd = self._begin_segment()
                self._syncer.follow(self._fd)
            else:
                _set_aside(self._fd, self._room, SET_ASIDE_BYTES)
                self._room += SET_ASIDE_BYTES
        except OSError as error:
            raise _full(error) from error

    def _begin_segment(self) -> int:
        name = f"e{self.epoch}-s{self.slot}-{self.position:016d}.journal"
        path = self.folder / name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _set_aside(fd, 0, SET_ASIDE_BYTES)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._offset, self._room = 0, SET_ASIDE_BYTES
        self._segments.append(Segment(self.epoch, self.slot, self.position, path))
        return fd

    def low_water(self, posted: int) -> int:
        """Up to where nothing is needed any more, when everything that settled before `posted` is posted."""
        unwritten = (held_at for held_at, _ in self._unwritten)
        return min(posted, next(iter(self.open.values()), posted), *unwritten)

    def prune(self, posted: int) -> None:
        """Delete the files of which nothing is needed any more."""
        while len(self._segments) > 1 and self._segments[1].base <= self.low_water(posted):
            self._segments.pop(0).path.unlink(missing_ok=True)

    def close(self, *, remove: bool) -> None:
        """Sync, let go. `remove`: everything is posted, so the files go too."""
        self._fd = -1  # what comes late must not write into whichever file gets this number next
        self._syncer.stop()
        if remove:
            remove_epoch(self.folder, self.epoch)
        os.close(self._lock)


_FULL = "The server can't write its journal at the moment (is the disk full?). Try again."


def _full(error: OSError) -> ServiceUnavailable:
    return ServiceUnavailable(_FULL, detail=str(error), retry_after_ms=1_000)


def _set_aside(fd: int, offset: int, size_bytes: int) -> None:
    """Take disk space now. Raises OSError when there is none."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, offset, size_bytes)
    else:  # macOS
        os.pwrite(fd, bytes(size_bytes), offset)


def read_segment(segment: Segment) -> Iterator[tuple[int, Record | None]]:
    """The records of a segment with the positions after them. See `records.read_lines`."""
    for end, record in read_lines(segment.path.read_bytes()):
        yield segment.base + end, record


def read_settlements(folder: Path, epoch: int, start: int, until: int, records_max: int) -> tuple[list[Record], int]:
    """The settlements of a journal from one position to another, at most `records_max`, and where to go on."""
    found: list[Record] = []
    mine = [segment for segment in segments(folder) if segment.epoch == epoch]
    for segment, after in zip(mine, [*mine[1:], None], strict=True):
        if after is not None and after.base <= start:
            continue
        for end, record in read_segment(segment):
            if end > until:
                return found, until
            if end > start and record is not None and record[0] == SETTLE:
                found.append(record)
                if len(found) == records_max:
                    return found, end
    return found, until
