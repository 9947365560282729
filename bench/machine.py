"""What the kernel says (Linux): CPU time and memory of a tree of processes, the cores, what machine this is."""

import contextlib
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STATE, _PPID, _UTIME, _STIME, _CUTIME, _CSTIME = 0, 1, 11, 12, 13, 14  # of the fields after the name, see proc(5)
_SO_ACCEPTCON = 0x10000  # the flag of a listening socket in /proc/net/unix


def stat_fields(text: str) -> list[str]:
    """The fields of /proc/PID/stat after the program's name, which may itself hold spaces and brackets."""
    return text[text.rindex(")") + 2 :].split()


def tree(root: int, parents: Mapping[int, int]) -> list[int]:
    """The process `root` and all that descend from it. `parents`: each process's parent."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found


def process_tree(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents[int(entry.name)] = int(fields[_PPID])
    return tree(root, parents)


def cpu_s(root: int) -> float:
    """CPU-seconds (user and system) that a tree of processes has used, children that have ended included.

    The ticks of /proc/PID/stat are 10 ms wide, too coarse for a short window; the scheduler's own count of each
    thread is in nanoseconds but forgets threads that have ended. Neither is ever more than the truth, so the larger
    one is taken.
    """
    total = 0.0
    for pid in process_tree(root):
        fields = _stat(pid)
        if fields:
            own_s = (int(fields[_UTIME]) + int(fields[_STIME])) / TICKS_PER_S
            waited_s = (int(fields[_CUTIME]) + int(fields[_CSTIME])) / TICKS_PER_S
            total += max(own_s, sum(thread_times_s(pid).values())) + waited_s
    return total


def thread_times_s(pid: int) -> dict[int, float]:
    """CPU-seconds of each thread of a process; the first thread's number is the process's."""
    times = {}
    for thread in _list(PROC / str(pid) / "task"):
        try:
            run_ns = (PROC / str(pid) / "task" / thread / "schedstat").read_text().split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        times[int(thread)] = int(run_ns) / 1e9
    return times


def memory_mb(root: int) -> float:
    """Memory of a tree of processes in 10⁶ bytes: proportional set size, so that shared pages count once."""
    return sum(_pss_bytes(pid) for pid in process_tree(root)) / 1e6


def open_things(root: int) -> tuple[int, int]:
    """File descriptors and threads that a tree of processes has."""
    pids = process_tree(root)
    fds = sum(len(_list(PROC / str(pid) / "fd")) for pid in pids)
    return fds, sum(len(_list(PROC / str(pid) / "task")) for pid in pids)


def listening_sockets(root: int) -> list[str]:
    """Paths of the unix sockets that a tree of processes listens on."""
    inodes = set()
    for pid in process_tree(root):
        for fd in _list(PROC / str(pid) / "fd"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                inodes.add(str((PROC / str(pid) / "fd" / fd).readlink()))
    return unix_listeners((PROC / "net" / "unix").read_text(), inodes)


def unix_listeners(table: str, inodes: Set[str]) -> list[str]:
    """The paths in /proc/net/unix of listening sockets whose links ("socket:[123]") are among `inodes`."""
    paths = []
    for line in table.splitlines()[1:]:
        fields = line.split(maxsplit=7)
        accepts = int(fields[3], 16) & _SO_ACCEPTCON
        if accepts and len(fields) == 8 and f"socket:[{fields[6]}]" in inodes and fields[7].startswith("/"):
            paths.append(fields[7])
    return paths


def two_cores() -> tuple[int, int]:
    """A core for the load and another for what is measured. The same one twice where there is no second."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[1 % len(cores)]


def describe(versions: Iterable[tuple[str, list[str]]]) -> dict[str, object]:
    """What machine this is, without its name. `versions`: programs, each with the command that prints its version."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: _version(command) for name, command in versions},
    }


def _stat(pid: int) -> list[str] | None:
    try:
        return stat_fields((PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
        return None


def _pss_bytes(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _list(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _cpu_model() -> str:
    lines = (PROC / "cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"
