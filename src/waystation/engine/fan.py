"""Several answers to one call, written at the same time and told as one stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

AHEAD_MAX = 64  # parts that wait for a slow reader

T = TypeVar("T")
_Item = tuple[int, T | None, BaseException | None]


async def together(writings: Sequence[AsyncGenerator[T]]) -> AsyncGenerator[tuple[int, T]]:
    """The parts of all writings with their numbers, as they come. The first error ends them all."""
    if len(writings) == 1:  # the usual case needs no task
        async with aclosing(writings[0]) as parts:
            async for part in parts:
                yield 0, part
        return
    queue: asyncio.Queue[_Item[T]] = asyncio.Queue(AHEAD_MAX)

    async def drain(number: int, writing: AsyncGenerator[T]) -> None:
        try:
            async with aclosing(writing) as parts:
                async for part in parts:
                    await queue.put((number, part, None))
        except Exception as error:  # handed to the reader, who raises it
            await queue.put((number, None, error))
        else:
            await queue.put((number, None, None))

    tasks = [asyncio.create_task(drain(number, writing), name="choice") for number, writing in enumerate(writings)]
    try:
        running = len(tasks)
        while running:
            number, told, error = await queue.get()
            if error is not None:
                raise error
            if told is None:
                running -= 1
            else:
                yield number, told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
