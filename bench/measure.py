"""One timed window: runs the load driver against a server and reads what the server's processes used meanwhile."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.books import Books
from bench.callers import ALL_ON, LIMIT_HEADER, BenchCaller
from bench.servers import Server
from bench.tools import build

DRAIN_S_MAX = 60.0


class LoadFailed(Exception):
    """An answer was not right, or none came."""


@dataclass(frozen=True)
class Kind:
    """A kind of load. Exactly one of closed loop (`rate` 0) and open loop."""

    name: str
    seconds: float
    connections: int
    rate: int = 0
    stream_chunks: int = 0  # words in a stream; 0: not streamed
    spread_ms: int = 0  # the streams begin one after the other over this time

    @property
    def streamed(self) -> bool:
        return self.stream_chunks > 0

    @property
    def chunks_expected(self) -> int:
        return self.stream_chunks + 2  # before the words the role, after them the reason to finish


@dataclass(frozen=True)
class Window:
    """What one window saw. `cpu_s` covers the calls to the last row on disk, without what the server uses when idle."""

    server: str
    kind: str
    cpu_s: float
    busy: float  # share of a core while the load ran
    load: dict[str, Any]  # what the driver printed


@dataclass(frozen=True)
class Target:
    """A server under measurement: how to call it, what it uses when idle, and its books where it keeps any."""

    server: Server
    headers: tuple[str, ...] = ()
    idle_cpu: float = 0.0  # share of a core
    books: Books | None = None
    caller: BenchCaller | None = None  # one of ours: its budgets are checked, and that limits are in its answers

    @property
    def name(self) -> str:
        """Whose figures they are: the server's, of a variant its own."""
        return self.server.name if self.caller is None or self.caller.variant == ALL_ON else self.caller.variant.name


def write_bodies(folder: Path, model: str, paced_model: str) -> None:
    """The requests: about half a kilobyte of JSON, as a chat client sends it."""
    messages = [
        {
            "role": "system",
            "content": "You are a helpful assistant. Answer in plain words, in the language of the question.",
        },
        {"role": "user", "content": "What does a gateway do between those who ask and those who answer? " * 3},
    ]
    common = {"messages": messages, "temperature": 0.7, "max_tokens": 256, "user": "bench"}
    (folder / "plain.json").write_text(json.dumps({"model": model, **common}))
    (folder / "stream.json").write_text(json.dumps({"model": paced_model, **common, "stream": True}))


def drive(target: Target, kind: Kind, bodies: Path) -> dict[str, Any]:
    """Run the load driver. Raises LoadFailed when any answer was wrong."""
    server, streamed = target.server, kind.streamed
    command = [str(build("load")), "--host", server.host, "--port", str(server.paced_port if streamed else server.port)]
    command += [
        "--body",
        str(bodies / ("stream.json" if streamed else "plain.json")),
        "--connections",
        str(kind.connections),
    ]
    command += [
        "--seconds-ms",
        str(int(kind.seconds * 1000)),
        "--rate",
        str(kind.rate),
        "--spread-ms",
        str(kind.spread_ms),
    ]
    if streamed:
        command += ["--stream", "--expect-chunks", str(kind.chunks_expected)]
    for header in target.headers:
        command += ["--header", header]
    if target.caller and target.caller.variant.limits:
        command += ["--expect-header", LIMIT_HEADER]
    done = subprocess.run(command, capture_output=True, text=True, timeout=kind.seconds + DRAIN_S_MAX)
    if done.returncode != 0:
        raise LoadFailed(f"{kind.name} against {target.name}: {_complaint(done)}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(target: Target, kind: Kind, bodies: Path) -> Window:
    """One window. Raises LoadFailed, or BooksDiffer when calls, journal and rows don't agree after it."""
    pid = target.server.pid
    began, before = time.monotonic(), _cpu_s(pid)
    load = drive(target, kind, bodies)
    busy = (_cpu_s(pid) - before) / (time.monotonic() - began)
    if target.books:
        target.books.settle(load["ok"], streamed=kind.streamed)
    used = _cpu_s(pid) - before - target.idle_cpu * (time.monotonic() - began)
    if target.books:
        target.books.check()
        if target.caller:
            target.books.check_funds(target.caller.organization_id, target.caller.budget_ids)
    return Window(target.name, kind.name, used, busy, load)


def idle_cpu(pid: int | None, seconds: float) -> float:
    """The share of a core that a server uses while nobody calls it."""
    before = _cpu_s(pid)
    time.sleep(seconds)
    return (_cpu_s(pid) - before) / seconds


def _cpu_s(pid: int | None) -> float:
    return machine.cpu_s(pid) if pid else 0.0


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    if not done.stdout:
        return done.stderr.strip() or f"exit code {done.returncode}"
    seen = json.loads(done.stdout)
    counts = ", ".join(
        f"{name} {seen[name]}" for name in ("sent", "ok", "bad_status", "bad_body", "broken", "timed_out")
    )
    return f"{counts}; first: {seen['first_error']}"
