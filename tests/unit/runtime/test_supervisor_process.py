"""Keeping one process running: with small real processes as the worker."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from waystation.runtime import supervisor_process
from waystation.runtime.supervisor_process import KeptProcess, NeverReady, Start, next_pause_s

READY = "import os; os.write(int(os.environ['READY']), b'ready\\n');"
SERVES = READY + "import time; time.sleep(60)"
DRAINS = (
    "import os, signal, sys, time;"
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.1), print('drained', flush=True), sys.exit(0)));" + SERVES
)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + SERVES


class Watched:
    """A kept process with what it said."""

    def __init__(self, code: str) -> None:
        self.told: list[str] = []
        self.pids: list[int] = []
        self.kept = KeptProcess("worker", self._plan, self.told.append, self.pids.append)
        self._code = code

    def _plan(self, ready_fd: int) -> Start:
        return Start((sys.executable, "-S", "-E", "-c", self._code), {**os.environ, "READY": str(ready_fd)})


@contextlib.asynccontextmanager
async def running(watched: Watched) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(watched.kept.run())
    try:
        yield task
    finally:
        watched.kept.kill()
        await asyncio.gather(task, return_exceptions=True)


async def until_pids(watched: Watched, count: int) -> None:
    async with asyncio.timeout(20):
        while len(watched.pids) < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("pause_s", "lived_s", "then"),
    [
        (0.0, 0.1, 0.2),  # the first death
        (0.2, 0.1, 0.4),
        (0.4, 29.0, 0.8),
        (8.0, 0.1, 10.0),
        (10.0, 0.1, 10.0),  # never longer
        (10.0, 31.0, 0.2),  # it had been well: it died of something new
    ],
)
def test_pauses_between_starts_grow_to_a_bound(pause_s: float, lived_s: float, then: float) -> None:
    assert next_pause_s(pause_s, lived_s) == then


def test_a_killed_process_is_started_again() -> None:
    async def story() -> None:
        watched = Watched(SERVES)
        async with running(watched):
            await until_pids(watched, 1)
            os.kill(watched.pids[0], signal.SIGKILL)
            await until_pids(watched, 2)
            assert watched.pids[0] != watched.pids[1]
            assert watched.told == ["worker was killed by SIGKILL; it starts again in 0.2 s"]
            await asyncio.wait_for(watched.kept.ready(), 5)

    asyncio.run(story())


def test_draining_lets_it_finish() -> None:
    async def story() -> None:
        watched = Watched(DRAINS)
        async with running(watched) as task:
            await until_pids(watched, 1)
            await watched.kept.drain(10)
            await asyncio.wait_for(task, 5)
            assert watched.told == []
            with pytest.raises(ProcessLookupError):
                os.kill(watched.pids[0], 0)

    asyncio.run(story())


def test_who_does_not_end_in_time_is_killed() -> None:
    async def story() -> None:
        watched = Watched(STUBBORN)
        async with running(watched) as task:
            await until_pids(watched, 1)
            await watched.kept.drain(0.2)
            await asyncio.wait_for(task, 5)
            assert watched.told == ["worker did not end within 0.2 s: it is killed"]

    asyncio.run(story())


def test_draining_ends_the_pause_before_a_start() -> None:
    async def story() -> None:
        watched = Watched(READY)
        async with running(watched) as task:
            await until_pids(watched, 1)
            while not watched.told:
                await asyncio.sleep(0.01)
            await watched.kept.drain(10)
            await asyncio.wait_for(task, 5)

    asyncio.run(story())


def test_who_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_process, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(supervisor_process, "PAUSE_MOST_S", 0.001)

    async def story() -> None:
        watched = Watched("import sys; sys.exit(3)")
        with pytest.raises(NeverReady, match="worker died 5 times"):
            await watched.kept.run()
        assert watched.told[0] == "worker ended with code 3; it starts again in 0.001 s"
        assert watched.pids == []

    asyncio.run(story())


def test_no_descriptor_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_process, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(supervisor_process, "PAUSE_MOST_S", 0.001)

    async def lives(count: int) -> None:
        watched = Watched(READY)
        async with running(watched):
            await until_pids(watched, count)

    asyncio.run(lives(1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    asyncio.run(lives(3))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux only does this")
def test_the_process_ends_with_its_supervisor(tmp_path: Path) -> None:
    script = tmp_path / "supervisor.py"
    script.write_text(
        "import asyncio, os, sys\n"
        "from waystation.runtime.supervisor_process import KeptProcess, Start\n"
        f"code = {SERVES!r}\n"
        "plan = lambda fd: Start((sys.executable, '-c', code), {**os.environ, 'READY': str(fd)})\n"
        "tell = lambda pid: print(pid, flush=True)\n"
        "asyncio.run(KeptProcess('worker', plan, print, tell).run())\n"
    )

    async def story() -> None:
        supervisor = await asyncio.create_subprocess_exec(
            sys.executable, str(script), stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"}
        )
        assert supervisor.stdout is not None
        pid = int(await asyncio.wait_for(supervisor.stdout.readline(), 20))
        supervisor.kill()
        await supervisor.wait()
        async with asyncio.timeout(5):
            while _lives(pid):
                await asyncio.sleep(0.01)

    asyncio.run(story())


def _lives(pid: int) -> bool:
    """Whether it runs; one that waits to be buried by init does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
