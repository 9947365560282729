"""Proxies: how one is configured, and what is said to it, as rules without a socket.

A handshake is a generator: it yields the bytes to send or a `Want`, and is sent what came. `dial_tunnel.py` obeys.
"""

import base64
import re
from collections.abc import Generator
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import msgspec

from waystation.terms import Secret
from waystation.wire.http import ConnectFailed, Reason

Kind = Literal["http", "https", "socks5", "socks5h"]
PORT_OF: dict[str, int] = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
PART_BYTES_MAX = 255
"""SOCKS has one byte for the length of a name, a user and a password."""
HEADS_MAX = 4
"""Interim answers before the one that counts."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")


class Want(NamedTuple):
    """So many bytes are to come next; None: a head, up to its blank line."""

    size: int | None


Handshake = Generator[bytes | Want, bytes, None]


class Proxy(msgspec.Struct, frozen=True):
    kind: Kind
    host: str
    port: int
    user: str | None = None
    password: Secret = Secret("")

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `http://user:password@host:port`, `https://`, `socks5://` (names are resolved here) or `socks5h://` (there).

        Raises ValueError, in words for who wrote it; as it may hold a password, the URL is not among them.
        """
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname or ""
        except ValueError:
            raise ValueError("the proxy's URL can't be read: its host or its port is malformed") from None
        if parts.scheme not in PORT_OF:
            raise ValueError("the proxy's URL begins with http://, https://, socks5:// or socks5h://")
        if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("the proxy's URL is a host and a port, with user:password@ in front of them if need be")
        try:
            host = host.encode("idna").decode("ascii") if not host.isascii() else host
        except UnicodeError:
            host = ""
        if not host or not all(letter.isalnum() or letter in "-._:%" for letter in host):
            raise ValueError("the host in the proxy's URL is no host name")
        user = unquote(parts.username) if parts.username is not None else None
        password = unquote(parts.password or "")
        kind: Kind = parts.scheme  # type: ignore[assignment]  # it is in PORT_OF
        _check_login(kind, user, password)
        return cls(kind, host, PORT_OF[kind] if port is None else port, user, Secret(password))

    @property
    def place(self) -> str:
        """For logs: without the login."""
        return f"proxy {self.kind}://{_bracketed(self.host)}:{self.port}"

    @property
    def resolves(self) -> bool:
        """It is given names, and finds their addresses itself."""
        return self.kind != "socks5"


def _check_login(kind: Kind, user: str | None, password: str) -> None:
    if user is None:
        return
    if not user:
        raise ValueError("the proxy's URL has an empty user")
    if kind in ("http", "https"):
        if ":" in user:
            raise ValueError("the user in the proxy's URL has a colon, which Basic authentication does not allow")
    elif len(user.encode()) > PART_BYTES_MAX or not 1 <= len(password.encode()) <= PART_BYTES_MAX:
        raise ValueError("SOCKS takes users and passwords of 1 to 255 bytes")


def connect_tunnel(proxy: Proxy, host: str, port: int) -> Handshake:
    """CONNECT (RFC 9110, 9.3.6), with Basic authentication if there is a login. Raises ConnectFailed."""
    target = f"{_bracketed(host)}:{port}"
    head = f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n"
    if proxy.user is not None:
        login = base64.b64encode(f"{proxy.user}:{proxy.password.reveal()}".encode()).decode("ascii")
        head += f"proxy-authorization: Basic {login}\r\n"
    yield f"{head}\r\n".encode("ascii")
    for _ in range(HEADS_MAX):
        answer = yield Want(None)
        match = _STATUS.match(answer)
        if match is None:
            raise ConnectFailed(f"{proxy.place}: its answer is not HTTP", hop="proxy", reason="proxy_refused")
        status = int(match[1])
        if status >= 200:
            break
    if not 200 <= status <= 299:
        raise _refused(proxy, target, status)


def _refused(proxy: Proxy, target: str, status: int) -> ConnectFailed:
    reason: Reason = "proxy_refused"
    words = "refused"
    if status == 407:
        reason = "proxy_auth"
        words = "wants a user and a password" if proxy.user is None else "does not accept the user and the password"
    elif status in (502, 503, 504):
        reason, words = "proxy_no_way", "could not reach it"
    elif status == 403:
        words = "does not allow it"
    elif status in (400, 405, 501):
        words = "knows no CONNECT for it"
    return ConnectFailed(f"{proxy.place} {words}: CONNECT {target} got {status}", hop="proxy", reason=reason)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
