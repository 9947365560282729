"""Where a worker's time goes while it is called as fast as it answers: py-spy's samples, and the kernel's count of threads.

py-spy stops the worker for each sample, so nothing is timed here; what is read is a share.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.callers import make_callers
from bench.measure import Kind, Target, drive, write_bodies
from bench.report import CLOSED
from bench.servers import MODEL, PACED_MODEL, Waystation, upstream
from bench.session import CONNECTIONS, authorization
from bench.tools import build

SECONDS, SAMPLES_PER_S = 8, 200
START_S = 1  # from py-spy's start to its first sample
LOOP = "Runner.run (asyncio/runners.py"  # is in every stack of the event loop's thread
LEDGER, JOURNAL = "waystation/ledger/", "waystation/ledger/journal.py"


@dataclass(frozen=True)
class Share:
    calls: int
    samples: int  # of the event loop's thread
    ledger: float  # of those, in a function of the ledger or in what it calls
    journal: float  # a part of that
    threads: float  # of the process's CPU: all threads but the loop's


def share_of(stacks: Iterable[str], inside: str) -> tuple[int, float]:
    """How many samples of the event loop's thread there are, and the share that is inside a file or folder.

    `stacks`: lines as py-spy's raw format has them, "outer;…;inner COUNT".
    """
    total = found = 0
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        if LOOP in stack:
            total += int(count)
            found += int(count) if inside in stack else 0
    return total, found / total if total else 0.0


def share_under_load(py_spy: str) -> Share:
    """Start a server, call it from another core, sample its worker. Raises DidNotStart, LoadFailed, CalledProcessError."""
    load_core, server_core = machine.two_cores()
    for program in ("upstream", "load"):
        build(program)
    os.sched_setaffinity(0, {load_core})
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waystation-share-")))
        fast, paced = stack.enter_context(upstream("fast")), stack.enter_context(upstream("paced"))
        product = Waystation(folder / "waystation", fast, paced, server_core)
        with product.serving():
            pass  # makes the data folder
        (caller,) = make_callers(product.database)
        server, _ = stack.enter_context(product.serving())
        assert server.pid is not None
        write_bodies(folder, MODEL, PACED_MODEL)
        target = Target(server, authorization(caller.key), caller=caller)
        return _sampled(py_spy, target, folder, worker_of(server.pid))


def _sampled(py_spy: str, target: Target, folder: Path, worker: int) -> Share:
    drive(target, Kind(CLOSED, 1.0, CONNECTIONS), folder)
    raw = folder / "samples"
    command = [py_spy, "record", "--pid", str(worker), "--format", "raw", "--output", str(raw)]
    command += ["--rate", str(SAMPLES_PER_S), "--duration", str(SECONDS)]
    before = machine.thread_times_s(worker)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
        load = drive(target, Kind(CLOSED, float(SECONDS + START_S), CONNECTIONS), folder)
        if spy.wait(SECONDS) != 0:
            raise subprocess.CalledProcessError(spy.returncode, command)
    used = {thread: s - before.get(thread, 0.0) for thread, s in machine.thread_times_s(worker).items()}
    lines = raw.read_text().splitlines()
    samples, ledger = share_of(lines, LEDGER)
    _, journal = share_of(lines, JOURNAL)
    return Share(load["ok"], samples, ledger, journal, 1 - used[worker] / sum(used.values()))


def worker_of(supervisor: int) -> int:
    """The gateway worker among a server's processes."""
    for pid in machine.process_tree(supervisor):
        if b"waystation.app" in (machine.PROC / str(pid) / "cmdline").read_bytes():
            return pid
    raise ProcessLookupError(f"process {supervisor} has no gateway worker")
