"""The journal's syncer in virtual time: what is written reaches the disk within 20 ms, unless the process dies first."""

import asyncio

from tests.sim.disk import Disk, Folder
from tests.sim.process import PROCESS
from waystation.ledger.sync import SYNC_EVERY_S


class SimSyncer:
    """Has the methods of `waystation.ledger.sync.Syncer`, and its promise."""

    def __init__(self, disk: Disk, fd: int, _folder: Folder) -> None:
        self._disk = disk
        self._process = PROCESS.get()
        self._fd = fd
        self._retired: list[int] = []
        self._has_new_name = False
        self.dirty = False
        self.fault: str | None = None

    def touch(self) -> None:
        self.dirty = True
        asyncio.get_running_loop().call_later(SYNC_EVERY_S, self._sync)

    def follow(self, fd: int) -> None:
        self._retired.append(self._fd)
        self._fd = fd
        self._has_new_name = True
        if not self.dirty:
            self.touch()

    def stop(self) -> None:
        self._retired.append(self._fd)
        self._fd = -1
        self._sync()

    def _sync(self) -> None:
        if self._process is None or self._process.dead:
            return
        self.dirty = False
        while self._retired:
            self._disk.sync(self._retired[0])
            self._disk.close(self._retired.pop(0))
        if self._has_new_name:
            self._disk.sync_names()
            self._has_new_name = False
        if self._fd >= 0:
            self._disk.sync(self._fd)
