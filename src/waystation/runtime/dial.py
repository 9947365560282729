"""How a connection to an origin comes about: directly, to a judged address, or through a proxy. See `http_client.py`."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from waystation.runtime.dial_addresses import Guard, Resolve, addresses_of, is_address, resolve
from waystation.runtime.dial_faults import connect_failed
from waystation.runtime.dial_tunnel import Tunnel
from waystation.runtime.http_connection import Connection
from waystation.runtime.proxy import Proxy, connect_tunnel
from waystation.runtime.proxy_socks5 import socks5_tunnel
from waystation.runtime.tls import client_context
from waystation.wire.http import ConnectFailed, Hop, Origin

ATTEMPT_S = 2.0
"""An address that is not the last has so long to answer; the whole has the call's own time-out."""

Connect = Callable[[Origin, Callable[[], Connection], ssl.SSLContext | None], Awaitable[None]]
"""Make a connection to an origin: TLS if a context is given. Raises OSError, ConnectFailed."""


async def connect_directly(origin: Origin, factory: Callable[[], Connection], tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    if origin.scheme == "unix":
        await loop.create_unix_connection(factory, origin.host)
    else:
        await loop.create_connection(factory, origin.host, origin.port, ssl=tls)


def dialer(proxy: str | None = None, *, allow_private: bool = True, proxy_tls: ssl.SSLContext | None = None) -> Connect:
    """The way to connect. `allow_private=False`: to public addresses alone. `proxy_tls` is for https:// proxies.

    A proxy is the administrator's word and may be anywhere. What resolves names itself (all but socks5://) is trusted
    to know which it may reach; addresses and `localhost` are still judged here.
    Raises ValueError for a proxy's URL that can't be read.
    """
    if proxy is None and allow_private:
        return connect_directly
    return Dialer(Proxy.parse(proxy) if proxy is not None else None, None if allow_private else Guard(), proxy_tls)


def _ignore(hop: Hop) -> None:
    pass


class Dialer:
    """Goes step by step, so that it knows which failed; `passed` is told of each that did not."""

    def __init__(
        self,
        proxy: Proxy | None,
        guard: Guard | None,
        proxy_tls: ssl.SSLContext | None = None,
        *,
        passed: Callable[[Hop], None] = _ignore,
        ask: Resolve = resolve,
    ) -> None:
        self._ask = ask
        self._guard = guard
        self._passed = passed
        self._proxy = proxy
        self._proxy_tls = proxy_tls

    async def __call__(
        self, origin: Origin, factory: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
    ) -> None:
        if origin.scheme == "unix":
            await asyncio.get_running_loop().create_unix_connection(factory, origin.host)
            return
        where = origin.authority
        tunnel = await (self._direct(origin) if self._proxy is None else self._through(self._proxy, origin))
        try:
            last: Hop = "connect" if self._proxy is None else "proxy"
            if tls is not None:
                await tunnel.start_tls(tls, origin.host, where)
                self._passed("tls")
                last = "tls"
            tunnel.hand_over(factory(), where, last)
        except BaseException:
            tunnel.close()
            raise

    async def _direct(self, origin: Origin) -> Tunnel:
        addresses = await addresses_of(origin.host, origin.port, self._guard, self._ask)
        self._passed("dns")
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    return await self._open(address, origin.port)
            except OSError:  # with TimeoutError: the next address may answer
                continue
        try:
            return await self._open(addresses[-1], origin.port)
        except OSError as error:
            raise connect_failed(error, origin.authority, tls=False) from error

    async def _open(self, address: str, port: int) -> Tunnel:
        _, tunnel = await asyncio.get_running_loop().create_connection(Tunnel, address, port)
        self._passed("connect")
        return tunnel

    async def _through(self, proxy: Proxy, origin: Origin) -> Tunnel:
        host = origin.host
        if not proxy.resolves:
            addresses = await addresses_of(host, origin.port, self._guard, self._ask)
            # One is asked for, and many proxies know no IPv6.
            host = next((address for address in addresses if ":" not in address), addresses[0])
        elif self._guard is not None and not self._guard.allows_name(host):
            raise ConnectFailed(f"{origin.authority}: no public address", hop="dns", reason="not_public")
        if not proxy.resolves or is_address(host):
            self._passed("dns")
        tunnel = await self._open_proxy(proxy)
        try:
            if proxy.kind == "https":
                await tunnel.start_tls(self._proxy_tls or client_context(), proxy.host, proxy.place, "proxy")
            say = connect_tunnel if proxy.kind in ("http", "https") else socks5_tunnel
            await tunnel.shake_hands(say(proxy, host, origin.port), proxy.place)
            self._passed("proxy")
        except BaseException:
            tunnel.close()
            raise
        return tunnel

    async def _open_proxy(self, proxy: Proxy) -> Tunnel:
        try:
            _, tunnel = await asyncio.get_running_loop().create_connection(Tunnel, proxy.host, proxy.port)
        except OSError as error:
            raise ConnectFailed(
                f"{proxy.place} can't be reached: {error}", hop="proxy", reason="proxy_unreachable"
            ) from error
        return tunnel
