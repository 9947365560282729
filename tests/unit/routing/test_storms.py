"""Ten thousand clients in virtual time: what the constants of retries and breakers come to. The figures are shown."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from statistics import median

import msgspec
import pytest

from tests.conftest import SHOWN
from tests.sim.loop import VirtualLoop
from tests.unit.routing.routes import OPENAI, SPOKEN_HERE, call_of, failure, model
from waystation.dialects.ask import Ask
from waystation.dialects.saying import Saying
from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.routing.router import Router
from waystation.terms import NO_CREDENTIAL, Blame, Done, Event, Model, Operation, Target, Usage

CLIENTS = 10_000
ANSWER_S, FAILING_S = 0.4, 0.02

Fails = Callable[[float], bool]
"""(time) → whether the next call fails."""


class World:
    """Providers that fail as told, in the time of a virtual loop."""

    def __init__(self, fails: dict[str, Fails], seed: int, failing_s: float = FAILING_S) -> None:
        self.loop = VirtualLoop()
        self.fails = fails
        self.failing_s = failing_s
        self.chance = random.Random(seed)
        providers = {name: Unsteady(name, self) for name in fails}
        self.router = Router(
            providers,
            clock=self,
            count_tokens=lambda _text, _model: 0,
            chance=self.chance.random,
            spoken=SPOKEN_HERE,
        )

    def now_s(self) -> int:
        return int(self.loop.time())

    def monotonic_s(self) -> float:
        return self.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Unsteady:
    credentials = (NO_CREDENTIAL,)
    concurrency_max = None
    native = OPENAI
    operations = frozenset(Operation)

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self._world = world

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        if self._world.fails[self.name](self._world.loop.time()):
            await asyncio.sleep(self._world.failing_s)
            raise failure(Blame.DEPLOYMENT)
        await asyncio.sleep(ANSWER_S)
        yield Done(b"{}", Usage(1, 1))

    async def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        silence: list[Saying] = []  # everybody speaks the same here
        for saying in silence:
            yield saying


class Seen(msgspec.Struct):
    began_s: float
    took_s: float
    attempts: int
    well: bool


def crowd(world: World, wanted: Model, per_s: float, clients: int = CLIENTS) -> list[Seen]:
    """What clients see who come one after the other, at random, so many in a second."""
    seen: list[Seen] = []

    async def client(at_s: float) -> None:
        await asyncio.sleep(at_s)
        began_s, call, well = world.loop.time(), call_of(), True
        try:
            async for _ in world.router.attempt(call, wanted):
                pass
        except ApiError:
            well = False
        seen.append(Seen(began_s, world.loop.time() - began_s, call.attempts, well))

    async def all_of_them() -> None:
        at_s, tasks = 0.0, []
        for _ in range(clients):
            at_s += world.chance.expovariate(per_s)
            tasks.append(asyncio.ensure_future(client(at_s)))
        await asyncio.gather(*tasks)

    asyncio.set_event_loop(world.loop)
    try:
        world.loop.run_until_complete(all_of_them())
        world.loop.run_until_complete(world.loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        world.loop.close()
    return seen


def shown(record: Callable[[str, object], None], what: str, seen: list[Seen]) -> tuple[float, float, float]:
    """The share that succeeded, attempts for each call, and the median time."""
    well = sum(one.well for one in seen) / len(seen)
    attempts = sum(one.attempts for one in seen) / len(seen)
    middle_s = median(one.took_s for one in seen)
    record(SHOWN, f"routing, {what}: {well:.4%} succeed, {attempts:.3f} attempts a call, p50 {middle_s:.3f} s")
    return well, attempts, middle_s


ROUTES = {"one deployment": [["a/m"]], "two deployments": [["a/m", "b/m"]], "two tiers": [["a/m"], ["b/m"]]}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("per_s", [0.5, 50.0, 2000.0], ids=["0.5 calls/s", "50 calls/s", "2000 calls/s"])
def test_thirty_percent_of_faults_reach_hardly_anybody(
    route: str, per_s: float, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(11)
    world = World({name: lambda _: chance.random() < 0.3 for name in "ab"}, seed=3)
    seen = crowd(world, model(*ROUTES[route]), per_s)
    well, attempts, _ = shown(record_property, f"30 % faults, {route}, {per_s:g} calls/s", seen)
    assert well >= 0.999
    assert attempts <= 1.6


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("per_s", [50.0, 2000.0], ids=["50 calls/s", "2000 calls/s"])
def test_when_all_refuse_the_failure_is_quick_and_nobody_storms(
    route: str, per_s: float, record_property: Callable[[str, object], None]
) -> None:
    world = World({name: lambda _: True for name in "ab"}, seed=3)
    seen = crowd(world, model(*ROUTES[route]), per_s)
    well, attempts, middle_s = shown(record_property, f"all refuse, {route}, {per_s:g} calls/s", seen)
    assert well == 0
    assert middle_s < 1.0
    assert attempts <= 1.2


@pytest.mark.parametrize("route", ROUTES)
def test_few_clients_are_told_as_soon(route: str) -> None:
    """A hundred in a minute, after a long good time: the bucket is full, and still there is no storm."""
    world = World({name: lambda now: now > 150.0 for name in "ab"}, seed=3)
    seen = [one for one in crowd(world, model(*ROUTES[route]), 2.0, 400) if one.began_s > 151.0]
    assert not any(one.well for one in seen)
    assert median(one.took_s for one in seen) < 1.0
    assert sum(one.attempts for one in seen) <= 1.25 * len(seen)  # the first ones that find out weigh more here


@pytest.mark.parametrize("failing_s", [FAILING_S, 5.0], ids=["refusing", "hanging"])
@pytest.mark.parametrize("route", ROUTES)
def test_when_they_return_so_do_the_answers(
    route: str, failing_s: float, record_property: Callable[[str, object], None]
) -> None:
    """Down from the 20th to the 80th second: good again 10 s later at the most, also for those who came just then."""
    world = World({name: lambda now: 20.0 < now < 80.0 for name in "ab"}, seed=3, failing_s=failing_s)
    seen = crowd(world, model(*ROUTES[route]), 50.0, 6000)
    bad = [one for one in seen if not one.well and one.began_s > 80.0]
    last_s = max((one.began_s for one in bad), default=80.0) - 80.0
    record_property(
        SHOWN, f"routing, back after a minute, {route}, {failing_s:g} s to fail: well again in {last_s:.2f} s"
    )
    assert last_s <= 10.0
    assert all(one.well for one in seen if one.began_s < 19.0)
    if failing_s > 1:  # once it is known nobody waits for a hanging one but those who prove it
        waited = [one for one in seen if 40.0 < one.began_s < 70.0 and one.took_s > 1.0]
        assert len(waited) <= 12


def test_a_dead_deployment_beside_a_good_one_costs_nobody_an_answer(
    record_property: Callable[[str, object], None],
) -> None:
    world = World({"a": lambda _: True, "b": lambda _: False}, seed=3)
    well, attempts, middle_s = shown(record_property, "one of two is dead", crowd(world, model(["a/m", "b/m"]), 50.0))
    assert well == 1.0
    assert attempts < 1.05
    assert middle_s <= ANSWER_S + 0.01
