"""The figures of all workers together: each leaves its own in a file of the data folder, whoever is asked adds them up.

A call adds nothing for them. Nothing here says how they are shown: that is `metrics.py`.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

FOLDER = "workers"  # in the data folder; the supervisor empties it at its start
PUBLISH_EVERY_S = 1.0

log = logging.getLogger("waystation.http")


class Figures(msgspec.Struct, frozen=True):
    """Counters and gauges at one moment: of one worker, or of all."""

    version: str
    calls: int
    connections: int
    open_streams: int
    holds: int
    settled: int
    voided: int
    pending: int
    posted: int
    models: int
    workers: int = 1
    jobs_queued: int = 0  # known to the process that does them
    jobs_running: int = 0


# How the figures of several workers are added up; what is in neither is the same for all.
COUNTERS = ("calls", "holds", "settled", "voided", "posted")  # those of the dead count on, so none goes backwards
GAUGES = (
    "connections",
    "open_streams",
    "pending",
    "workers",
    "jobs_queued",
    "jobs_running",
)  # only the living have any


class Share(msgspec.Struct, frozen=True):
    """What a slot adds to the whole: the counters of all its lives, the gauges of this one."""

    pid: int
    change: int  # the last numbered change that this worker knows
    figures: Figures


def add_up(own: Figures, others: Iterable[Share], lives: Callable[[int], bool]) -> Figures:
    """The figures of all slots. `lives` tells it by the process id."""
    sums = {name: getattr(own, name) for name in COUNTERS + GAUGES}
    for share in others:
        for name in COUNTERS + GAUGES if lives(share.pid) else COUNTERS:
            sums[name] += getattr(share.figures, name)
    return msgspec.structs.replace(own, **sums)


def go_on(own: Figures, before: Figures | None) -> Figures:
    """A worker's figures with its predecessors' counters, which were `before`."""
    if before is None:
        return own
    return msgspec.structs.replace(own, **{name: getattr(own, name) + getattr(before, name) for name in COUNTERS})


class SharedFigures:
    """A worker's share, kept in `folder`. `own` is asked for its figures, `change` for the last change that it knows."""

    def __init__(self, folder: Path, slot: int, own: Callable[[], Figures], change: Callable[[], int]) -> None:
        self._folder = folder
        self._path = folder / f"{slot}.json"
        self._own = own
        self._change = change
        left = read_share(self._path)
        self._before = None if left is None else left.figures
        self._written = b""
        self._faulty = False

    def publish(self) -> None:
        """Write the share, whole or not at all. A disk that refuses is logged once, and is not the calls' business."""
        data = msgspec.json.encode(self._share())
        if data == self._written:
            return
        try:
            self._write(data)
        except OSError as error:
            if not self._faulty:
                log.warning("the figures for the other workers can't be written: %s", error)
            self._faulty = True
        else:
            self._written, self._faulty = data, False

    async def run(self) -> None:
        """Publish every second, until cancelled."""
        while True:
            self.publish()
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def total(self) -> Figures:
        """The figures of all workers: this one's as they are now, the others' at most a second old."""
        # Written before it is told: what a successor counts on from is never less than what somebody has been told.
        self.publish()
        own = self._share().figures
        others = await asyncio.to_thread(self._others)
        return add_up(own, others, is_alive)

    def _share(self) -> Share:
        return Share(os.getpid(), self._change(), go_on(self._own(), self._before))

    def _others(self) -> list[Share]:
        return [share for path, share in read_shares(self._folder) if path != self._path]

    def _write(self, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        new.replace(self._path)


def read_share(path: Path) -> Share | None:
    """None when there is none, or none that this version can read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Share)
    except (OSError, msgspec.MsgspecError):
        return None


def read_shares(folder: Path) -> list[tuple[Path, Share]]:
    """Of all slots, the dead ones too."""
    found = ((path, read_share(path)) for path in sorted(folder.glob("*.json")))
    return [(path, share) for path, share in found if share is not None]


def forget(folder: Path) -> None:
    """Begin anew: what the workers of an earlier start have counted is over."""
    for pattern in ("*.json", "*.new"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether there is such a process of ours."""
    try:
        os.kill(pid, 0)
    except (OSError, OverflowError):
        return False
    return pid > 0
