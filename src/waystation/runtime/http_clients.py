"""The HTTP clients of all providers: those with the same proxy, TLS and reach share one, with its connections."""

import asyncio
import ssl
import time
from collections.abc import Iterable

from waystation.runtime.dial import Dialer, dialer
from waystation.runtime.dial_addresses import Guard
from waystation.runtime.http_client import HttpClient
from waystation.runtime.proxy import Proxy
from waystation.runtime.tls import TlsFiles, client_context, stamp
from waystation.wire.http import ConnectFailed, Hop, Origin, Step, TimedOut, Trace

CLIENTS_MAX = 256
"""Different ways to connect at once."""

Key = tuple[str | None, tuple[str | None, ...], tuple[int, ...], bool]


class Clients:
    """Belongs to one event loop, as its clients do."""

    def __init__(self) -> None:
        self._clients: dict[Key, HttpClient] = {}
        self._closed = False
        self._machine: ssl.SSLContext | None = None
        self._retired: set[HttpClient] = set()

    def for_(self, proxy: str | None, tls: TlsFiles, allow_private: bool) -> HttpClient:
        """The client of these settings. Raises ValueError, in words for who wrote them."""
        key = (proxy, _names(tls), stamp(tls), allow_private)
        client = self._clients.get(key)
        if client is None:
            if self._closed or len(self._clients) >= CLIENTS_MAX:
                raise ValueError(f"more than {CLIENTS_MAX} different ways to connect to providers, or none any more")
            connect = dialer(proxy, allow_private=allow_private, proxy_tls=self._proxy_tls(proxy, tls))
            client = self._clients[key] = HttpClient(tls=self._context(tls), connect=connect)
        return client

    def retire(self, client: HttpClient) -> None:
        """No provider has it any more. Calls under way go on; then its connections are gone."""
        for key, each in list(self._clients.items()):
            if each is client:
                del self._clients[key]
        client.retire()
        self._retired = {each for each in self._retired if each.busy}
        if client.busy:
            self._retired.add(client)

    def keep_only(self, used: Iterable[HttpClient]) -> None:
        """After a change of configuration: retire all but these."""
        wanted = set(used)
        for client in [each for each in self._clients.values() if each not in wanted]:
            self.retire(client)

    async def trace(
        self, origin: Origin, proxy: str | None, tls: TlsFiles, allow_private: bool, timeout_s: float
    ) -> Trace:
        """Connect step by step and hang up, to see how far it goes. Raises ValueError as `for_` does."""
        started = time.perf_counter()
        passed: list[Step] = []
        hops = hops_of(origin, proxy)

        def ms() -> int:
            return int((time.perf_counter() - started) * 1000) - sum(step.ms for step in passed)

        dial = Dialer(
            Proxy.parse(proxy) if proxy is not None else None,
            None if allow_private else Guard(),
            self._proxy_tls(proxy, tls),
            passed=lambda hop: passed.append(Step(hop, ms())),
        )
        visitors: list[_Visitor] = []

        def factory() -> asyncio.Protocol:
            visitors.append(_Visitor())
            return visitors[-1]

        context = self._context(tls) if origin.scheme == "https" else None
        try:
            async with asyncio.timeout(timeout_s):
                await dial(origin, factory, context)
        except TimeoutError:
            done = {step.hop for step in passed}
            failed: Hop = next((hop for hop in hops if hop not in done), hops[-1])
            return Trace(tuple(passed), TimedOut("connect", timeout_s), failed, ms())
        except ConnectFailed as fault:
            return Trace(tuple(passed), fault, fault.hop, ms())
        except OSError as error:  # of a unix socket
            return Trace(tuple(passed), ConnectFailed(f"{origin.authority}: {error}"), "connect", ms())
        finally:
            for visitor in visitors:
                visitor.leave()
        if origin.scheme == "unix":
            passed.append(Step("connect", ms()))
        return Trace(tuple(passed))

    async def close(self) -> None:
        """Close all of them, also those that are retired."""
        self._closed = True
        for client in (*self._clients.values(), *self._retired):
            await client.close()
        self._clients.clear()
        self._retired.clear()

    def _context(self, tls: TlsFiles) -> ssl.SSLContext:
        if any(name is not None for name in _names(tls)):
            return client_context(tls)
        if self._machine is None:
            self._machine = client_context()
        return self._machine

    def _proxy_tls(self, proxy: str | None, tls: TlsFiles) -> ssl.SSLContext | None:
        """An https:// proxy is trusted as its provider is: a company's authority signs both."""
        return self._context(tls) if proxy is not None and proxy.startswith("https:") else None


class _Visitor(asyncio.Protocol):
    """Hangs up as soon as it is connected."""

    def __init__(self) -> None:
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.close()


def hops_of(origin: Origin, proxy: str | None) -> tuple[Hop, ...]:
    """The hops to an origin that are ours to go, in their order. At a socks5h or HTTP proxy, names are not."""
    if origin.scheme == "unix":
        return ("connect",)
    way: tuple[Hop, ...] = ("dns", "connect")
    if proxy is not None:
        way = ("dns", "proxy") if proxy.startswith("socks5:") else ("proxy",)
    return (*way, "tls") if origin.scheme == "https" else way


def _names(tls: TlsFiles) -> tuple[str | None, ...]:
    return tls.ca_file, tls.client_cert_file, tls.client_key_file
