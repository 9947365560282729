"""The supervisor: keeps the gateway workers and the local models' processes running, and ends them in order.

It decides nothing about models, keys or calls: which children are wanted, and how each is started, is given to it.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)

POLL_S = 1.0  # how soon a model that was added is started
DRAIN_MARGIN_S = 2.0  # the worker counts its own time-out; this is for ending after it
CHILD_STOP_S = 8.0  # asked, then made to, by the child itself
TRY_AGAIN_S = 10.0  # after a worker could not be kept, while others serve


class Kept(Protocol):
    """A process that is kept running."""

    async def run(self) -> None:
        """Run it, again and again, until it is told to end. An exception means that it can't be kept."""

    async def ready(self) -> None:
        """Wait until it serves."""


class Worker(Kept, Protocol):
    """A process that answers calls: it is given time for those that are open. `supervisor_slot.Slot` is one."""

    @property
    def serves(self) -> bool:
        """Whether it serves at this moment."""

    async def drain(self, seconds: float) -> None: ...
    def kill(self) -> None: ...


class Child(Kept, Protocol):
    """A local model's process. To cancel `run` ends it, too."""

    async def stop(self) -> None: ...


def changes(running: Mapping[str, S], wanted: Mapping[str, S]) -> tuple[list[str], list[str]]:
    """Which children to stop and which to start. One whose plan has changed is both."""
    stop = [name for name, plan in running.items() if wanted.get(name) != plan]
    start = [name for name, plan in wanted.items() if running.get(name) != plan]
    return stop, start


class Supervisor(Generic[S]):
    """The workers and their children, from start to end.

    `wanted` says which children there should be, by name, each with a plan; it is asked every second. `make` makes a
    child of a plan. `helpers` are kept as the workers are, from when one of those serves: nobody waits for them, and
    without them the server goes on. `tell` gets lines for the log. `on_ready` is called once, with the names of the
    children that are ready, when `settled` has ended and all workers and all children that are wanted then are ready (or can't be).
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        wanted: Callable[[], Awaitable[Mapping[str, S]]],
        make: Callable[[S], Child],
        *,
        drain_s: float,
        tell: Callable[[str], None],
        on_ready: Callable[[list[str]], None],
        settled: Awaitable[None],
        helpers: Sequence[Worker] = (),
    ) -> None:
        self._workers = workers
        self._wanted = wanted
        self._make = make
        self._drain_s = drain_s
        self._tell = tell
        self._on_ready = on_ready
        self._settled = settled
        self._helpers = helpers
        self._plans: dict[str, S] = {}
        self._children: dict[str, tuple[Child, asyncio.Task[None]]] = {}
        self._adjusting = asyncio.Lock()
        self._stop = asyncio.Event()
        self._stops = 0
        self._failed = False

    async def run(self) -> int:
        """Run until a signal; the exit code: 0 when it was asked to stop, 1 when no worker can be kept."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        workers = [asyncio.create_task(self._keep_worker(worker)) for worker in self._workers]
        workers += [asyncio.create_task(self._keep_helper(helper)) for helper in self._helpers]
        others = [asyncio.create_task(work) for work in (self._follow(), self._announce())]
        try:
            await self._stop.wait()
            for task in others:
                task.cancel()
            await self._end()
        finally:
            await asyncio.gather(*others, *workers, return_exceptions=True)
        for task in others:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        return 1 if self._failed else 0

    def stop(self) -> None:
        """The first time: drain and end. The second time: end at once."""
        self._stops += 1
        self._stop.set()
        if self._stops == 1:
            self._tell(f"stopping: open answers have {self._drain_s:g} s; once more to stop at once")
        else:
            for worker in (*self._workers, *self._helpers):
                worker.kill()
            for _, task in self._children.values():
                task.cancel()

    async def _keep_worker(self, worker: Worker) -> None:
        while not self._stop.is_set():
            try:
                await worker.run()
            except Exception as error:
                if not any(other.serves for other in self._workers if other is not worker):
                    self._tell(f"{error}: giving up")
                    self._failed = True
                    self._stop.set()
                    return
                self._tell(f"{error}: the others serve on, it is tried again in {TRY_AGAIN_S:g} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), TRY_AGAIN_S)
            else:
                return

    async def _keep_helper(self, helper: Worker) -> None:
        serving = [asyncio.create_task(each) for each in (self._workers[0].ready(), self._stop.wait())]
        await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
        for task in serving:
            task.cancel()
        while not self._stop.is_set():
            try:
                await helper.run()
            except Exception as error:
                self._tell(f"{error}: the server goes on without, it is tried again in {TRY_AGAIN_S:g} s")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), TRY_AGAIN_S)

    async def _end(self) -> None:
        """The workers first: their last answers still need the children."""
        seconds = self._drain_s + DRAIN_MARGIN_S
        await asyncio.gather(*(worker.drain(seconds) for worker in (*self._workers, *self._helpers)))
        await asyncio.gather(*(self._end_child(name) for name in list(self._children)))

    async def _follow(self) -> None:
        """Start and end children as they are wanted."""
        while True:
            await self._adjust(await self._wanted())
            await asyncio.sleep(POLL_S)

    async def _adjust(self, wanted: Mapping[str, S]) -> None:
        async with self._adjusting:
            stop, start = changes(self._plans, wanted)
            for name in stop:
                self._tell(f"model {name} ends")
                await self._end_child(name)
            for name in start:
                child = self._make(wanted[name])
                self._plans[name] = wanted[name]
                self._children[name] = child, asyncio.create_task(self._keep_child(name, child))

    async def _keep_child(self, name: str, child: Child) -> None:
        try:
            await child.run()
        except Exception as error:
            # It stays in the plans, so that it isn't started every second; a change of its plan starts it again.
            self._tell(f"model {name} can't be started: {error}")

    async def _end_child(self, name: str) -> None:
        child, task = self._children.pop(name)
        del self._plans[name]
        await child.stop()
        await asyncio.wait({task}, timeout=CHILD_STOP_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _announce(self) -> None:
        await self._settled
        await self._adjust(await self._wanted())
        for worker in self._workers:
            await worker.ready()
        ready = []
        for name, (child, task) in list(self._children.items()):
            waiting = asyncio.create_task(child.ready())
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                ready.append(name)
            waiting.cancel()
        self._on_ready(ready)
