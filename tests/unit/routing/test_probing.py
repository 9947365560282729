"""Free probes: what they may open, and that nothing comes of a bad one."""

import asyncio

from waystation.errors import UpstreamFailed
from waystation.routing.breaker import FAILURES_IN_A_ROW
from waystation.routing.probing import AT_ONCE_MAX, Prober
from waystation.routing.standing import Standing


def shut(*names: str) -> Standing:
    standing = Standing()
    for name in names:
        for _ in range(FAILURES_IN_A_ROW):
            standing.deployment(name, name.partition("/")[0]).breaker.failed(100.0)
    return standing


def test_a_probe_that_goes_well_opens_the_way_for_one_call() -> None:
    standing, asked = shut("a/m", "a/n", "b/m"), []

    async def probe(provider: str) -> bool:
        asked.append(provider)
        if provider == "b":
            raise UpstreamFailed("Still down.")
        return True

    asyncio.run(Prober(standing, probe, lambda: 100.1).look())
    assert asked == ["a", "b"]
    states = {name: state.breaker.state(100.1) for name, state in standing.deployments.items()}
    assert states == {"a/m": "half_open", "a/n": "half_open", "b/m": "open"}


def test_who_is_well_is_not_asked() -> None:
    standing = Standing()
    standing.deployment("a/m", "a").breaker.succeeded(100.0)

    async def probe(provider: str) -> bool:
        raise AssertionError(provider)

    asyncio.run(Prober(standing, probe, lambda: 100.1).look())


def test_only_so_many_are_asked_at_once() -> None:
    standing, running, most = shut(*(f"p{number}/m" for number in range(20))), 0, 0

    async def probe(provider: str) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return False

    asyncio.run(Prober(standing, probe, lambda: 100.1).look())
    assert most == AT_ONCE_MAX
