"""The disk under the journals: files in memory that forget, tear and fill up as told. Stands in for `os` and `fcntl`."""

import errno
import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.sim.process import BEFORE, PROCESS, TORN, Killed, Process

SECTOR_BYTES = 64  # what a power cut keeps or loses as a whole; small, so that records lie in several
FORGETS_S = 5.0  # names that were removed so lately may be there again after a power cut


class File:
    def __init__(self, name: str) -> None:
        self.name = name
        self.data = bytearray()
        self.end = 0  # of what was written; zeros that were set aside come after
        self.synced = 0  # up to where it would survive a power cut ...
        self.named = False  # ... if its name does
        self.lock: int | None = None


class Disk:
    """Stands in for the modules `os` and `fcntl` in the code of the journal; `folder` stands in for its path."""

    O_RDWR, O_CREAT, O_EXCL, O_CLOEXEC = os.O_RDWR, os.O_CREAT, os.O_EXCL, os.O_CLOEXEC
    LOCK_EX, LOCK_NB = 2, 4

    def __init__(self, chance: Random, now: Callable[[], float], on_write: Callable[[bytes], None]) -> None:
        self._chance = chance
        self._now = now
        self._on_write = on_write
        self._files: dict[str, File] = {}
        self._removed: list[tuple[float, File]] = []
        self._open: dict[int, tuple[File, Process]] = {}
        self._fds = 100
        self.full = False  # no space can be set aside
        self.refuses = False  # and what was set aside takes nothing either
        self.folder = Folder(self)

    # -- what the journal calls

    def open(self, path: "Name", flags: int, _mode: int) -> int:
        process = self._process()
        fate = process.step("open")
        if fate == BEFORE:
            self._die(process)
        file = self._files.get(path.name)
        if file is None:
            file = self._files[path.name] = File(path.name)
        elif flags & os.O_EXCL:
            raise FileExistsError(path.name)
        self._fds += 1
        self._open[self._fds] = (file, process)
        if fate:
            self._die(process)
        return self._fds

    def close(self, fd: int) -> None:
        if fd not in self._open:
            raise OSError(errno.EBADF, "Bad file descriptor")
        file, _ = self._open.pop(fd)
        if file.lock == fd:
            file.lock = None

    def flock(self, fd: int, _operation: int) -> None:
        file, _ = self._open[fd]
        if file.lock is not None:
            raise BlockingIOError
        file.lock = fd

    def posix_fallocate(self, fd: int, offset: int, size_bytes: int) -> None:
        file, process = self._open[fd]
        if process.step("set aside"):
            self._die(process)
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        file.data.extend(bytes(max(0, offset + size_bytes - len(file.data))))

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        if fd not in self._open:
            raise OSError(errno.EBADF, "Bad file descriptor")
        file, process = self._open[fd]
        fate = process.step("write")
        size = len(data)
        if fate == BEFORE:
            self._die(process)
        elif fate == TORN:
            size = self._chance.randrange(size)
        elif self.refuses:
            size = self._chance.choice((0, size // 2))
        elif self.full:
            size = min(size, max(0, len(file.data) - offset))
        file.data[offset : offset + size] = data[:size]
        file.end = max(file.end, offset + size)
        if size == len(data):
            self._on_write(data)
        if fate:
            self._die(process)
        return size

    # -- what the folder calls

    def names(self) -> list[str]:
        return list(self._files)

    def read(self, name: str) -> bytes:
        self._process()
        return bytes(self._files[name].data)

    def remove(self, name: str) -> None:
        process = self._process()
        fate = process.step("remove")
        if fate == BEFORE:
            self._die(process)
        file = self._files.pop(name, None)
        if file is not None:
            self._removed.append((self._now(), file))
        if fate:
            self._die(process)

    # -- what the world does

    @property
    def is_full(self) -> bool:
        return self.full or self.refuses

    def sync(self, fd: int) -> None:
        file, _ = self._open[fd]
        file.synced = file.end

    def sync_folder(self, _folder: "Folder") -> None:
        if self._process().step("sync the folder"):
            self._die(self._process())
        self.sync_names()

    def sync_names(self) -> None:
        for file in self._files.values():
            file.named = True
        self._removed.clear()

    def let_go(self, process: Process) -> None:
        """The kernel closes what a process had open, and with it goes its lock."""
        for fd in [fd for fd, (_, owner) in self._open.items() if owner is process]:
            self.close(fd)

    def power_cut(self) -> set[str]:
        """Forget what was not synced, here and there; returns the requests whose records may be among that."""
        doubtful: set[str] = set()
        lately = [file for at, file in self._removed if at >= self._now() - FORGETS_S]
        for file in lately[len(lately) - self._chance.randint(0, len(lately)) :]:
            self._files.setdefault(file.name, file)
        self._removed.clear()
        for file in list(self._files.values()):
            doubtful.update(_requests(bytes(file.data[file.synced if file.named else 0 : file.end])))
            self._forget(file)
        return doubtful

    def _forget(self, file: File) -> None:
        if not file.named and self._chance.random() < 0.5:
            del self._files[file.name]
            return
        kept = file.synced
        how = self._chance.choice(("all", "none", "some", "cut"))
        if how == "none":
            file.data[kept:] = bytes(len(file.data) - kept)
        elif how == "cut":
            del file.data[self._chance.randint(kept, max(kept, file.end)) :]
        elif how == "some":
            for start in range(kept, file.end, SECTOR_BYTES):
                if self._chance.random() < 0.5:
                    stop = min(start + SECTOR_BYTES, len(file.data))
                    file.data[start:stop] = bytes(stop - start)
        file.end = len(file.data.rstrip(b"\0"))
        file.synced, file.named = file.end, True

    def _process(self) -> Process:
        process = PROCESS.get()
        assert process is not None
        if process.dead:
            raise Killed
        return process

    @staticmethod
    def _die(process: Process) -> None:
        process.die()
        raise Killed


class Folder:
    def __init__(self, disk: Disk) -> None:
        self.disk = disk

    def __truediv__(self, name: str) -> "Name":
        return Name(self.disk, name)

    def mkdir(self, **_given: Any) -> None:
        return

    def glob(self, pattern: str) -> Iterator["Name"]:
        return (Name(self.disk, name) for name in self.disk.names() if fnmatch.fnmatch(name, pattern))


class Name:
    def __init__(self, disk: Disk, name: str) -> None:
        self.disk = disk
        self.name = name

    def __lt__(self, other: "Name") -> bool:
        return self.name < other.name

    def read_bytes(self) -> bytes:
        return self.disk.read(self.name)

    def unlink(self, *, missing_ok: bool = False) -> None:
        self.disk.remove(self.name)


_REQUEST = re.compile(rb'"(req_[^"]+)"')


def _requests(data: bytes) -> Iterator[str]:
    return (found.decode() for found in _REQUEST.findall(data))
