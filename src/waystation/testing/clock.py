"""A clock that stands still until a test turns it; has the methods of `runtime.clock.Clock`."""

import asyncio
import heapq
import itertools


class FakeClock:
    """Time passes only in `advance`, which also wakes those who sleep, in order."""

    def __init__(self, now_s: int = 1_750_000_000) -> None:
        self._began_s = now_s
        self._elapsed_ns = 0
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_s(self) -> int:
        return self._began_s + self._elapsed_ns // 1_000_000_000

    def monotonic_ns(self) -> int:
        return self._elapsed_ns

    def monotonic_s(self) -> float:
        return self._elapsed_ns / 1e9

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_ns + round(seconds * 1e9), next(self._order), wake))
        await wake

    def advance(self, seconds: float) -> None:
        """Let time pass. Who wakes runs at the test's next await."""
        until_ns = self._elapsed_ns + round(seconds * 1e9)
        while self._sleepers and self._sleepers[0][0] <= until_ns:
            self._elapsed_ns, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)
        self._elapsed_ns = until_ns
