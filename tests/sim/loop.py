"""An event loop in which time is virtual: when everybody waits, the clock jumps to whoever wakes first. No threads."""

import asyncio
import contextvars
from asyncio import base_events
from collections.abc import Callable
from typing import Any

TICK_S = 1e-6  # so that what was done later also has a later time


class Stuck(Exception):
    """Everybody waits for somebody else."""


class VirtualLoop(base_events.BaseEventLoop):
    """Deterministic: callbacks run in the order in which they were asked for, timers in the order of their time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._clock_resolution = TICK_S

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """The selector's part: nothing ever happens outside, so waiting is jumping."""
        if timeout is None:
            raise Stuck("nobody will ever wake anybody")
        if timeout > 0:
            self._now += max(timeout, TICK_S)
        return []

    def _process_events(self, _events: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def run_in_executor(self, _executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """What the product gives to a thread is done at once, in the loop's next turn."""
        future = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except BaseException as error:
                future.set_exception(error)

        self.call_soon(work, context=contextvars.copy_context())
        return future


def run(main: Callable[[], Any]) -> Any:
    """Run a coroutine function to its end, and whoever is left after it to theirs."""
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)  # tasks of killed workers die with errors that nobody collects
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main())
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        asyncio.set_event_loop(None)
        loop.close()
