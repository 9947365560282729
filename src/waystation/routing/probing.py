"""Ask deployments that are shut whether they are back, with a question that costs nothing (a list of models).

A probe that goes well opens the way for one real call, no more: to list models is not to answer. One that fails changes
nothing, so a deployment without such a question is found well by real calls alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from waystation.errors import ApiError
from waystation.routing.standing import Standing

EVERY_S = 1.0
TIMEOUT_S = 5.0
AT_ONCE_MAX = 4

Probe = Callable[[str], Awaitable[bool]]
"""(provider) → whether it answers. May raise ApiError, OSError, TimeoutError: then it does not."""


class Prober:
    def __init__(
        self,
        standing: Standing,
        probe: Probe,
        now_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._standing = standing
        self._probe = probe
        self._now_s = now_s
        self._sleep = sleep

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """One round: each provider of a deployment that is shut is asked once."""
        now_s = self._now_s()
        shut = {state.provider for state in self._standing.deployments.values() if state.breaker.state(now_s) == "open"}
        places = asyncio.Semaphore(AT_ONCE_MAX)
        await asyncio.gather(*(self._ask(provider, places) for provider in sorted(shut)))

    async def _ask(self, provider: str, places: asyncio.Semaphore) -> None:
        async with places:
            with suppress(ApiError, OSError, TimeoutError):
                async with asyncio.timeout(TIMEOUT_S):
                    if await self._probe(provider):
                        self._reachable(provider)

    def _reachable(self, provider: str) -> None:
        now_s = self._now_s()
        for state in self._standing.deployments.values():
            if state.provider == provider:
                state.breaker.reachable(now_s)
