"""The certificates of `certificates/` (made by its make.sh, valid for a century), as servers and clients use them."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from waystation.providers.model import Tls

FOLDER = Path(__file__).with_name("certificates")


def file(name: str) -> str:
    return str(FOLDER / f"{name}.pem")


AUTHORITY = Tls(ca_file=file("authority"))
AUTHORITY_TEXT = Tls(ca_file=Path(file("authority")).read_text(encoding="ascii"))


def showing(name: str) -> Tls:
    """A client that trusts our authority and shows a certificate."""
    return Tls(ca_file=file("authority"), client_cert_file=file(name))


def server(name: str, *, wants_client: bool = False, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file(name))
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(file("authority"))
    if newest is not None:
        context.maximum_version = newest
    return context


@contextmanager
def blocking_server(context: ssl.SSLContext, said: bytes) -> Iterator[int]:
    """A server that says why it refuses a handshake, which asyncio's does not. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, said), daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which ends the thread
    thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, said: bytes) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        client.settimeout(5.0)
        with suppress(OSError), context.wrap_socket(client, server_side=True, do_handshake_on_connect=False) as line:
            try:
                line.do_handshake()
                if line.recv(65536):
                    line.sendall(said)
            except ssl.SSLError:
                # As servers do: what still comes is read, or a reset would overtake the alert.
                line.shutdown(socket.SHUT_WR)
                while socket.socket.recv(line, 65536):
                    pass
