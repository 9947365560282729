"""A worker process as the simulator sees it: it takes steps that the world may let it die at, and owns its tasks."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)

BEFORE, TORN, AFTER = "before", "torn", "after"  # when in a step a process dies


class Killed(BaseException):
    """This process is no more: nothing that it still tries has any effect."""


class Process:
    """`step` is asked before everything that the outside world would notice."""

    def __init__(self, name: str, step: Callable[["Process", str], str | None]) -> None:
        self.name = name
        self.dead = False
        self._step = step
        self._tasks: list[asyncio.Task[Any]] = []
        self.on_death: list[Callable[[], None]] = []

    def step(self, what: str) -> str | None:
        """When in this step to die; None: live on. Raises Killed when it is dead already."""
        if self.dead:
            raise Killed
        return self._step(self, what)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of this process; so are all those that it starts."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks.append(task)

    def die(self) -> None:
        """As `kill -9` does it. The running task goes on until it meets the outside world, or raises Killed itself."""
        if self.dead:
            return
        self.dead = True
        for heard in self.on_death:
            heard()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()


def adopting(loop: asyncio.AbstractEventLoop, work: Any, **given: Any) -> asyncio.Task[Any]:
    """The loop's task factory: a task belongs to the process in whose context it is made."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **given)
    context = given.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.adopt(task)
    return task
