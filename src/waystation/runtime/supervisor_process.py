"""One process that is kept running: started, started again with growing pauses when it dies, drained at the end.

What it runs and what it is told is its owner's business; this knows only processes.
"""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

PAUSE_FIRST_S = 0.2
PAUSE_MOST_S = 10.0
HEALTHY_AFTER_S = 30.0  # who lived this long died of something new
UNREADY_DEATHS_MAX = 5  # who never got ready this often in a row never will
KILLED_WITHIN_S = 5.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Start(NamedTuple):
    """How to start a process: its command, its environment, and the descriptors that it inherits."""

    command: Sequence[str]
    environ: Mapping[str, str]
    descriptors: Sequence[int] = ()


class NeverReady(Exception):
    """The process died again and again before it was ready."""


def next_pause_s(pause_s: float, lived_s: float) -> float:
    """How long to wait before the next start, by how long the last wait was and how long the process lived then."""
    if lived_s >= HEALTHY_AFTER_S or pause_s <= 0:
        return PAUSE_FIRST_S
    return min(pause_s * 2, PAUSE_MOST_S)


class KeptProcess:
    """Keeps one process running.

    `plan` says how to start it, given the descriptor on which it writes "ready\\n". `tell` gets a line for the log.
    `on_ready` gets its process id each time that it begins to serve.
    """

    def __init__(
        self, name: str, plan: Callable[[int], Start], tell: Callable[[str], None], on_ready: Callable[[int], None]
    ) -> None:
        self.name = name
        self._ready = asyncio.Event()
        self._plan = plan
        self._tell = tell
        self._on_ready = on_ready
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run it until `drain` or `kill`. Raises NeverReady."""
        pause_s, unready = 0.0, 0
        while not self._stopping.is_set():
            started = time.monotonic()
            was_ready, code = await self._live()
            if self._stopping.is_set():
                return
            unready = 0 if was_ready else unready + 1
            if unready == UNREADY_DEATHS_MAX:
                raise NeverReady(f"{self.name} died {unready} times before it was ready")
            pause_s = next_pause_s(pause_s, time.monotonic() - started)
            self._tell(f"{self.name} {_ended(code)}; it starts again in {pause_s:g} s")
            await self._sleep(pause_s)

    async def ready(self) -> None:
        """Wait until it serves."""
        await self._ready.wait()

    @property
    def serves(self) -> bool:
        """Whether it serves at this moment."""
        return self._ready.is_set()

    async def drain(self, seconds: float) -> None:
        """Ask it to end, and make it end when it takes longer."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self._tell(f"{self.name} did not end within {seconds:g} s: it is killed")
            self.kill()
            await asyncio.wait_for(process.wait(), KILLED_WITHIN_S)

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            _signal(self._process, signal.SIGKILL)

    async def _live(self) -> tuple[bool, int]:
        """One life: whether it got ready, and how it ended."""
        ours, its = os.pipe()
        try:
            start = self._plan(its)
            self._process = process = await asyncio.create_subprocess_exec(
                *start.command,
                env=dict(start.environ),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(its, *start.descriptors),
                # Its own group: Ctrl-C in the terminal reaches the supervisor only, which then drains it.
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(its)
        if self._stopping.is_set():  # asked to stop while it was being started
            self.kill()
        watch = asyncio.create_task(self._watch_ready(ours, process.pid))
        try:
            code = await process.wait()
        finally:
            was_ready = self._ready.is_set()
            self._ready.clear()
            watch.cancel()
        return was_ready, code

    async def _watch_ready(self, descriptor: int, pid: int) -> None:
        reader = asyncio.StreamReader(limit=64)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        try:
            if await reader.readline() == b"ready\n":
                self._ready.set()
                self._on_ready(pid)
        finally:
            transport.close()

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except ProcessLookupError:
        return  # it ended by itself just now


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before the fork: nothing may be loaded after it


def _end_with_parent() -> None:
    """In the new process: the kernel is to send SIGTERM when the supervisor dies: nobody serves on unattended."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
