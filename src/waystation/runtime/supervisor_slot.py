"""A worker's place on the port: a listening socket of its own, and the process that is kept on it."""

import socket
from collections.abc import Callable

from waystation.runtime.supervisor_place import address_of, listen_at
from waystation.runtime.supervisor_process import KeptProcess, Start


class Slot:
    """Slot `number` of a server. It is one of the supervisor's workers.

    The kernel gives each socket on the port its share of the new connections, whether anybody accepts them or not. So
    the socket outlives the process, whose successor finds the connections that came meanwhile; and it is closed when
    the process can't be kept or the server stops, so that its share goes to others, or is refused at once.

    `plan(number, listen_fd, ready_fd)` says how to start a worker; `on_ready(number, pid)` hears that it serves.
    """

    def __init__(
        self,
        number: int,
        listening: socket.socket,
        plan: Callable[[int, int, int], Start],
        tell: Callable[[str], None],
        on_ready: Callable[[int, int], None],
    ) -> None:
        self._listening = listening
        self._address = address_of(listening)
        self._kept = KeptProcess(
            f"gateway worker {number}",
            lambda ready_fd: plan(number, self._listening.fileno(), ready_fd),
            tell,
            lambda pid: on_ready(number, pid),
        )

    async def run(self) -> None:
        """Keep it running until `drain` or `kill`. Raises NeverReady, OSError; may be run again then."""
        if self._listening.fileno() < 0:
            self._listening = listen_at(self._address)
        try:
            await self._kept.run()
        finally:
            self._listening.close()

    async def ready(self) -> None:
        await self._kept.ready()

    @property
    def serves(self) -> bool:
        return self._kept.serves

    async def drain(self, seconds: float) -> None:
        """No more connections; those that are open have this long."""
        self._listening.close()
        await self._kept.drain(seconds)

    def kill(self) -> None:
        self._kept.kill()
