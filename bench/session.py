"""A whole run of the bench: starts the servers, measures them in turns, asks the books, and keeps all that was seen."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.books import Books, BooksDiffer, Counts, Sums
from bench.callers import ALL_ON, VARIANTS, Variant, make_callers
from bench.measure import Kind, Target, Window, drive, idle_cpu, measure, write_bodies
from bench.report import CLOSED, DIRECT, OPEN, STREAM, Line, compare, summarize
from bench.servers import (
    DATABASE,
    INPUT_NANO,
    INPUT_TOKENS,
    MODEL,
    OUTPUT_NANO,
    OUTPUT_TOKENS,
    PACED_MODEL,
    Server,
    Waystation,
    address_of,
    nginx,
    upstream,
)
from bench.tools import find_tool

RATE = 1000  # calls/s of the open loop
CONNECTIONS = 64
STREAMS, STREAM_CHUNKS, CHUNK_DELAY_US = 50, 100, 10_000  # 5000 chunks/s
SETTLE_DOWN_S = 1.0  # after a start, before what a server uses when idle is measured


@dataclass(frozen=True)
class Plan:
    """How often, and how long."""

    rounds: int
    window_s: float
    warm_up_s: float
    idle_s: float
    starts: int
    variants: tuple[Variant, ...] = (ALL_ON,)  # more than one: they are compared, by saturated calls alone

    @property
    def kinds(self) -> tuple[Kind, ...]:
        if len(self.variants) > 1:
            return (Kind(CLOSED, self.window_s, CONNECTIONS),)
        spread_ms = STREAM_CHUNKS * CHUNK_DELAY_US // 1000
        return (
            Kind(CLOSED, self.window_s, CONNECTIONS),
            Kind(OPEN, self.window_s, CONNECTIONS, rate=RATE),
            Kind(STREAM, self.window_s, STREAMS, stream_chunks=STREAM_CHUNKS, spread_ms=spread_ms),
        )


FULL = Plan(rounds=5, window_s=2.5, warm_up_s=1.0, idle_s=3.0, starts=3)
QUICK = Plan(rounds=1, window_s=0.8, warm_up_s=0.3, idle_s=0.5, starts=1)
PARTS = Plan(rounds=9, window_s=1.5, warm_up_s=1.0, idle_s=3.0, starts=1, variants=VARIANTS)


@dataclass(frozen=True)
class Running:
    """A server that somebody else has started, and how it was told to find the upstreams."""

    url: str
    pid: int
    key: str
    data: Path | None
    upstream_port: int
    paced_port: int


@dataclass
class Session:
    """All that a run has seen."""

    plan: Plan
    about: dict[str, object]
    starts_s: list[float] = field(default_factory=list)
    idle_cpu: float = 0.0
    windows: list[Window] = field(default_factory=list)
    memory: list[Line] = field(default_factory=list)
    counts: Counts | None = None  # None: no books to ask
    sums: Sums | None = None
    own_callers: bool = (
        True  # their budgets and limits are checked; of a server that runs nobody knows whether it has any
    )

    @property
    def lines(self) -> list[Line]:
        starts = []
        if self.starts_s:
            starts = [
                Line("first start to ready, s", self.starts_s[0], None, 2),
                Line("later start to ready, s", median(self.starts_s[1:]), None, 2, target=2.0),
            ]
        if len(self.plan.variants) > 1:
            return compare(self.windows, [variant.name for variant in self.plan.variants[1:]])
        return [*summarize(self.windows), *self.memory, *starts]

    def told_books(self) -> str:
        if self.counts is None or self.sums is None:
            return "Books: NOT CHECKED (no data folder was named)."
        return (
            f"Books: {self.counts.rows} calls answered = holds = settlements = usage rows, compared after each window; "
            f"{self.sums.input_tokens} input and {self.sums.output_tokens} output tokens, "
            f"cost {self.sums.cost_nano} nano-USD{self._told_funds()}."
        )

    def _told_funds(self) -> str:
        return " = spent of each budget; limits in each answer" if self.own_callers else ""

    def as_json(self) -> dict[str, Any]:
        plan = {**asdict(self.plan), "rate": RATE, "connections": CONNECTIONS}
        streams = {"streams": STREAMS, "chunks": STREAM_CHUNKS, "chunk_delay_us": CHUNK_DELAY_US}
        return {
            "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "machine": self.about,
            "plan": {**plan, "stream": streams},
            "summary": [{**asdict(line), "ratio": line.ratio, "met": line.met} for line in self.lines],
            "books": {"counts": asdict(self.counts), "sums": asdict(self.sums)} if self.counts and self.sums else None,
            "starts_s": self.starts_s,
            "idle_cpu": self.idle_cpu,
            "windows": [asdict(window) for window in self.windows],
        }


def run(plan: Plan, running: Running | None = None) -> Session:
    """Measure a Waystation of our own, or the one that runs. Raises DidNotStart, LoadFailed, BooksDiffer."""
    load_core, server_core = machine.two_cores()
    if load_core == server_core:
        print("Only one core: load and server share it, so latencies and calls/s say little.", file=sys.stderr)
    session = Session(plan, about_machine(), own_callers=running is None)
    os.sched_setaffinity(0, {load_core})  # upstreams and driver inherit it
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waystation-bench-")))
        ports = (running.upstream_port, running.paced_port) if running else (0, 0)
        fast = stack.enter_context(upstream("fast", port=ports[0]))
        paced = stack.enter_context(
            upstream("paced", port=ports[1], chunks=STREAM_CHUNKS, chunk_delay_us=CHUNK_DELAY_US)
        )
        reference = stack.enter_context(nginx(folder / "nginx", fast, paced, server_core))
        if running:
            gateways = [running_server(running)]
        else:
            gateways = stack.enter_context(own_server(folder / "waystation", fast, paced, server_core, session))
        session.idle_cpu = idle_cpu(gateways[0].server.pid, plan.idle_s)
        gateways = [replace(gateway, idle_cpu=session.idle_cpu) for gateway in gateways]
        write_bodies(folder, MODEL, PACED_MODEL)
        direct = Target(Server(DIRECT, fast.host, fast.port, None, paced.port))
        measure_all(session, [*gateways, Target(reference), direct], folder)
        if gateways[0].books:
            close_books(session, gateways[0].books, own_prices=running is None)
    return session


def about_machine() -> dict[str, object]:
    ours = [sys.executable, "-m", "waystation", "--version"]
    return machine.describe(
        [("waystation", ours), ("nginx", [find_tool("nginx"), "-v"]), ("cc", [find_tool("cc"), "--version"])]
    )


@contextlib.contextmanager
def own_server(folder: Path, fast: Server, paced: Server, core: int, session: Session) -> Iterator[list[Target]]:
    """A Waystation started for this run, as each of its callers sees it. The first of its starts makes the data folder."""
    product = Waystation(folder, fast, paced, core)
    for _ in range(session.plan.starts):
        with product.serving() as (_, ready_s):
            session.starts_s.append(ready_s)
    callers = make_callers(product.database, session.plan.variants)
    with product.serving() as (server, ready_s):
        session.starts_s.append(ready_s)
        books = Books(server, product.database)
        yield [Target(server, authorization(caller.key), books=books, caller=caller) for caller in callers]


def running_server(running: Running) -> Target:
    host, port = address_of(running.url)
    server = Server("waystation", host, port, running.pid)
    books = Books(server, running.data / DATABASE) if running.data else None
    return Target(server, authorization(running.key), books=books)


def authorization(key: str) -> tuple[str, ...]:
    return (f"Authorization: Bearer {key}",)


def measure_all(session: Session, targets: list[Target], folder: Path) -> None:
    """All windows, in turns, so that a machine that changes its mind changes it for everyone."""
    plan = session.plan
    before = [memory_mb(target) for target in targets]
    for kind in plan.kinds:
        for target in targets:
            load = drive(target, replace(kind, seconds=plan.warm_up_s), folder)
            if target.books:
                target.books.settle(load["ok"], streamed=kind.streamed)
    for number in range(plan.rounds):
        print(f"round {number + 1} of {plan.rounds}", file=sys.stderr, flush=True)
        for kind in plan.kinds:
            for target in targets:
                if (target.server.name, kind.name) != (DIRECT, CLOSED):  # nothing is compared with that one
                    session.windows.append(measure(target, kind, folder))
    after = [memory_mb(target) for target in targets]
    session.memory = [
        Line("memory before, MB", before[0], before[-2], 1),  # the last two are nginx and nobody
        Line("memory after, MB", after[0], after[-2], 1),
    ]


def memory_mb(target: Target) -> float:
    return machine.memory_mb(target.server.pid) if target.server.pid else 0.0


def close_books(session: Session, books: Books, *, own_prices: bool) -> None:
    """Every call is there with the tokens that the upstream told, and with what they cost. Raises BooksDiffer."""
    session.counts, session.sums = books.check(), books.sums()
    wanted = sums_of(books.calls, books.streams)
    if not own_prices:
        wanted = replace(wanted, cost_nano=session.sums.cost_nano)
    if session.sums != wanted:
        raise BooksDiffer(f"usage rows add up to {session.sums}, what the upstream told to {wanted}")


def sums_of(calls: int, streams: int) -> Sums:
    """What usage rows must add up to after that many calls, `streams` of them streamed."""
    output_tokens = (calls - streams) * OUTPUT_TOKENS + streams * STREAM_CHUNKS
    input_tokens = calls * INPUT_TOKENS
    cost_nano = input_tokens * INPUT_NANO + output_tokens * OUTPUT_NANO
    return Sums(calls, input_tokens, output_tokens, cost_nano, variance_nano=0, estimated=0, not_ok=0)
