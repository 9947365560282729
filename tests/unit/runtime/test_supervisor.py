"""The supervisor with workers and children that are only pretended: what is started, in which order all ends."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from waystation.runtime import supervisor as supervisor_module
from waystation.runtime.supervisor import Supervisor, changes
from waystation.runtime.supervisor_process import NeverReady


class Pretended:
    """A worker or a child, which writes down what happens to it."""

    def __init__(self, name: str, diary: list[str], *, fails: bool = False, drains: bool = True) -> None:
        """`fails`: it can't be kept, as long as that is so."""
        self.name = name
        self._diary = diary
        self.fails = fails
        self._drains = drains
        self._ready = asyncio.Event()
        self._end = asyncio.Event()

    async def run(self) -> None:
        self._diary.append(f"start {self.name}")
        if self.fails:
            raise NeverReady(f"{self.name} died")
        self._ready.set()
        await self._end.wait()

    async def ready(self) -> None:
        await self._ready.wait()

    @property
    def serves(self) -> bool:
        return self._ready.is_set()

    async def stop(self) -> None:
        self._diary.append(f"stop {self.name}")
        self._end.set()

    async def drain(self, seconds: float) -> None:
        self._diary.append(f"drain {self.name} {seconds:g}")
        if self._drains:
            self._end.set()
        await self._end.wait()

    def kill(self) -> None:
        self._diary.append(f"kill {self.name}")
        self._end.set()


class Story:
    """A supervisor on pretended processes."""

    def __init__(
        self,
        wanted: Mapping[str, str],
        *,
        worker_fails: bool = False,
        worker_drains: bool = True,
        others: Sequence[str] = (),
    ) -> None:
        self.diary: list[str] = []
        self.told: list[str] = []
        self.wanted = dict(wanted)
        self.settled = asyncio.Event()
        self.settled.set()
        self.worker = Pretended("worker", self.diary, fails=worker_fails, drains=worker_drains)
        self.supervisor = Supervisor(
            [self.worker, *(Pretended(name, self.diary, drains=worker_drains) for name in others)],
            self._ask,
            lambda plan: Pretended(plan, self.diary, fails="bad" in plan),
            drain_s=30,
            tell=self.told.append,
            on_ready=lambda names: self.diary.append(f"ready {','.join(names)}"),
            settled=self._settle(),
        )

    async def _ask(self) -> dict[str, str]:
        return dict(self.wanted)

    async def _settle(self) -> None:
        await self.settled.wait()

    async def until(self, line: str) -> None:
        async with asyncio.timeout(5):
            while line not in self.diary:
                await asyncio.sleep(0.001)


def tell(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_awaited(story), 20))


async def _awaited(story: Callable[[], Awaitable[None]]) -> None:
    await story()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "POLL_S", 0.005)
    monkeypatch.setattr(supervisor_module, "TRY_AGAIN_S", 0.01)


@pytest.mark.parametrize(
    ("running", "wanted", "stop", "start"),
    [
        ({}, {"a": 1}, [], ["a"]),
        ({"a": 1}, {"a": 1}, [], []),
        ({"a": 1}, {}, ["a"], []),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, ["a"], ["a"]),
    ],
)
def test_changes(running: dict[str, int], wanted: dict[str, int], stop: list[str], start: list[str]) -> None:
    assert changes(running, wanted) == (stop, start)


def test_ready_is_said_once_when_all_that_is_wanted_serves() -> None:
    async def told() -> None:
        story = Story({"m": "model"})
        story.settled.clear()
        run = asyncio.create_task(story.supervisor.run())
        await story.until("start model")
        await asyncio.sleep(0.05)
        assert "ready m" not in story.diary
        story.wanted["late"] = "late model"
        story.settled.set()
        await story.until("ready m,late")
        story.supervisor.stop()
        assert await run == 0
        assert [line for line in story.diary if line.startswith("ready")] == ["ready m,late"]

    tell(told)


def test_the_worker_is_drained_before_the_models_end() -> None:
    async def told() -> None:
        story = Story({"m": "model"})
        run = asyncio.create_task(story.supervisor.run())
        await story.until("ready m")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await run == 0
        assert story.diary[-2:] == ["drain worker 32", "stop model"]

    tell(told)


def test_a_second_signal_ends_at_once() -> None:
    async def told() -> None:
        story = Story({"m": "model"}, worker_drains=False)
        run = asyncio.create_task(story.supervisor.run())
        await story.until("ready m")
        os.kill(os.getpid(), signal.SIGINT)
        await story.until("drain worker 32")
        assert not run.done()
        os.kill(os.getpid(), signal.SIGINT)
        assert await run == 0
        assert "kill worker" in story.diary

    tell(told)


def test_a_model_that_is_added_starts_and_one_that_is_removed_ends() -> None:
    async def told() -> None:
        story = Story({"m": "model"})
        run = asyncio.create_task(story.supervisor.run())
        await story.until("ready m")
        story.wanted["n"] = "new model"
        await story.until("start new model")
        del story.wanted["m"]
        await story.until("stop model")
        story.supervisor.stop()
        await run
        assert story.diary.count("start new model") == 1

    tell(told)


def test_a_model_that_can_not_be_started_holds_up_nobody() -> None:
    async def told() -> None:
        story = Story({"b": "bad model", "m": "model"})
        run = asyncio.create_task(story.supervisor.run())
        await story.until("ready m")
        await asyncio.sleep(0.05)
        assert story.diary.count("start bad model") == 1
        assert "model b can't be started: bad model died" in story.told
        story.supervisor.stop()
        assert await run == 0

    tell(told)


def test_a_worker_that_can_not_be_kept_ends_the_server_with_an_error() -> None:
    async def told() -> None:
        story = Story({"m": "model"}, worker_fails=True)
        assert await story.supervisor.run() == 1
        assert "worker died: giving up" in story.told

    tell(told)


def test_all_workers_are_ready_before_it_is_said_and_all_are_drained_before_the_models_end() -> None:
    async def told() -> None:
        story = Story({"m": "model"}, others=("second", "third"))
        run = asyncio.create_task(story.supervisor.run())
        await story.until("ready m")
        assert {"start worker", "start second", "start third"} <= set(story.diary)
        story.supervisor.stop()
        assert await run == 0
        assert sorted(story.diary[-4:-1]) == ["drain second 32", "drain third 32", "drain worker 32"]
        assert story.diary[-1] == "stop model"

    tell(told)


def test_a_second_signal_reaches_all_workers() -> None:
    async def told() -> None:
        story = Story({}, worker_drains=False, others=("second",))
        run = asyncio.create_task(story.supervisor.run())
        await story.until("ready ")
        story.supervisor.stop()
        await story.until("drain second 32")
        story.supervisor.stop()
        assert await run == 0
        assert {"kill worker", "kill second"} <= set(story.diary)

    tell(told)


def test_a_worker_that_can_not_be_kept_is_tried_again_while_others_serve() -> None:
    async def told() -> None:
        story = Story({}, worker_fails=True, others=("second",))
        # The one that serves is there first, as it is when a disk fills up later on.
        story.supervisor._workers = list(reversed(story.supervisor._workers))
        run = asyncio.create_task(story.supervisor.run())
        async with asyncio.timeout(5):
            while len(story.told) < 3:
                await asyncio.sleep(0.001)
        assert set(story.told) == {"worker died: the others serve on, it is tried again in 0.01 s"}
        assert "ready " not in story.diary
        story.worker.fails = False
        await story.until("ready ")
        story.supervisor.stop()
        assert await run == 0

    tell(told)
