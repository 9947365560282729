"""Which addresses are public, and the one resolution that is both judged and dialled, so that no second answer can differ."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from waystation.wire.http import ConnectFailed

ADDRESSES_MAX = 4
"""Of a name, how many are tried."""
NAME_CHARS_MAX = 253

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) → its addresses, the best first. Raises OSError."""

# Source: the IANA special-purpose address registries for IPv4 and IPv6. Not Python's `is_global`, which changes with its version.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; clouds put their metadata services here too
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's own service for its guests, on an address that looks public
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could mean this address. Of a form that carries an IPv4 address, that one counts."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address in _SIX_TO_FOUR:
        return is_public(IPv4Address(int(address) >> 80 & 0xFFFF_FFFF))
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)


async def resolve(host: str, port: int) -> list[str]:
    """The system's answer, an address once."""
    return _addresses(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


class OwnThreads:
    """Resolves in threads of its own: names whose servers never answer hold up nobody else's. To be closed."""

    def __init__(self, threads: int, name: str) -> None:
        self._closed = False
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def __call__(self, host: str, port: int) -> list[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        if self._closed:
            raise OSError("nothing is resolved any more")
        return _addresses(await asyncio.get_running_loop().run_in_executor(self._threads, ask))

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(found: Sequence[tuple[Any, ...]]) -> list[str]:
    return list(dict.fromkeys(str(place[4][0]) for place in found))


class Guard:
    """Lets connections go to public addresses and to those of `networks` alone."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises ValueError for what is no network in CIDR form."""
        self._networks: tuple[Network, ...] = tuple(ipaddress.ip_network(network) for network in networks)

    def allows(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return is_public(address) or any(address in network for network in self._networks)

    def allows_name(self, host: str) -> bool:
        """Whether a proxy may be asked for this host, which it resolves itself: all that is seen here is the name."""
        if is_address(host):
            return self.allows(host)
        name = host.rstrip(".").lower()
        # A last label of digits is no name but an address in an old form ("127.1", "0x7f.1"), which a proxy may read.
        last = name.rpartition(".")[2]
        return name != "localhost" and last != "localhost" and not (last[:1].isdigit() or last == "")


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def addresses_of(host: str, port: int, guard: Guard | None, ask: Resolve = resolve) -> list[str]:
    """The addresses to dial, at most ADDRESSES_MAX. Raises ConnectFailed: the name is not known, or one is not allowed."""
    where = f"{host}:{port}"
    try:
        found = list(await ask(host, port))[:ADDRESSES_MAX] if len(host) <= NAME_CHARS_MAX else []
    except (OSError, UnicodeError) as error:
        raise ConnectFailed(
            f"{where}: DNS does not know the name ({error})", hop="dns", reason="unknown_host"
        ) from error
    if not found:
        raise ConnectFailed(f"{where}: DNS knows no address of the name", hop="dns", reason="unknown_host")
    if guard is not None:
        for address in found:
            if not guard.allows(address):
                raise ConnectFailed(f"{where}: {address} is no public address", hop="dns", reason="not_public")
    return found
