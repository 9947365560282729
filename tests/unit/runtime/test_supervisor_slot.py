"""A worker's place on the port: its socket outlives the worker, and is given up when there can't be one."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from waystation.runtime import supervisor_process
from waystation.runtime.supervisor_place import listen
from waystation.runtime.supervisor_process import NeverReady, Start
from waystation.runtime.supervisor_slot import Slot

# Accepts on the descriptor that it was given, and says who it is.
ANSWERS = (
    "import os, socket;"
    "listening = socket.socket(fileno=int(os.environ['LISTEN']));"
    "listening.setblocking(True);"
    "os.write(int(os.environ['READY']), b'ready\\n');"
    "[c.sendall(b'%d' % os.getpid()) or c.close() for c, _ in iter(listening.accept, None)]"
)


class Place:
    """A slot with what it said."""

    def __init__(self, listening: socket.socket, code: str) -> None:
        self.code = code
        self.told: list[str] = []
        self.pids: list[int] = []
        self.slot = Slot(0, listening, self._plan, self.told.append, lambda _, pid: self.pids.append(pid))
        self.address = listening.getsockname()

    def _plan(self, number: int, listen_fd: int, ready_fd: int) -> Start:
        environ = {**os.environ, "READY": str(ready_fd), "LISTEN": str(listen_fd)}
        return Start((sys.executable, "-S", "-E", "-c", self.code), environ, (listen_fd,))

    async def ask(self) -> bytes:
        """What a new connection is answered."""
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*self.address), 5)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def running(place: Place) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(place.slot.run())
    try:
        yield task
    finally:
        place.slot.kill()
        await asyncio.gather(task, return_exceptions=True)


def test_a_connection_that_comes_between_two_lives_is_answered_by_the_successor() -> None:
    async def story() -> None:
        (listening,) = listen("127.0.0.1", 0)
        place = Place(listening, ANSWERS)
        async with running(place):
            await asyncio.wait_for(place.slot.ready(), 10)
            assert await place.ask() == b"%d" % place.pids[0]
            os.kill(place.pids[0], signal.SIGKILL)
            while not place.told:
                await asyncio.sleep(0.001)
            assert not place.slot.serves
            answered = await place.ask()
            assert len(place.pids) == 2
            assert answered == b"%d" % place.pids[1]

    asyncio.run(story())


def test_no_connection_is_taken_any_more_once_it_drains() -> None:
    async def story() -> None:
        (listening,) = listen("127.0.0.1", 0)
        place = Place(listening, ANSWERS)
        async with running(place) as task:
            await asyncio.wait_for(place.slot.ready(), 10)
            await place.slot.drain(10)
            await asyncio.wait_for(task, 5)
            with pytest.raises(ConnectionRefusedError):
                await place.ask()

    asyncio.run(story())


def test_who_can_not_be_kept_leaves_its_connections_to_others_and_may_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor_process, "PAUSE_FIRST_S", 0.001)
    monkeypatch.setattr(supervisor_process, "PAUSE_MOST_S", 0.001)

    async def story() -> None:
        first, second = listen("127.0.0.1", 0, 2)
        place = Place(first, "import sys; sys.exit(3)")
        with pytest.raises(NeverReady, match="gateway worker 0 died 5 times"):
            await place.slot.run()
        second.close()  # nobody else is there: so it would be seen if a socket had been left behind
        with pytest.raises(ConnectionRefusedError):
            await place.ask()
        place.code = ANSWERS
        async with running(place):
            assert await place.ask() == b"%d" % place.pids[0]

    asyncio.run(story())
