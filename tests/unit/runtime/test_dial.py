"""runtime/dial.py on real sockets: proxies, addresses that are judged, and how far a connection came."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest
import uvloop

from tests.unit.runtime.http_stand import QUICK, Line, Script, serving, whole
from tests.unit.runtime.proxy_stand import Asked, http_proxy, socks5_proxy
from tests.unit.runtime.tls_stand import AUTHORITY, server
from waystation.runtime.dial import Connect, Dialer, connect_directly, dialer
from waystation.runtime.dial_addresses import Guard
from waystation.runtime.http_client import HttpClient
from waystation.runtime.tls import client_context
from waystation.wire.http import ConnectFailed, Hop, Origin, TimedOut, Timeouts

Loop = Callable[[Awaitable[None]], None]
KINDS = ["http", "https", "socks5", "socks5h"]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Loop:
    runner: Loop = request.param
    return runner


async def ok(line: Line) -> None:
    while True:
        await line.request()
        await line.say(whole(b"ok"))


def proxy_of(kind: str, origin: Origin, asked: Asked, login: str | None = None) -> Script:
    return (http_proxy if kind.startswith("http") else socks5_proxy)(origin, asked, login=login)


def url_of(kind: str, port: int, login: str = "") -> str:
    return f"{kind}://{login}localhost:{port}"


async def ask(origin: Origin, connect: Connect, timeouts: Timeouts = QUICK) -> bytes:
    http = HttpClient(tls=client_context(AUTHORITY), connect=connect)
    try:
        return await (await http.request(origin, "GET", "/", (), b"", timeouts)).read(10)
    finally:
        await http.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
def test_calls_go_through_a_proxy_of_each_kind(run: Loop, kind: str, scheme: str) -> None:
    async def story() -> None:
        asked = Asked()
        async with serving(ok, ssl=server("good") if scheme == "https" else None) as there:
            origin = Origin("https" if scheme == "https" else "http", "localhost", there.origin.port)
            over_tls = server("good") if kind == "https" else None
            async with serving(proxy_of(kind, origin, asked), ssl=over_tls) as proxy:
                connect = dialer(url_of(kind, proxy.origin.port), proxy_tls=client_context(AUTHORITY))
                http = HttpClient(tls=client_context(AUTHORITY), connect=connect)
                for _ in range(3):
                    assert await (await http.request(origin, "GET", "/", (), b"", QUICK)).read(10) == b"ok"
                (connection,) = http._pools[origin].connections
                carrier = connection.transport.get_extra_info("socket")
                assert carrier.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert len(there.lines) == len(proxy.lines) == 1  # the tunnel is used again
                await http.close()
        host = "127.0.0.1" if kind == "socks5" else "localhost"  # whose names are resolved here
        assert asked.targets == [f"{host}:{origin.port}"]

    run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_gets_its_login_and_says_when_it_is_wrong(run: Loop, kind: str) -> None:
    async def story() -> None:
        asked = Asked()
        async with serving(ok) as there:
            over_tls = server("good") if kind == "https" else None
            async with serving(proxy_of(kind, there.origin, asked, "me:s3cret:%"), ssl=over_tls) as proxy:
                port, trust = proxy.origin.port, client_context(AUTHORITY)
                good = dialer(url_of(kind, port, "me:s3cret%3A%25@"), proxy_tls=trust)
                assert await ask(there.origin, good) == b"ok"
                assert asked.logins == ["me:s3cret:%"]
                for login in ("", "me:wr0ng@"):
                    with pytest.raises(ConnectFailed, match="proxy") as caught:
                        await ask(there.origin, dialer(url_of(kind, port, login), proxy_tls=trust))
                    assert (caught.value.hop, caught.value.reason) == ("proxy", "proxy_auth")
                    assert "wr0ng" not in str(caught.value)

    run(story())


async def deaf(line: Line) -> None:
    await line.gone()


async def rude(line: Line) -> None:
    await line.reader.read(1)


async def no_tls(line: Line) -> None:
    await line.reader.read(10)
    await line.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await line.gone()


async def talks_on(line: Line) -> None:
    await line.reader.readuntil(b"\r\n\r\n")
    await line.say(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")
    await line.gone()


async def endless(line: Line) -> None:
    await line.say(b"HTTP/1.1 200 OK\r\n")
    while True:
        await line.say(b"x: " + b"y" * 4000 + b"\r\n")


@pytest.mark.parametrize(
    ("kind", "script", "reason"),
    [
        ("http", rude, "broke_off"),
        ("socks5h", rude, "broke_off"),
        ("https", rude, "broke_off"),
        ("https", no_tls, "no_tls"),
        ("http", talks_on, "other"),
        ("http", endless, "broke_off"),
    ],
)
def test_a_proxy_that_misbehaves_is_named(run: Loop, kind: str, script: Script, reason: str) -> None:
    async def story() -> None:
        async with serving(script) as proxy:
            with pytest.raises(ConnectFailed) as caught:
                await ask(Origin("http", "there.example", 80), dialer(url_of(kind, proxy.origin.port)))
            assert caught.value.hop == "proxy"
            assert caught.value.reason == reason

    run(story())


@pytest.mark.parametrize("kind", ["http", "https", "socks5h"])
def test_a_silent_proxy_is_within_the_time_to_connect_and_is_let_go(run: Loop, kind: str) -> None:
    async def story() -> None:
        async with serving(deaf) as proxy:
            connect = dialer(url_of(kind, proxy.origin.port))
            with pytest.raises(TimedOut) as caught:
                await ask(Origin("http", "there.example", 80), connect, Timeouts(connect_s=0.05))
            assert caught.value.stage == "connect"
            await asyncio.wait_for(asyncio.gather(*proxy.tasks), 1)

    run(story())


def test_a_proxy_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for url in (f"http://127.0.0.1:{unused.getsockname()[1]}", "socks5h://nowhere.invalid"):
            with pytest.raises(ConnectFailed, match="proxy") as caught:
                asyncio.run(ask(Origin("http", "there.example", 80), dialer(url)))
            assert (caught.value.hop, caught.value.reason) == ("proxy", "proxy_unreachable")


@pytest.mark.parametrize("name", ["wrong-host", "expired", "self-signed"])
def test_the_certificate_is_checked_inside_the_tunnel(run: Loop, name: str) -> None:
    async def story() -> None:
        async with serving(ok, ssl=server(name)) as there:
            origin = Origin("https", "localhost", there.origin.port)
            async with serving(http_proxy(origin, Asked())) as proxy:
                with pytest.raises(ConnectFailed) as caught:
                    await ask(origin, dialer(url_of("http", proxy.origin.port)))
                assert caught.value.hop == "tls"
                await asyncio.wait_for(asyncio.gather(*proxy.tasks), 1)  # the tunnel is let go

    run(story())


def test_the_plain_way_is_the_loops_own() -> None:
    assert dialer() is connect_directly
    assert dialer(None, allow_private=False) is not connect_directly


@pytest.mark.parametrize("connect", [connect_directly, Dialer(None, None)], ids=["at_once", "step_by_step"])
def test_a_direct_fault_says_whether_it_was_dns_or_the_host(run: Loop, connect: Connect) -> None:
    async def story() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            faults: list[tuple[Hop, str]] = []
            for origin in (
                Origin("http", "nowhere.invalid", 80),
                Origin("http", "127.0.0.1", unused.getsockname()[1]),
                Origin("https", "127.0.0.1", unused.getsockname()[1]),
            ):
                with pytest.raises(ConnectFailed) as caught:
                    await ask(origin, connect)
                faults.append((caught.value.hop, caught.value.reason))
        assert faults == [("dns", "unknown_host"), ("connect", "refused"), ("connect", "refused")]

    run(story())


class Names:
    """A DNS that changes its mind: the first answer is harmless, every other one leads inside."""

    def __init__(self, first: str) -> None:
        self.answers = [first]
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return [self.answers.pop() if self.answers else "10.0.0.1"]


def test_the_address_that_was_judged_is_the_one_that_is_dialled(run: Loop) -> None:
    async def story() -> None:
        async with serving(ok) as there:
            names = Names("127.0.0.1")
            connect = Dialer(None, Guard(("127.0.0.0/8",)), ask=names)
            assert await ask(Origin("http", "rebinds.example", there.origin.port), connect) == b"ok"
            assert names.asked == 1
            assert b"host: rebinds.example:" in there.lines[0].requests[0]
            with pytest.raises(ConnectFailed) as caught:
                await ask(Origin("http", "rebinds.example", there.origin.port), connect)
            assert (caught.value.hop, caught.value.reason) == ("dns", "not_public")

    run(story())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "::1", "::ffff:127.0.0.1", "0"])
def test_a_guarded_client_reaches_nothing_private(host: str) -> None:
    async def story() -> None:
        async with serving(ok) as there:
            with pytest.raises(ConnectFailed) as caught:
                await ask(Origin("http", host, there.origin.port), dialer(allow_private=False))
            assert (caught.value.hop, caught.value.reason) == ("dns", "not_public")
            assert there.lines == []

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
def test_a_proxy_is_no_way_around_that(kind: str) -> None:
    async def story() -> None:
        asked = Asked()
        async with serving(ok) as there, serving(proxy_of(kind, there.origin, asked)) as proxy:
            connect = dialer(url_of(kind, proxy.origin.port), allow_private=False)
            for host in ("127.0.0.1", "localhost", "127.1"):
                with pytest.raises(ConnectFailed) as caught:
                    await ask(Origin("http", host, there.origin.port), connect)
                assert caught.value.reason == "not_public"
            assert asked.targets == []
            if kind != "socks5":
                assert await ask(Origin("http", "there.example", there.origin.port), connect) == b"ok"

    asyncio.run(story())


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def story() -> None:
        async def ask_names(host: str, port: int) -> Sequence[str]:
            return ["127.0.0.2", "127.0.0.3", "127.0.0.1"]

        async with serving(ok) as there:
            connect = Dialer(None, None, ask=ask_names)
            assert await ask(Origin("http", "there.example", there.origin.port), connect) == b"ok"

    asyncio.run(story())


def test_a_cancelled_dial_leaves_nothing_behind(run: Loop) -> None:
    async def story() -> None:
        async with serving(deaf) as proxy:
            connect = dialer(url_of("http", proxy.origin.port))
            call = asyncio.create_task(ask(Origin("http", "there.example", 80), connect))
            while not proxy.lines:
                await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.wait_for(asyncio.gather(*proxy.tasks), 1)

    run(story())
