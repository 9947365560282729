"""A simulated world: a few workers on one database and one folder of journals, which die and come back."""

import asyncio
import math
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from random import Random
from typing import Any

import msgspec

from tests.sim.database import Books, Faults, SimDatabase
from tests.sim.disk import Disk
from tests.sim.plan import Plan
from tests.sim.process import AFTER, TORN, Killed, Process, adopting
from tests.sim.upstream import Asking, Truth, Upstream
from tests.unit.ledger.ledger_stand import BODY, MODEL, count_words
from waystation.errors import ApiError, Forbidden, ServiceUnavailable
from waystation.gateway.answer import answer
from waystation.gateway.call import Call
from waystation.ledger.records import EXTEND, HOLD, SETTLE, VOID, Record, read_lines
from waystation.ledger.service import Ledger
from waystation.terms import Caller, Done, Model, Operation

MIDNIGHT_S = 20_000 * 86_400
SIM_MODEL = msgspec.structs.replace(MODEL, abilities=msgspec.structs.replace(MODEL.abilities, output_tokens_max=60))
RESTART_S = 0.6
STEPS_MAX = 200_000  # of one world; more is a loop without end


class SimClock:
    """The machine's clocks; the wall's may be set back."""

    def __init__(self, began_s: int) -> None:
        self._began_s = began_s
        self.set_back_s = 0

    def now_s(self) -> int:
        return self._began_s - self.set_back_s + math.floor(asyncio.get_running_loop().time())

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic_ns(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e9)


class Written(msgspec.Struct):
    """What journals have of one request."""

    held_nano: int = 0
    settled: Record | None = None
    voided: bool = False


class World:
    def __init__(self, plan: Plan, chance: Random, books: Books, trace: list[str] | None) -> None:
        self.plan = plan
        self.chance = chance
        self.books = books
        self.trace = trace
        self.clock = SimClock(MIDNIGHT_S - plan.before_midnight_s)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(adopting)
        self.now = loop.time
        self.disk = Disk(chance, loop.time, self._wrote)
        self.faults = Faults(chance, loop.time)
        self.truths: dict[str, Truth] = {}
        self.written: dict[str, Written] = {}
        self.doubtful: set[str] = set()  # what a power cut may have taken
        self.power_cuts = 0
        self.upstream = Upstream(self.truths, self._is_held)
        self.archived: set[str] = set()
        self.workers: list[Worker] = []
        self.wrong: list[str] = []  # what was seen to be wrong on the way
        self.steps = self.steps_in_trouble = 0
        self.calm = False  # nothing fails any more
        self._ids = 0
        self._supervising: list[asyncio.Task[None]] = []
        self.loosened: set[str] = set()  # budgets whose cap an administrator has lowered
        self._at_commit = _over_the_cap(books)

    def note(self, who: str, what: str, *more: Any) -> None:
        if self.trace is not None:
            told = " ".join(str(one)[:160] for one in more)
            self.trace.append(f"{self.now():9.4f} step {self.steps:<4} {who:<4} {what} {told}")

    def new_id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}{self._ids:05d}"

    # -- what happens to processes

    def step(self, process: Process, what: str) -> str | None:
        self.steps += 1
        if not self.calm:
            self.steps_in_trouble = self.steps
        if self.steps > STEPS_MAX:
            raise RuntimeError("the world does not come to its end")
        crash = None if self.calm else self.plan.crashes.get(self.steps)
        if crash is None:
            return None
        when, power = crash
        self.note(process.name, "POWER CUT" if power else "KILL", when, what)
        if power:
            self._cut_power(process)
        return when if what == "write" or when != TORN else AFTER

    def _cut_power(self, last: Process) -> None:
        """All die at once, the last one in the middle of its step; what this means is done when it is dead too."""
        for worker in self.workers:
            if worker.process is not last:
                worker.process.die()
        last.on_death.append(self._lose)

    def _lose(self) -> None:
        self.power_cuts += 1
        lost = self.disk.power_cut()
        self.note("", "lost or doubtful:", sorted(lost))
        self.doubtful |= lost
        self.books.power_cut(self.chance)

    async def start(self, slot: int) -> None:
        """Keep a worker in a slot, as the supervisor does."""
        while True:
            worker = Worker(self, slot)
            self.workers.append(worker)
            task = worker.process.spawn(worker.open())
            await asyncio.wait({task})
            if task.cancelled() or task.exception() is not None:
                self.note(worker.name, "could not start", repr(task.exception()) if not task.cancelled() else "")
                worker.process.die()
            await worker.gone.wait()
            if not self.calm and self.chance.random() > self.plan.comes_back and self.alive():
                self.note(worker.name, "does not come back")
                return
            await asyncio.sleep(self.chance.random() * RESTART_S)

    def supervise(self) -> None:
        self._supervising = [asyncio.create_task(self.start(slot)) for slot in range(self.plan.workers)]

    async def stop_supervising(self) -> None:
        for task in self._supervising:
            task.cancel()
        await asyncio.wait(self._supervising)

    def alive(self) -> list["Worker"]:
        return [worker for worker in self.workers if worker.serves and not worker.process.dead]

    # -- what is seen on the way

    def _wrote(self, data: bytes) -> None:
        for _, record in read_lines(data):
            if record is None:
                self.wrong.append(f"a line that can't be read was written: {data!r}")
                return
            self._note_record(record)

    def _note_record(self, record: Record) -> None:
        kind, request_id = record[0], record[1]
        self.note("", "journal", kind, request_id, record[2:] if kind in (EXTEND,) else "")
        written = self.written.setdefault(request_id, Written())
        if kind == HOLD:
            written.held_nano = record[12]
        elif kind == EXTEND:
            written.held_nano = record[2]
        elif kind == SETTLE:
            if written.settled is not None or written.voided:
                self.wrong.append(f"{request_id}: it was ended twice")
            written.settled = record
        elif kind == VOID:
            written.voided = True

    def _is_held(self, request_id: str) -> bool:
        return request_id in self.written

    def answering(self, truth: Truth) -> None:
        """The last byte goes out: the settlement is in the journal, unless the disk does not take it."""
        if not self.disk.is_full and self.written[truth.request_id].settled is None:
            self.wrong.append(f"{truth.request_id}: it is answered before its settlement is in the journal")

    def committed(self) -> None:
        """After each transaction: no cap is passed by allowances, not even for a moment."""
        for fund_id, owner, over in self._at_commit():
            if owner not in self.loosened:
                self.wrong.append(f"fund {fund_id} of {owner}: {over} nano over its cap at {self.now():.4f}")
                self.loosened.add(owner)

    # -- hearing of changes

    def tell(self, what: str, subject: str) -> None:
        """Every worker that lives hears of a change within a second."""
        for worker in self.workers:
            if not worker.process.dead and worker.ledger is not None:
                worker.process.spawn(worker.hear(what, subject, self.chance.random()))


class Worker:
    """One life of a worker."""

    def __init__(self, world: World, slot: int) -> None:
        self.world = world
        self.slot = slot
        self.name = f"w{slot}.{sum(1 for one in world.workers if one.slot == slot)}"
        self.process = Process(self.name, world.step)
        self.process.on_death.append(self._died)
        self.gone = asyncio.Event()
        self.ledger: Ledger | None = None
        self.serves = False
        self.database = SimDatabase(world.books, self.process, world.faults, world.committed, world.note)

    def _died(self) -> None:
        self.world.note(self.name, "is dead")
        self.serves = False
        self.world.disk.let_go(self.process)
        self.gone.set()

    async def open(self) -> None:
        world, plan = self.world, self.world.plan
        folder: Any = world.disk.folder
        self.ledger = await Ledger.open(
            self.database,
            folder,
            self.slot,
            world.clock,
            count_words,
            workers=plan.workers,
        )
        await self.ledger.budgets_changed([])
        self.serves = True
        world.note(self.name, "serves, epoch", self.ledger.epoch, self.ledger.replayed)

    async def hear(self, what: str, subject: str, after_s: float) -> None:
        assert self.ledger is not None
        await asyncio.sleep(after_s)
        while True:
            try:
                if what == "budget":
                    await self.ledger.budgets_changed([subject])
                else:
                    await self.ledger.credit_changed([subject])
                return
            except ServiceUnavailable:
                await asyncio.sleep(0.2)

    async def serve(self, asking: Asking, leaves_after_s: float) -> Truth:
        """One request from its client's side, who may leave before the end."""
        world = self.world
        request_id = world.new_id("req_")
        truth = world.truths[request_id] = Truth(request_id, asking)
        world.note(
            self.name, "asked", request_id, "stream" if asking.stream else "whole", asking.words, asking.caller.key_id
        )
        task = self.process.spawn(self._answer(truth))
        await asyncio.wait({task}, timeout=leaves_after_s)
        if not task.done():
            world.note(self.name, "client leaves", request_id)
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            truth.error = getattr(error, "code", None) or type(error).__name__
            world.note(self.name, "error", request_id, truth.error, getattr(error, "detail", ""))
            if not isinstance(error, ApiError | Killed):
                world.wrong.append(f"{request_id}: {error!r}")
        return truth

    async def _answer(self, truth: Truth) -> None:
        call = Call(Operation.CHAT, truth.request_id, BODY, truth.asking, None, {}, "", self.world.clock.monotonic_ns())
        async with aclosing(answer(call, Way(self))) as events:
            async for event in events:
                if isinstance(event, Done):
                    truth.answered, truth.cost_nano = True, event.cost_nano
                    self.world.answering(truth)
                    self.world.note(self.name, "answered", truth.request_id, event.cost_nano)


class Way:
    """The stages, of which only the ledger is real."""

    def __init__(self, worker: Worker) -> None:
        self._world = worker.world
        self.auth = self.catalogue = self.policy = self
        self.ledger: Any = worker.ledger
        self.routing: Any = worker.world.upstream
        self.memory: Any = None  # nothing is kept here

    def identify(self, call: Any) -> Caller:
        caller: Caller = call.request.caller
        if caller.project_id in self._world.archived:
            raise Forbidden("This project is archived.")
        return caller

    def resolve(self, _call: Call, _caller: Caller) -> Model:
        return SIM_MODEL

    def admit(self, call: Call, _caller: Caller, _model: Model) -> Call:
        return call


def _over_the_cap(books: Books) -> Callable[[], list[tuple[Any, ...]]]:
    return partial(
        books.rows,
        "SELECT id, owner, spent_nano + allowed_nano - cap_nano FROM funds WHERE spent_nano + allowed_nano > cap_nano "
        "OR spent_nano < 0 OR allowed_nano < 0",
    )
