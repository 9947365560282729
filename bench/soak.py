"""Streams at once while clients leave at random, against a running server; then: is everything back as it was?

It calls until the time is up, waits for the server to come to rest, and compares: open streams and connections
(/metrics), file descriptors and threads (/proc), busy slots of the engine, and the books: every call that was answered
has its usage row, every hold its settlement. Exit code 1 when anything is left over. It runs on the server's machine.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a script, from any folder

from bench import machine
from bench.books import Books, BooksDiffer, Counts
from bench.servers import Server, address_of, get

REST_S_MAX = 15.0  # for what was left behind to be cleared away
ANSWER_S_MAX = 120.0
WARM_UP_S = 5.0  # opens what stays open: pools, threads, the database's connections
SLACK = {  # what may be more than it was
    "open_streams": 0,
    "connections": 0,
    "fds": 16,  # connections to the upstream that wait in the pool
    "threads": 8,  # a thread pool grows when it is first busy, and stays
}
WORDS_MAX = 120
READ, LEFT, LEFT_EARLY = "read to the end", "left in the middle", "left before the first byte"
ANSWERED = (READ, LEFT)
UNEXPECTED = "! "  # begins the outcome of a call that should have ended otherwise
GAUGES = ("waystation_open_streams", "waystation_connections")
PROMPTS = (
    "Tell me about the sea, in a few sentences.",
    "Count from one to fifty in words.",
    "用几句话介绍一下长城。",
    "Write a short poem about a gate.",
)


class Unexpected(Exception):
    """An answer that should not have come."""


@dataclass(frozen=True)
class State:
    """What a server has open, as far as it can be seen from outside."""

    open_streams: float
    connections: float
    fds: int
    threads: int
    busy_slots: int


@dataclass
class Calls:
    """The calls of a stretch of time by how they ended. Each is named, and its usage row bears that name (`user`)."""

    prefix: str
    outcomes: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    left_early: set[str] = field(default_factory=set)  # before the first byte: served or not, nobody saw

    def note(self, name: str, outcome: str) -> None:
        self.outcomes[outcome] += 1
        (self.answered if outcome in ANSWERED else self.left_early).add(name)


@dataclass(frozen=True)
class Soak:
    """A server under soak, and how it is called."""

    server: Server
    pid: int
    key: str
    model: str
    streams: int


def gauge(metrics: str, name: str) -> float:
    """A gauge's value, summed over its labels. Raises Unexpected when it isn't there: then nothing would be proved."""
    values = [
        float(line.rsplit(" ", 1)[1])
        for line in metrics.splitlines()
        if line.startswith(name) and line[len(name)] in " {"
    ]
    if not values:
        raise Unexpected(f"/metrics does not tell {name}")
    return sum(values)


def left_over(before: State, after: State) -> list[str]:
    """What is still open that wasn't, beyond the slack."""
    wrong = []
    for name, slack in SLACK.items():
        then, now = getattr(before, name), getattr(after, name)
        if now > then + slack:
            wrong.append(f"{name}: {then:g} before, {now:g} after")
    if after.busy_slots:
        wrong.append(f"engine slots still busy: {after.busy_slots}")
    return wrong


def books_wrong(seen: Counts, calls: Calls, rows: Counter[str]) -> list[str]:
    """What the books lack. A call that was answered has its row; one whose client left before that may have one."""
    wrong = []
    if seen.hold != seen.settle + seen.void:
        wrong.append(f"holds {seen.hold}, but settlements {seen.settle} and voids {seen.void}")
    if not seen.settle == seen.rows == seen.rollup:
        wrong.append(f"settlements {seen.settle}, usage rows {seen.rows}, rolled up {seen.rollup}")
    if missing := calls.answered - rows.keys():
        wrong.append(f"answered calls without a usage row: {len(missing)} of {len(calls.answered)}")
    if strange := rows.keys() - calls.answered - calls.left_early:
        wrong.append(f"usage rows of calls that nobody made: {len(strange)}")
    if double := [name for name, count in rows.items() if count > 1]:
        wrong.append(f"calls with more than one usage row: {len(double)}")
    return wrong


def observe(soak: Soak) -> State:
    status, body = get(soak.server.host, soak.server.port, "/metrics")
    if status != 200:
        raise Unexpected(f"/metrics answers {status}")
    metrics = body.decode()
    open_streams, connections = (gauge(metrics, name) for name in GAUGES)
    fds, threads = machine.open_things(soak.pid)
    return State(open_streams, connections, fds, threads, busy_slots(soak.pid))


def busy_slots(pid: int) -> int:
    """Slots of the engine's children that still generate: asked at each unix socket that the tree listens on."""
    busy = 0
    for path in machine.listening_sockets(pid):
        with contextlib.suppress(OSError, ValueError):  # some other socket, which knows no slots
            busy += sum(bool(slot["is_processing"]) for slot in asyncio.run(ask_slots(path)))
    return busy


async def ask_slots(path: str) -> list[dict[str, object]]:
    reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(path), 5)
    try:
        writer.write(b"GET /slots HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
        head, _, body = (await asyncio.wait_for(reader.read(-1), 5)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        return []
    slots = json.loads(body[body.index(b"[") : body.rindex(b"]") + 1])
    return slots if isinstance(slots, list) else []


async def one_call(soak: Soak, name: str, chance: random.Random) -> str:
    """Call once and leave when it pleases. Returns what was done. Raises Unexpected for anything but a good answer."""
    body = json.dumps(
        {
            "model": soak.model,
            "stream": True,
            "user": name,
            "max_tokens": chance.randint(4, WORDS_MAX),
            "messages": [{"role": "user", "content": chance.choice(PROMPTS)}],
        }
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {soak.key}\r\n"
    head += f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection(soak.server.host, soak.server.port)
    try:
        writer.write(head.encode() + body)
        await writer.drain()
        mood = chance.random()
        if mood < 0.1:
            await asyncio.sleep(chance.random() * 0.05)
            return LEFT_EARLY
        await read_head(reader)
        patience = chance.randint(1, 60) if mood < 0.6 else None
        return await read_events(reader, patience)
    finally:
        if chance.random() < 0.5:
            writer.transport.abort()  # a reset instead of a polite end
        writer.close()


async def read_head(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        rest = await reader.read(2000)
        raise Unexpected((head.split(b"\r\n", 1)[0] + b" " + rest).decode(errors="replace"))


async def read_events(reader: asyncio.StreamReader, patience: int | None) -> str:
    """Read events until [DONE], or until the patience is over."""
    read = 0
    while line := await reader.readline():
        if line.startswith(b"data: [DONE]"):
            return READ
        if line.startswith(b'data: {"error"'):
            raise Unexpected(line.decode(errors="replace").strip())
        read += line.startswith(b"data: ")
        if patience is not None and read >= patience:
            return LEFT
    raise Unexpected("a stream that ended without [DONE]")


async def call_for(soak: Soak, seconds: float, seed: int) -> Calls:
    """Keep that many streams going, and note how each call ended; an unexpected end is its own words."""
    calls = Calls(f"soak-{secrets.token_hex(4)}-")
    numbers = itertools.count()
    deadline = time.monotonic() + seconds

    async def caller(number: int) -> None:
        chance = random.Random(seed * 1000 + number)
        while time.monotonic() < deadline:
            name = f"{calls.prefix}{next(numbers)}"
            try:
                outcome = await asyncio.wait_for(one_call(soak, name, chance), ANSWER_S_MAX)
            except (Unexpected, OSError, EOFError, TimeoutError) as fault:
                outcome = f"{UNEXPECTED}{type(fault).__name__}: {str(fault)[:200]}"
                await asyncio.sleep(0.1)  # not a flood of calls against what refuses them
            calls.note(name, outcome)

    await asyncio.gather(*(caller(number) for number in range(soak.streams)))
    return calls


def settle_down(wrong: Callable[[], list[str]]) -> list[str]:
    """Ask again until nothing is wrong or the time for that is over; returns what is wrong then."""
    deadline = time.monotonic() + REST_S_MAX
    while (found := wrong()) and time.monotonic() < deadline:
        time.sleep(0.25)
    return found


def run(soak: Soak, books: Books, seconds: float, seed: int) -> list[str]:
    """The whole soak; prints what it saw and returns what is wrong."""
    warmed = asyncio.run(call_for(soak, WARM_UP_S, seed + 1))
    restless = settle_down(lambda: books_wrong(books.read().since(books.start), warmed, books.rows_of(warmed.prefix)))
    before, start, memory_mb = observe(soak), books.read(), machine.memory_mb(soak.pid)
    calls = asyncio.run(call_for(soak, seconds, seed))

    def wrong_now() -> list[str]:
        in_books = books_wrong(books.read().since(start), calls, books.rows_of(calls.prefix))
        return [*left_over(before, observe(soak)), *in_books]

    wrong = settle_down(wrong_now)
    for what, count in calls.outcomes.most_common():
        print(f"{count:7}  {what}")
    print(f"before  {before}")
    print(f"after   {observe(soak)}")
    print(f"books   {books.read().since(start)}")
    print(f"memory  {memory_mb:.1f} MB before, {machine.memory_mb(soak.pid):.1f} MB after")
    wrong += [f"after the warm-up: {what}" for what in restless]
    return [*wrong, *(what for what in calls.outcomes if what.startswith(UNEXPECTED))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the server's data folder")
    parser.add_argument("--key", default=os.environ.get("OPENAI_API_KEY"), help="a key; or in OPENAI_API_KEY")
    parser.add_argument("--url", help="the server's address; what server.json in the data folder says when left out")
    parser.add_argument("--pid", type=int, help="its first process; likewise")
    parser.add_argument("--model", default="gpt-4o-mini")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1, help="of the clients' moods")
    options = parser.parse_args()
    if not options.key:
        parser.error("--key is needed")
    told = json.loads((options.data / "server.json").read_text()) if not (options.url and options.pid) else {}
    host, port = address_of(options.url or told["url"])
    pid = options.pid or told["pid"]
    soak = Soak(Server("waystation", host, port, pid), pid, options.key, options.model, options.streams)
    try:
        wrong = run(soak, Books(soak.server, options.data / "waystation.db"), options.seconds, options.seed)
    except (Unexpected, BooksDiffer) as fault:
        wrong = [str(fault)]
    for what in wrong:
        print(f"WRONG  {what}", file=sys.stderr)
    print("not as it was" if wrong else "everything is back as it was")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
