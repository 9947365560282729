"""A company's HTTP proxy, as small as it can be: takes absolute-form requests and forwards them, one a connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HEAD_BYTES_MAX = 64 * 1024
WAIT_S = 30.0


@dataclass
class Proxy:
    url: str
    targets: list[str] = field(default_factory=list)  # what it was asked for, in order


@contextmanager
def forward_proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(f"http://127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=_accept, args=(listener, proxy), daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which ends the thread


def _accept(listener: socket.socket, proxy: Proxy) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_forward, args=(client, proxy), daemon=True).start()


def _forward(client: socket.socket, proxy: Proxy) -> None:
    with client:
        client.settimeout(WAIT_S)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES_MAX:
            head += client.recv(65536)
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ")
        proxy.targets.append(target)
        where = urlsplit(target)
        # The origin is asked as a proxy asks it (RFC 9112 3.2.1), and to close, so that its end of file ends ours.
        fields = b"\r\n".join(
            field
            for field in rest.partition(b"\r\n\r\n")[0].split(b"\r\n")
            if not field.lower().startswith((b"connection:", b"proxy-connection:"))
        )
        origin_line = f"{method} {where.path} {version}\r\nConnection: close\r\n".encode("latin-1")
        with socket.create_connection((str(where.hostname), where.port or 80), WAIT_S) as origin:
            origin.sendall(origin_line + fields + b"\r\n\r\n" + head.partition(b"\r\n\r\n")[2])
            threading.Thread(target=_pump, args=(client, origin), daemon=True).start()
            _pump(origin, client)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return  # one side has gone; the other is closed by its owner
