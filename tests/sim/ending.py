"""The end of a world: nothing fails any more, all that is left of money can be spent, then everybody closes."""

import asyncio
from collections.abc import Iterator

from tests.sim.database import BUSY_S
from tests.sim.people import CALLERS, NEVER_S
from tests.sim.upstream import Asking
from tests.sim.world import Worker, World
from waystation.ledger.funds.bank import IDLE_TICKS
from waystation.ledger.poster import POST_EVERY_S
from waystation.ledger.service import SWEEP_EVERY_TICKS, TEND_EVERY_S

SETTLES_S = TEND_EVERY_S * (SWEEP_EVERY_TICKS + 8)  # by then whoever lives has swept up after the dead, and given back
GIVES_BACK_S = POST_EVERY_S + TEND_EVERY_S * (IDLE_TICKS + 2)  # by then all is posted, and what is idle given back
STARTS_MAX = 20  # seconds within which somebody serves when nothing fails
ROUNDS_MAX = 40  # of somebody who wants to spend all
LEAST_NANO = 64 * 2_000 + 2 * 8_000  # what is left then pays no call any more


async def end_world(world: World) -> None:
    world.note("", "from here on nothing fails")
    world.calm = True
    world.faults.heal()
    world.disk.full = world.disk.refuses = False
    someone_died = any(worker.process.dead for worker in world.workers)
    begun_s = 2 * BUSY_S if world.plan.slow else 0.0  # what began while the database was slow is as slow as it was then
    await asyncio.sleep(begun_s + (SETTLES_S if someone_died else GIVES_BACK_S))
    for _ in range(STARTS_MAX):
        if world.alive():
            break
        await asyncio.sleep(1.0)  # a start may have begun while the database was slow
    workers = world.alive()
    if not workers:
        world.wrong.append("nobody lives")
        return
    world.archived.clear()
    caller = world.chance.choice((CALLERS[0], CALLERS[2]))
    await _spend_all(
        world, Asking(caller=caller, words=60, input_tokens=1, end_user=world.chance.choice((None, "ann")))
    )
    await asyncio.sleep(GIVES_BACK_S)
    world.wrong += [told for worker in workers for told in _of_the_purses(world, worker)]
    await _close(world, workers)


async def _spend_all(world: World, asking: Asking) -> None:
    """A client that retries when it is told to is refused only when the rest pays no call any more."""
    binding = _binding(world, asking)
    if not binding:
        return
    for _ in range(ROUNDS_MAX):
        truth = await world.chance.choice(world.alive()).serve(asking, NEVER_S)
        if truth.error == "rate_limit_exceeded":
            await asyncio.sleep(1.0)
        elif truth.error == "insufficient_quota":
            if not _has_just_expired(world):
                break
            await asyncio.sleep(GIVES_BACK_S)
        elif truth.error:
            world.wrong.append(f"{truth.request_id}: refused for {truth.error} when nothing fails")
            return
    else:
        world.wrong.append(f"{asking.caller.organization_id}: its money does not come to an end: {truth.error}")
        return
    await asyncio.sleep(1.2)
    left = _left(world, binding)
    if left >= LEAST_NANO:
        world.wrong.append(f"{asking.caller.organization_id}: refused for money, and {left} nano are left")


def _has_just_expired(world: World) -> bool:
    """Until what was held before an expiry is posted, a worker takes all of that grant for unspent and gone."""
    at = world.clock.now_s()
    return bool(world.books.rows(f"SELECT id FROM grants WHERE expires_at BETWEEN {at - 2} AND {at}"))


def _binding(world: World, asking: Asking) -> list[str]:
    """Who limits this caller: ids of budgets, and its organization when it is prepaid."""
    caller = asking.caller
    owners = [] if caller.postpaid else [caller.organization_id]
    rows = world.books.rows("SELECT id, scope, subject, organization_id FROM budgets WHERE removed_at IS NULL AND hard")
    for budget_id, scope, subject, organization in rows:
        if organization == caller.organization_id and (scope != "end_user" or asking.end_user in (subject, "ann")):
            owners.append(budget_id)
    return owners


def _left(world: World, owners: list[str]) -> int:
    """The least that any of them has, of what has neither ended nor expired."""
    at = world.clock.now_s()
    # When a clock goes back, a worker that has called since stays in the later day and another is in the earlier one.
    in_period = "ends_at IS NULL" if world.clock.set_back_s else f"(ends_at IS NULL OR ends_at > {at})"
    lefts: list[int] = []
    for owner in owners:
        rows = world.books.rows(
            "SELECT cap_nano - spent_nano - (SELECT COALESCE(SUM(left_nano), 0) FROM grants WHERE organization_id = owner "
            f"AND expires_at <= {at}) FROM funds WHERE owner = '{owner}' AND {in_period} "
            f"AND period_at <= {at} AND subject IN ('', 'ann')"
        )
        lefts += [int(left) for (left,) in rows] or [0]
    return min(lefts)


def _of_the_purses(world: World, worker: Worker) -> Iterator[str]:
    """What a worker thinks that it is allowed is what the database has for it."""
    assert worker.ledger is not None
    bank, epoch = worker.ledger._desk.bank, worker.ledger.epoch
    mine: dict[int, int] = {}
    for purse in (*bank._purses.values(), *bank._retired):
        if purse.held or purse.unposted or min(purse.free, purse.returning) < 0:
            yield f"{worker.name}: {purse.key} holds {purse.held}, {purse.unposted} are not posted, {purse.free} free"
        mine[purse.fund_id] = mine.get(purse.fund_id, 0) + purse.free + purse.held + purse.unposted + purse.returning
    rows = dict(world.books.rows(f"SELECT fund_id, amount_nano FROM allowances WHERE epoch = {epoch}"))
    for fund_id in sorted({*mine, *rows} - {0}):
        if mine.get(fund_id, 0) != rows.get(fund_id, 0):
            yield f"{worker.name}: fund {fund_id}: it has {mine.get(fund_id, 0)} nano, and is allowed {rows.get(fund_id, 0)}"


async def _close(world: World, workers: list[Worker]) -> None:
    """In order or not; then one more comes and finds whatever is left."""
    await world.stop_supervising()
    for worker in world.workers:
        if worker not in workers:
            worker.process.die()  # one that has not come as far as to serve
    for worker in workers:
        if world.chance.random() < 0.3:
            world.note(worker.name, "killed at the end")
            worker.process.die()
        elif worker.ledger is not None:
            await asyncio.wait({worker.process.spawn(worker.ledger.close())})
            worker.process.die()
    if not world.disk.names():
        return
    last = Worker(world, 0)
    world.workers.append(last)
    await asyncio.wait({last.process.spawn(last.open())})
    if last.ledger is None:
        world.wrong.append("the last worker could not start")
        return
    await asyncio.wait({last.process.spawn(last.ledger.close())})
    last.process.die()
