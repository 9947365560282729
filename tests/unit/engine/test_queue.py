"""Places at a model: fair, bounded, given back whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import pytest

from waystation.engine.local import Local
from waystation.engine.model import LocalModel
from waystation.engine.queue import FairQueue
from waystation.errors import RateLimitExceeded
from waystation.runtime.http_client import HttpClient
from waystation.terms import Blame


class Stand:
    """Callers that hold their place until they are told to go."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def come(self, name: str, project: str = "p", tokens: int = 1) -> None:
        self._go[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, project, tokens))
        await settle()

    async def leave(self, name: str) -> None:
        self._go[name].set()
        await settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await settle()

    async def _hold(self, name: str, project: str, tokens: int) -> None:
        async with self.queue.place(project, tokens):
            self.order.append(name)
            await self._go[name].wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def story(told: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(told(), 5))


def test_projects_take_turns() -> None:
    async def told() -> None:
        stand = Stand(FairQueue(1, 100))
        for name, project in [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("b2", "b"), ("c1", "c")]:
            await stand.come(name, project)
        for name in ("a1", "a2", "b1", "c1", "a3"):
            await stand.leave(name)
        assert stand.order == ["a1", "a2", "b1", "c1", "a3", "b2"]
        await stand.leave("b2")
        assert (stand.queue.running, stand.queue.waiting) == (0, 0)

    story(told)


def test_a_full_queue_says_when_to_come_again() -> None:
    async def told() -> None:
        queue = FairQueue(1, 100, waiting_max=3, per_project=2)
        stand = Stand(queue)
        for name, project in [("a1", "a"), ("a2", "a"), ("a3", "a")]:
            await stand.come(name, project)
        with pytest.raises(RateLimitExceeded) as refused:
            async with queue.place("a", 1):
                pass
        assert refused.value.retry_after_ms
        assert refused.value.blame is Blame.BUSY  # nothing is wrong with the model
        await stand.come("b1", "b")  # another project still has room
        with pytest.raises(RateLimitExceeded):
            async with queue.place("c", 1):
                pass
        for task in stand.tasks.values():
            task.cancel()
        await settle()
        assert (queue.running, queue.waiting) == (0, 0)

    story(told)


def test_who_leaves_leaves_the_queue() -> None:
    async def told() -> None:
        stand = Stand(FairQueue(1, 100))
        for name in ("one", "two", "three"):
            await stand.come(name)
        await stand.cancel("two")
        await stand.leave("one")
        assert stand.order == ["one", "three"]
        await stand.leave("three")
        assert (stand.queue.running, stand.queue.waiting) == (0, 0)

    story(told)


def test_a_place_that_came_too_late_goes_to_the_next() -> None:
    async def told() -> None:
        stand = Stand(FairQueue(1, 100))
        for name in ("one", "two", "three"):
            await stand.come(name)
        stand._go["one"].set()
        stand.tasks["one"].cancel()
        stand.tasks["two"].cancel()
        await settle()
        assert stand.order == ["one", "three"]
        await stand.leave("three")
        assert (stand.queue.running, stand.queue.waiting) == (0, 0)

    story(told)


def test_answers_share_the_cache() -> None:
    async def told() -> None:
        stand = Stand(FairQueue(4, 100))
        await stand.come("long", "a", 80)
        await stand.come("longer", "b", 60)
        await stand.come("short", "c", 10)
        assert stand.order == ["long"]  # who is first in line is not passed by for ever
        await stand.leave("long")
        assert stand.order == ["long", "longer", "short"]
        for name in ("longer", "short"):
            await stand.leave(name)
        await stand.come("huge", "a", 10_000)  # longer than the cache: the model itself says so
        assert stand.order[-1] == "huge"
        await stand.leave("huge")

    story(told)


def test_an_error_gives_the_place_back() -> None:
    async def told() -> None:
        queue = FairQueue(1, 10)
        with pytest.raises(RuntimeError):
            async with queue.place("p", 1):
                raise RuntimeError
        assert queue.running == 0

    story(told)


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_all_workers_together_admit_no_more_than_the_models_cache_holds(workers: int) -> None:
    async def story() -> None:
        model = LocalModel("m", "chat", Path("/m.gguf"), context_tokens=1_000, slots=4)
        stands = [
            Stand(Local(model, HttpClient(), Path("/tmp"), share=Fraction(1, workers)).queue)  # nothing is sent to it
            for _ in range(workers)
        ]
        for stand in stands:
            for name in "abcd":
                await stand.come(name, tokens=100)
        assert 0 < sum(stand.queue.running for stand in stands) * 100 <= model.context_tokens
        for stand in stands:
            for name in "abcd":
                await stand.cancel(name)

    asyncio.run(story())
