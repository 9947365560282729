"""Several writings as one: all parts come, the first error ends them all, leaving ends them too."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from waystation.engine.fan import AHEAD_MAX, together


async def counting(parts: int, ended: list[int], number: int, fails: bool = False) -> AsyncGenerator[int]:
    try:
        for part in range(parts):
            await asyncio.sleep(0)
            yield part
        if fails:
            raise ValueError("broken")
    finally:
        ended.append(number)


@pytest.mark.parametrize("count", [1, 3])
def test_all_parts_come_in_order_of_each(count: int) -> None:
    async def told() -> None:
        ended: list[int] = []
        got: dict[int, list[int]] = {number: [] for number in range(count)}
        async for number, part in together([counting(200, ended, number) for number in range(count)]):
            got[number].append(part)
        assert all(parts == list(range(200)) for parts in got.values())
        assert sorted(ended) == list(range(count))

    asyncio.run(told())


def test_first_error_ends_all() -> None:
    async def told() -> None:
        ended: list[int] = []
        writings = [counting(10**9, ended, 0), counting(3, ended, 1, fails=True)]
        with pytest.raises(ValueError, match="broken"):
            async for _ in together(writings):
                pass
        assert sorted(ended) == [0, 1]

    asyncio.run(told())


def test_a_reader_who_leaves_ends_all() -> None:
    async def told() -> None:
        ended: list[int] = []
        async with aclosing(together([counting(10**9, ended, number) for number in range(4)])) as parts:
            async for _ in parts:
                break
            await asyncio.sleep(0.01)  # a slow reader: the writers wait at their bound
        assert sorted(ended) == [0, 1, 2, 3]
        assert AHEAD_MAX < 10**9

    asyncio.run(told())
