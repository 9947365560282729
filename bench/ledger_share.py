"""The ledger's share of a call: hold and settlement alone, postings alone, and what a profiler sees of them under load.

`python bench/ledger_share.py` measures in this process, on a ledger with real files. `--py-spy PROGRAM` also samples a
server's worker that is called as fast as it answers.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs as a script, from any folder

from bench.callers import ALL_ON, Variant, make_callers
from bench.measure import write_bodies
from bench.sampling import Share, share_under_load
from bench.servers import INPUT_TOKENS, MODEL, OUTPUT_TOKENS, PACED_MODEL
from waystation.accounts import store as accounts_store
from waystation.gateway.call import Call
from waystation.ledger.poster import POST_AT_RECORDS
from waystation.ledger.service import Ledger
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.terms import Abilities, Caller, Deployment, Done, Event, Model, Operation, Piece, Price, Usage
from waystation.wire.chat import ChatRequest, read_chat

ROUNDS = 15  # of each kind, in turns
POLL_S = 0.001
PIECES = 64
ANSWER = b'{"choices":[{"message":{"role":"assistant","content":"%b"}}]}' % (b"word " * OUTPUT_TOKENS)
PRICED = Model(
    MODEL,
    Deployment(f"bench/{MODEL}", "bench", "bench-upstream"),
    Abilities(frozenset(Operation), 128_000, 4_096),
    Price("USD", 150_000_000, 600_000_000),
)


@dataclass(frozen=True)
class Kind:
    """A caller, and how it asks."""

    name: str
    variant: Variant
    pieces: int = 0  # of a stream; 0: not streamed


KINDS = (
    Kind("postpaid, nothing else", Variant("nothing", budgets=False, limits=False)),
    Kind("3 budgets", Variant("budgets", limits=False)),
    Kind("3 budgets, limits of key and project", ALL_ON),
    Kind(f"the same, a stream of {PIECES} pieces", ALL_ON, PIECES),
)


@dataclass(frozen=True)
class Stand:
    """A ledger of its own, and who is held by it."""

    kind: Kind
    ledger: Ledger
    caller: Caller
    body: bytes
    request: ChatRequest


@dataclass(frozen=True)
class Seen:
    """One round of one kind."""

    call_us: float  # the event loop's CPU time for hold and settlement
    posting_ms: float  # from the end of the calls until all are in the database, for 1000


async def once(stand: Stand, request_id: str, events: list[Event]) -> None:
    call = Call(Operation.CHAT, request_id, stand.body, stand.request, None, {}, "127.0.0.1", time.monotonic_ns())
    async with stand.ledger.hold(stand.caller, PRICED, call) as hold:
        for event in events:
            hold.meter(event)


async def measure(stand: Stand, ids: Ids) -> Seen:
    """So many calls that the poster takes them all at once; it gets its turn when they are over, since none of them waits."""
    pieces: list[Event] = [Piece(b"", "word ") for _ in range(stand.kind.pieces)]
    ends = [Done(ANSWER, Usage(INPUT_TOKENS, OUTPUT_TOKENS)) for _ in range(POST_AT_RECORDS)]
    request_ids = [ids.request_id() for _ in ends]
    began = time.thread_time()
    for request_id, done in zip(request_ids, ends, strict=True):
        await once(stand, request_id, [*pieces, done])
    used_s, over = time.thread_time() - began, time.perf_counter()
    while stand.ledger.counts().pending:  # noqa: ASYNC110 - the poster has no event for this
        await asyncio.sleep(POLL_S)
    return Seen(used_s / POST_AT_RECORDS * 1e6, (time.perf_counter() - over) / POST_AT_RECORDS * 1e6)


@asynccontextmanager
async def opened(kind: Kind, folder: Path) -> AsyncIterator[Stand]:
    (made,) = make_callers(folder / "w.db", (kind.variant,))
    write_bodies(folder, MODEL, PACED_MODEL)
    database = Database.open(f"sqlite:///{folder / 'w.db'}")
    try:
        ledger = await Ledger.open(database, folder / "journal", 0, Clock(), lambda text, _: len(text) // 4)
        callers = (await database.read(accounts_store.callers)).values()
        caller = next(caller for caller in callers if caller.organization_id == made.organization_id)
        body = (folder / ("stream.json" if kind.pieces else "plain.json")).read_bytes()
        yield Stand(kind, ledger, caller, body, read_chat(body))
        await ledger.close()
    finally:
        database.close()


async def measure_all(folder: Path, rounds: int) -> dict[str, list[Seen]]:
    """Each kind in turns, so that a machine that changes its mind changes it for all."""
    ids = Ids()
    seen: dict[str, list[Seen]] = {kind.name: [] for kind in KINDS}
    async with AsyncExitStack() as stack:
        stands = []
        for number, kind in enumerate(KINDS):
            (folder / str(number)).mkdir()
            stands.append(await stack.enter_async_context(opened(kind, folder / str(number))))
        for number in range(rounds + 1):
            for stand in stands:
                found = await measure(stand, ids)
                if number:  # the first was to warm up
                    seen[stand.kind.name].append(found)
    return seen


def table(seen: dict[str, list[Seen]]) -> str:
    width = max(map(len, seen)) + 2
    lines = [f"{'':{width}}{'hold and settle, µs':>20}{'posting, ms per 1000':>22}"]
    for name, rounds in seen.items():
        call_us, posting_ms = median(one.call_us for one in rounds), median(one.posting_ms for one in rounds)
        lines.append(f"{name:{width}}{call_us:20.1f}{posting_ms:22.1f}")
    return "\n".join(lines)


def told(share: Share) -> str:
    return (
        f"A worker with everything on, as fast as it answers ({share.calls} calls, {share.samples} samples of its loop): "
        f"{share.ledger:.0%} of the loop's time is in the ledger, {share.journal:.0%} in writing the journal; "
        f"{share.threads:.0%} of the process's CPU is that of the threads that sync and post."
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--py-spy", help="the program, of the package of that name; samples a running worker too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waystation-ledger-") as folder:
        print(table(uvloop.run(measure_all(Path(folder), options.rounds))))
    if options.py_spy:
        print(told(share_under_load(options.py_spy)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
