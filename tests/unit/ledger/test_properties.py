"""What must never break: moves in any order, journals that are replayed twice, copied or damaged."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim import loop
from tests.sim.checks import of_the_books, of_the_journals
from tests.sim.database import books
from tests.sim.people import CALLERS, Administrator
from tests.sim.plan import Plan
from tests.sim.sim import standing_in
from tests.sim.world import SIM_MODEL, Worker, World
from tests.unit.ledger.ledger_stand import Asked, call, done, piece
from waystation.errors import ApiError
from waystation.ledger.hold import CallHold
from waystation.terms import Usage

LONG = os.environ.get("WAYSTATION_TEST_ALL") == "1"
SMALL = settings(
    max_examples=1_000 if LONG else 60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

amounts = st.integers(1, 2_000_000)
numbers = st.integers(0, 5)  # which of the open calls
moves = st.one_of(
    st.tuples(st.just("hold"), st.sampled_from(CALLERS), st.booleans(), st.sampled_from([None, "ann", "bob"])),
    st.tuples(st.just("hold"), st.sampled_from(CALLERS), st.booleans(), st.sampled_from([None, "ann", "bob"])),
    st.tuples(st.just("grow"), numbers, st.integers(1, 40)),
    st.tuples(st.just("settle"), numbers, st.integers(-5, 200)),
    st.tuples(st.just("leave"), numbers),
    st.tuples(st.just("grant"), amounts, st.sampled_from([None, 1.0, 3.0])),
    st.tuples(st.just("budget"), st.sampled_from(["organization", "project"]), amounts),
    st.tuples(st.just("wait"), st.floats(0, 6)),
    st.tuples(st.just("post")),
    st.tuples(st.just("tick")),
    st.tuples(st.just("sweep")),
    st.tuples(st.just("crash"), st.sampled_from(["", "replayed twice", "copied"])),
)


class Story:
    """One worker after another on the same books, and what is asked of them."""

    def __init__(self) -> None:
        self.world = World(Plan(), Random(0), books(), None)
        self.world.calm = True
        self.administrator = Administrator(self.world)
        self.open: list[tuple[CallHold, Any]] = []
        self.worker = Worker(self.world, 0)
        self.damaged: set[str] = set()  # requests of which some record was hit
        self._requests = 0

    async def start(self) -> None:
        self.worker = Worker(self.world, 0)
        self.world.workers.append(self.worker)
        await self._inside(self.worker.open())
        assert self.worker.ledger is not None

    async def _inside(self, work: Any) -> Any:
        """In the worker's process. A refused move changes nothing."""
        task = self.worker.process.spawn(work)
        await asyncio.wait({task})
        error = task.exception()
        if error is not None and not isinstance(error, ApiError):
            raise error
        return None if error is not None else task.result()

    async def apply(self, move: tuple[Any, ...]) -> None:
        await getattr(self, move[0].replace(" ", "_"))(*move[1:])
        self.world.committed()

    async def hold(self, caller: Any, stream: bool, end_user: str | None) -> None:
        self._requests += 1
        asking = call(f"req_{self._requests:05d}", Asked(stream=stream, end_user=end_user))
        held = await self._inside(self._ledger.hold(caller, SIM_MODEL, asking).__aenter__())
        if held is not None:
            self.open.append((held, asking))

    async def grow(self, number: int, words: int) -> None:
        async def growing(hold: CallHold, asking: Any) -> None:
            for _ in range(words):
                if not asking.cut:
                    hold.meter(piece("word "))
                    if hold.short:
                        await hold.extend()

        if number < len(self.open):
            await self._inside(growing(*self.open[number]))

    async def settle(self, number: int, output_tokens: int) -> None:
        async def settling(hold: CallHold) -> None:
            hold.meter(done(Usage(10, output_tokens)))
            hold.meter(done(Usage(10, 1)))  # what comes after the end changes nothing

        if number < len(self.open):
            await self._inside(settling(self.open.pop(number)[0]))

    async def leave(self, number: int) -> None:
        if number < len(self.open):
            await self._inside(self.open.pop(number)[0].__aexit__(asyncio.CancelledError))

    async def grant(self, amount: int, expires_s: float | None) -> None:
        self.administrator.grant(amount, expires_s)

    async def budget(self, scope: str, cap: int) -> None:
        made = self.administrator.create("org-1", scope, "org-1" if scope == "organization" else "proj_1", "total", cap)
        self.world.loosened.add(made.id)  # it counts what is held without it, too

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def post(self) -> None:
        await self._inside(self._ledger.flush())

    async def tick(self) -> None:
        await self._inside(self._ledger.tick())

    async def sweep(self) -> None:
        await self._inside(self._ledger.sweep())

    async def crash(self, how: str) -> None:
        disk = self.world.disk
        self.worker.process.die()
        self.open.clear()
        left = {name: file for name, file in disk._files.items() if name.endswith(".journal")}
        if how == "copied":
            disk._files |= {f"e900{name[1:]}": file for name, file in left.items()}
        await self.start()
        if how == "replayed twice":
            disk._files |= left
            await self.sweep()

    async def end(self) -> list[str]:
        """Everybody leaves, all is posted and closed; returns what is wrong then."""
        while self.open:
            await self.leave(0)
        await self._inside(self._ledger.close())
        self.worker.process.die()
        return [*self.world.wrong, *of_the_books(self.world), *of_the_journals(self.world), *self._of_the_calls()]

    def _of_the_calls(self) -> Iterator[str]:
        """Each call that was held and not voided is charged once, and never above its hold."""
        rows = self.world.books.rows("SELECT request_id, cost_nano FROM usage")
        for request_id, cost in rows:
            written = self.world.written[request_id]
            if cost > written.held_nano:
                yield f"{request_id}: {cost} nano are charged and {written.held_nano} were held"
            if request_id not in self.damaged and written.settled is not None and cost != written.settled[17]:
                yield f"{request_id}: {cost} nano are charged, its settlement says {written.settled[17]}"
        due = {request_id for request_id, written in self.world.written.items() if not written.voided}
        for request_id in due.symmetric_difference(row[0] for row in rows) - self.damaged:
            yield f"{request_id}: it is charged and was voided, or not charged and was held"

    def damage(self, where: list[tuple[int, int]]) -> None:
        """Flip bits of what a dead worker has written."""
        for file in self.world.disk._files.values():
            for at, bits in where if file.end else ():
                position = at % file.end
                begins = file.data.rfind(b"\n", 0, position) + 1
                ends = file.data.find(
                    b"\n", file.data.find(b"\n", position) + 1
                )  # it may be the end of its line that is hit
                lines = bytes(file.data[begins : ends if ends >= 0 else None])
                self.damaged |= {found.decode() for found in re.findall(rb'"(req_\d+)"', lines)}
                file.data[position] ^= bits

    @property
    def _ledger(self) -> Any:
        return self.worker.ledger


def told(story: Callable[[Story], Awaitable[None]]) -> list[str]:
    """Run a story in virtual time; returns what is wrong at its end."""
    found: list[str] = []

    async def main() -> None:
        one = Story()
        with standing_in(one.world):
            await one.start()
            await story(one)
            found.extend(await one.end())

    books().begin(power_may_fail=False)
    loop.run(main)
    return found


@SMALL
@given(st.lists(moves, max_size=25))
def test_moves_in_any_order_neither_make_nor_lose_money(made: list[tuple[Any, ...]]) -> None:
    async def story(one: Story) -> None:
        for move in made:
            await one.apply(move)

    assert told(story) == []


@SMALL
@given(
    st.lists(moves, min_size=5, max_size=15),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=4),
)
def test_damaged_lines_cost_no_more_than_what_they_said(
    made: list[tuple[Any, ...]], where: list[tuple[int, int]]
) -> None:
    async def story(one: Story) -> None:
        await one.grant(2_000_000, None)
        for move in made:
            await one.apply(move)
        one.worker.process.die()
        one.open.clear()
        one.damage(where)
        await one.start()

    assert told(story) == []
