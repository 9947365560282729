"""Keep a model's child process running: start it, wait until it answers, watch it, start it again when it dies.

For the supervisor. When to start again is a pure rule (`model.restart_delay_s`); here it is only obeyed.
"""

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Literal

from waystation.engine.log import BoundedLog
from waystation.engine.model import ChildSpec, LocalModel, engine_socket, failures_after, restart_delay_s

log = logging.getLogger("waystation.engine")

Status = Literal["stopped", "missing", "starting", "ready", "failing"]

FILE_POLL_S = 2.0
START_POLL_S = 0.02
START_TIMEOUT_S = 180.0
PROBE_EVERY_S, PROBE_TIMEOUT_S, PROBES_FAILED_MAX = 5.0, 5.0, 3
STOP_TIMEOUT_S = 3.0
LOG_PIECE_BYTES = 1 << 14


class EngineChild:
    """One local model's process, over all its lives. `status` says how it is."""

    def __init__(self, model: LocalModel, data: Path, threads: int | None = None, workers: int = 1) -> None:
        self.model = model
        self.socket = engine_socket(data, model.name)
        self.status: Status = "stopped"
        self.pid: int | None = None
        self.restarts = 0
        self._threads = threads or cores()
        self._workers = workers
        self._log_path = data / "logs" / f"engine-{re.sub(r'[^A-Za-z0-9.-]+', '-', model.name)}.log"
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Keep the child running until `stop()`; also when the file is not there yet."""
        failures = 0
        output = BoundedLog(self._log_path)
        try:
            while not self._stopping.is_set():
                if not await self._file_is_there():
                    return
                began = time.monotonic()
                await self._live(output)
                if self._stopping.is_set():
                    return
                failures = failures_after(failures, time.monotonic() - began)
                self.restarts += 1
                delay_s = restart_delay_s(failures)
                self.status = "failing" if delay_s else "starting"
                log.warning(
                    "the child of %s has died, starting it again in %g s; %s says why",
                    self.model.name,
                    delay_s,
                    output.path,
                )
                await self._sleep(delay_s)
        finally:
            self.status = "stopped"
            self.socket.unlink(missing_ok=True)
            output.close()

    async def stop(self) -> None:
        """End the child. `run` returns soon after."""
        self._stopping.set()

    async def ready(self) -> None:
        """Wait until the child answers."""
        await self._ready.wait()

    async def _file_is_there(self) -> bool:
        """Wait for the model's file, which a pull or a person may bring at any time. False when stopped before."""
        path = self.model.path
        while path is not None and not path.is_file():
            self.status = "missing"
            if await self._sleep(FILE_POLL_S):
                return False
        return True

    async def _live(self, output: BoundedLog) -> None:
        """One life of the child, from start to death."""
        self.status = "starting"
        spec = ChildSpec(self.model, str(self.socket), os.getpid(), self._threads, self._workers)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "waystation.engine.child",
            spec.to_json(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Its own group: Ctrl-C in the terminal reaches the supervisor only, whose worker still needs the children.
            start_new_session=True,
        )
        self.pid = process.pid
        logging_task = asyncio.create_task(_copy(process.stdout, output), name="engine-log")
        watching = asyncio.create_task(self._watch(process.pid), name="engine-watch")
        stopping = asyncio.create_task(self._stopping.wait(), name="engine-stop")
        dying = asyncio.create_task(process.wait(), name="engine-wait")
        try:
            await asyncio.wait((watching, stopping, dying), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, stopping):
                task.cancel()
            self._ready.clear()
            await _end(process)
            await asyncio.gather(logging_task, watching, stopping, dying, return_exceptions=True)
            self.pid = None

    async def _watch(self, pid: int) -> None:
        """Wait until the child answers, then look at it now and then. Returns when it hangs."""
        began = time.monotonic()
        while not await answers(self.socket, PROBE_TIMEOUT_S):
            if time.monotonic() - began > START_TIMEOUT_S:
                log.error("the child of %s did not answer within %g s of its start", self.model.name, START_TIMEOUT_S)
                return
            await asyncio.sleep(START_POLL_S)
        self.status = "ready"
        self._ready.set()
        log.info("%s answers after %.2f s (process %d)", self.model.name, time.monotonic() - began, pid)
        failed = 0
        while failed < PROBES_FAILED_MAX:
            await asyncio.sleep(PROBE_EVERY_S)
            failed = 0 if await answers(self.socket, PROBE_TIMEOUT_S) else failed + 1
        log.error("the child of %s no longer answers and is ended", self.model.name)

    async def _sleep(self, seconds: float) -> bool:
        """Sleep. True when `stop()` was called meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()


async def answers(socket: Path, timeout_s: float) -> bool:
    """Whether a child is there, has loaded its model, and says so in time."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                head = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in head


def cores() -> int:
    """The processors that this process may use: its affinity, and the quota of its control group where there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, -(-int(quota) // int(period))))


async def _copy(stream: asyncio.StreamReader | None, output: BoundedLog) -> None:
    assert stream is not None
    while data := await stream.read(LOG_PIECE_BYTES):
        output.write(data)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the process to end, then make it."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(kind)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
