"""What time it is, and waiting. Others are given a clock, so that a test can turn it."""

import asyncio
import time


class Clock:
    """The machine's clocks: the wall's for what is written down, the monotonic one for how long something took."""

    def now_s(self) -> int:
        """UTC seconds."""
        return int(time.time())

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
