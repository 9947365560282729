"""Bring the journal to the disk, off the loop: a thread that syncs what was written, at most every 20 ms."""

import logging
import os
import threading
from pathlib import Path

SYNC_EVERY_S = 0.02
STOP_TIMEOUT_S = 10.0

log = logging.getLogger("waystation.ledger")

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


def sync_folder(folder: Path) -> None:
    """Bring the names of the files in a folder to the disk: a file without its name is lost. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Syncer:
    """Syncs one file at a time. `kill -9` needs none of this: what is written stays in the kernel; a power cut does."""

    def __init__(self, fd: int, folder: Path) -> None:
        self._fd = fd
        self._folder = folder
        self._has_new_name = False
        self._retired: list[int] = []
        self.dirty = False  # something is written and waits for its sync
        self._wake = threading.Event()
        self._stop = threading.Event()
        self.fault: str | None = None  # what the disk last said, while it refuses
        self._thread = threading.Thread(target=self._run, name="waystation-journal-sync", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Something was written. Need not be called while `dirty`: the sync that waits will bring that too."""
        self.dirty = True
        self._wake.set()

    def follow(self, fd: int) -> None:
        """Go on with another file of the folder; the one before is synced a last time, then closed."""
        self._retired.append(self._fd)
        self._fd = fd
        self._has_new_name = True
        self.dirty = True
        self._wake.set()

    def stop(self) -> None:
        """Sync what is left, close the file."""
        self._stop.set()
        self._wake.set()
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            self.dirty = False  # before the sync: what is written meanwhile asks for the next
            self._sync_all()
            self._stop.wait(SYNC_EVERY_S)
        self._retired.append(self._fd)
        self._sync_all(last=True)

    def _sync_all(self, *, last: bool = False) -> None:
        try:
            while self._retired:
                _sync(self._retired[0])
                os.close(self._retired.pop(0))
            if self._has_new_name:
                sync_folder(self._folder)
                self._has_new_name = False
            if not last:
                _sync(self._fd)
        except OSError as error:
            if self.fault is None:
                log.error("the journal can't be brought to the disk: %s", error)
            self.fault = str(error)
            self._wake.set()  # try again
        else:
            self.fault = None
