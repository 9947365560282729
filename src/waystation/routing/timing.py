"""The time that a route gives: to the first byte of an attempt, and to all attempts together. Without it the provider's hold."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from waystation.errors import UpstreamTimeout
from waystation.terms import Event


async def in_time(
    events: AsyncGenerator[Event], model: str, first_byte_s: float | None, total_s: float
) -> AsyncGenerator[Event]:
    """The same events. Raises UpstreamTimeout when the first, or the last, is too late; the call is cancelled then."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + total_s
    first_s = until_s if first_byte_s is None else min(until_s, loop.time() + first_byte_s)
    async with aclosing(events):
        deadline_s, stage = first_s, "first byte" if first_s < until_s else "total"
        while True:
            try:
                async with asyncio.timeout_at(deadline_s):
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise UpstreamTimeout(
                    f"The provider of the model `{model}` took too long ({stage}).", detail=f"the route's time: {stage}"
                ) from None
            yield event
            deadline_s, stage = until_s, "total"
