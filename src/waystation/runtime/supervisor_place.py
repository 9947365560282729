"""What a server has alone: its address and its data folder. Taken at start, given back at the end."""

import contextlib
import errno
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any, NamedTuple, Self

BACKLOG = 2048
LOCK_FILE = "lock"
SERVER_FILE = "server.json"


class Taken(Exception):
    """Somebody else has the address or the data folder, or it can't be had. The text is for who started the server."""


class Address(NamedTuple):
    """What a socket is bound to, as `socket.socket` and `bind` take it."""

    family: int
    kind: int
    protocol: int
    name: Any


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """Listening sockets on one address, between which the kernel shares out the connections. Raises Taken.

    Each is for one worker, and its successor inherits it, so that a restart refuses nobody.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
    except OSError as error:
        raise Taken(f"The host {host!r} is unknown: {error.strerror or error}.") from None
    bound: list[socket.socket] = []
    try:
        _refuse_if_taken(family, kind, address)
        bound.append(listen_at(Address(family, kind, protocol, address)))
        while len(bound) < count:
            bound.append(listen_at(address_of(bound[0])))  # the port is chosen now
    except OSError as error:
        for each in bound:
            each.close()
        if error.errno == errno.EADDRINUSE:
            raise Taken(
                f"Port {port} on {host} is in use. Choose another with --port, or --port 0 for a free one."
            ) from None
        if error.errno == errno.EACCES:
            raise Taken(
                f"Port {port} needs rights that this user doesn't have. Choose one above 1023 with --port."
            ) from None
        raise Taken(f"Can't listen on {host} port {port}: {error.strerror}.") from None
    return bound


def address_of(listening: socket.socket) -> Address:
    return Address(listening.family, listening.type, listening.proto, listening.getsockname())


def listen_at(address: Address) -> socket.socket:
    """One more socket on an address that this process has. Raises OSError."""
    bound = socket.socket(address.family, address.kind, address.protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address.name)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def _refuse_if_taken(family: int, kind: int, address: Any) -> None:
    """With SO_REUSEPORT a second server would get half of the calls instead of an error: try without it first."""
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


class DataFolder:
    """The data folder of one server: locked while it runs, with a file that tells the commands where it answers."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Raises Taken when another server has it. The kernel gives the lock back however this process ends."""
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(lock)
            raise Taken(
                f"Another server (process {pid}) uses the data folder {folder}. Stop it, or name another with --data."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return cls(folder, lock)

    def announce(self, told: dict[str, Any]) -> None:
        """Write server.json, whole or not at all."""
        path = self.folder / SERVER_FILE
        new = path.with_suffix(".new")
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            json.dump(told, opened)
        new.replace(path)

    def give_back(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.folder / SERVER_FILE).unlink()
        os.close(self._lock)
