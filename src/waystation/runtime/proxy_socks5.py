"""SOCKS5 (RFC 1928) with a user and a password (RFC 1929), as rules without a socket. See `proxy.py` for the form."""

import ipaddress

from waystation.runtime.proxy import PART_BYTES_MAX, Handshake, Proxy, Want
from waystation.wire.http import ConnectFailed, Reason

VERSION = 5
NO_LOGIN, LOGIN, NOTHING_SUITS = 0, 2, 0xFF
IPV4, NAME, IPV6 = 1, 3, 4

REPLIES: dict[int, tuple[str, Reason]] = {
    1: ("general failure", "proxy_refused"),
    2: ("its rules do not allow it", "proxy_refused"),
    3: ("network unreachable", "proxy_no_way"),
    4: ("host unreachable", "proxy_no_way"),
    5: ("connection refused", "proxy_no_way"),
    6: ("TTL expired", "proxy_no_way"),
    7: ("command not supported", "proxy_refused"),
    8: ("address type not supported", "proxy_refused"),
}


def socks5_tunnel(proxy: Proxy, host: str, port: int) -> Handshake:
    """Ask for a connection to `host`, a name or an address. Raises ConnectFailed."""
    target = _address(proxy, host) + port.to_bytes(2, "big")
    methods = bytes((NO_LOGIN,)) if proxy.user is None else bytes((NO_LOGIN, LOGIN))
    yield bytes((VERSION, len(methods))) + methods
    version, method = yield Want(2)
    _check_version(proxy, version)
    if method == LOGIN and proxy.user is not None:
        user, password = proxy.user.encode(), proxy.password.reveal().encode()
        yield b"\x01" + bytes((len(user),)) + user + bytes((len(password),)) + password
        _, status = yield Want(2)
        if status != 0:
            raise _fault(proxy, "does not accept the user and the password", "proxy_auth")
    elif method in (LOGIN, NOTHING_SUITS):
        if proxy.user is None:
            raise _fault(proxy, "wants a user and a password", "proxy_auth")
        raise _fault(proxy, "takes no user and password", "proxy_auth")
    elif method != NO_LOGIN:
        raise _fault(proxy, "chose a way to log in that it was not offered", "proxy_refused")
    yield bytes((VERSION, 1, 0)) + target
    version, reply, _, kind = yield Want(4)
    _check_version(proxy, version)
    if reply != 0:
        words, reason = REPLIES.get(reply, ("an unknown reply", "proxy_refused"))
        raise _fault(proxy, f"refused to connect to {host}:{port}: {words} ({reply})", reason)
    size = {IPV4: 4, IPV6: 16}.get(kind)
    if kind == NAME:
        size = (yield Want(1))[0]
    elif size is None:
        raise _fault(proxy, "answered with an unknown type of address", "proxy_refused")
    yield Want(size + 2)  # from where it connects: of no use


def _address(proxy: Proxy, host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        if len(name) > PART_BYTES_MAX:
            raise _fault(proxy, "takes no host name of more than 255 bytes", "proxy_refused") from None
        return bytes((NAME, len(name))) + name
    return bytes((IPV4 if address.version == 4 else IPV6,)) + address.packed


def _check_version(proxy: Proxy, version: int) -> None:
    if version != VERSION:
        raise _fault(proxy, "does not speak SOCKS5", "proxy_refused")


def _fault(proxy: Proxy, words: str, reason: Reason) -> ConnectFailed:
    return ConnectFailed(f"{proxy.place} {words}", hop="proxy", reason=reason)
