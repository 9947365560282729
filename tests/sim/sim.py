"""Run one seed: build its world, let it run, heal it, close it, and say what is wrong."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import msgspec

from tests.sim import loop
from tests.sim.checks import findings
from tests.sim.database import books
from tests.sim.ending import end_world
from tests.sim.people import Administrator, client
from tests.sim.plan import Plan, plan_of
from tests.sim.syncer import SimSyncer
from tests.sim.world import World
from waystation.ledger import bounds, hold, journal, poster, replay, watch
from waystation.ledger.funds import bank

# Small, so that a short story meets every bound.
_SMALL: tuple[tuple[Any, str, float], ...] = (
    (journal, "SEGMENT_BYTES_MAX", 3_000),
    (journal, "SET_ASIDE_BYTES", 3_000),
    (journal, "ROOM_FOR_END_BYTES", 400),
    (poster, "PENDING_RECORDS_MAX", 6),
    (poster, "REREAD_RECORDS_MAX", 2),
    (replay, "REPLAY_RECORDS_MAX", 3),
    (bank, "WAIT_S", 0.9),
    (bank, "LOOK_AGAIN_S", 0.3),
    (bounds, "STEP_TOKENS", 16),
    (bounds, "LEAST_TOKENS", 2),
    (bounds, "TEMPLATE_TOKENS_MAX", 8),
    (watch, "MARGIN_TOKENS", 4),
    (hold, "PROGRESS_EVERY_BYTES", 64),
)


class Outcome(msgspec.Struct):
    """What became of a seed."""

    seed: int
    plan: Plan
    wrong: list[str]
    trace: list[str]
    steps: int
    steps_in_trouble: int  # of these, those before the end, in which nothing fails any more
    calls: int
    deaths: int


def run_seed(seed: int, *, plan: Plan | None = None, traced: bool = False) -> Outcome:
    """The same seed and plan give the same world. `plan`: another than the seed's own."""
    chance = Random(seed)
    own = plan_of(chance)
    trace: list[str] | None = [] if traced else None
    chosen = own if plan is None else plan
    wrong: list[str] = []
    world: World | None = None

    async def story() -> None:
        nonlocal world
        world = World(chosen, chance, books(), trace)
        with standing_in(world):
            await _live(world)

    books().begin(power_may_fail=chosen.power_may_fail)
    try:
        loop.run(story)
    except Exception as error:
        wrong.append(f"the world ended with {error!r}")
    assert world is not None
    wrong = [*findings(world), *wrong]
    deaths = sum(1 for worker in world.workers if worker.process.dead)
    return Outcome(seed, chosen, wrong, trace or [], world.steps, world.steps_in_trouble, len(world.truths), deaths)


async def _live(world: World) -> None:
    plan, chance = world.plan, world.chance
    world.faults.away, world.faults.answer_lost, world.faults.slow = plan.away, plan.answer_lost, plan.slow
    administrator = Administrator(world)
    administrator.found()
    world.supervise()
    trouble = [asyncio.create_task(one) for one in _troubles(world)]
    await asyncio.gather(administrator.act(), *(client(world) for _ in range(plan.clients)))
    await asyncio.sleep(chance.choice((0.0, 0.3, 1.5)))
    await asyncio.gather(*trouble)
    await end_world(world)


def _troubles(world: World) -> Iterator[Any]:
    plan = world.plan
    if plan.outage_s is not None:
        yield _outage(world, *plan.outage_s)
    if plan.full_s is not None:
        yield _full(world, *plan.full_s)
    if plan.clock_back is not None:
        yield _clock_back(world, *plan.clock_back)


async def _outage(world: World, after_s: float, for_s: float) -> None:
    await asyncio.sleep(after_s)
    world.note("", "the database is away for", round(for_s, 3))
    world.faults.away_until = world.now() + for_s


async def _full(world: World, after_s: float, for_s: float) -> None:
    await asyncio.sleep(after_s)
    world.note("", "the disk is full")
    world.disk.full, world.disk.refuses = True, world.plan.disk_refuses
    await asyncio.sleep(for_s)
    world.note("", "the disk has room again")
    world.disk.full = world.disk.refuses = False


async def _clock_back(world: World, after_s: float, by_s: int) -> None:
    await asyncio.sleep(after_s)
    world.note("", "the clock is set back by", by_s)
    world.clock.set_back_s += by_s


@contextmanager
def standing_in(world: World) -> Iterator[None]:
    """The world's disk in the place of the machine's, and bounds that a short story reaches."""
    changes: list[tuple[Any, str, Any]] = [
        *_SMALL,
        (journal, "os", world.disk),
        (journal, "fcntl", world.disk),
        (journal, "pwrite", world.disk.pwrite),
        (journal, "Syncer", partial(SimSyncer, world.disk)),
        (journal, "sync_folder", world.disk.sync_folder),
        (replay, "os", world.disk),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    log = logging.getLogger("waystation.ledger")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
        log.setLevel(level)
