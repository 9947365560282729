"""runtime/http_clients.py: who shares a client, what becomes of one nobody has any more, and how far a connection comes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from tests.unit.runtime.http_stand import QUICK, Line, serving, whole
from tests.unit.runtime.proxy_stand import Asked, http_proxy, socks5_proxy
from tests.unit.runtime.tls_stand import AUTHORITY, file, server, showing
from waystation.providers.model import Tls
from waystation.runtime.http_clients import CLIENTS_MAX, Clients
from waystation.wire.http import ConnectFailed, Disconnected, Origin, TimedOut, Trace

Loop = Callable[[Awaitable[None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Loop:
    runner: Loop = request.param
    return runner


async def ok(line: Line) -> None:
    while True:
        await line.request()
        await line.say(whole(b"ok"))


def test_the_same_settings_are_the_same_client() -> None:
    clients = Clients()
    ways = [
        clients.for_(None, Tls(), True),
        clients.for_(None, Tls(), False),
        clients.for_("http://p:1", Tls(), True),
        clients.for_("http://p:2", Tls(), True),
        clients.for_(None, AUTHORITY, True),
        clients.for_(None, showing("client"), True),
    ]
    assert len(set(ways)) == len(ways)
    assert clients.for_(None, Tls(ca_file=file("authority")), True) is ways[4]
    assert clients.for_("http://p:1", Tls(), True) is ways[2]


def test_bad_settings_and_too_many_are_refused_in_words() -> None:
    clients = Clients()
    with pytest.raises(ValueError, match="proxy's URL"):
        clients.for_("proxy:80", Tls(), True)
    with pytest.raises(ValueError, match="ca_file"):
        clients.for_(None, Tls(ca_file="/nowhere"), True)
    for port in range(CLIENTS_MAX):
        clients.for_(f"http://p:{port}", Tls(), True)
    with pytest.raises(ValueError, match=str(CLIENTS_MAX)):
        clients.for_("http://q", Tls(), True)


def test_a_retired_client_ends_its_calls_and_keeps_nothing(run: Loop) -> None:
    go_on = asyncio.Event()

    async def slow(line: Line) -> None:
        await line.request()
        await line.say(whole(b"ok"))
        await line.request()
        await line.say(whole(b"whole")[:-1])
        await go_on.wait()
        await line.say(b"e")
        await line.gone()

    async def story() -> None:
        clients = Clients()
        kept, gone = clients.for_(None, Tls(), True), clients.for_("http://unused:1", Tls(), True)
        async with serving(slow) as there:
            await (await kept.request(there.origin, "GET", "/", (), b"", QUICK)).read(10)
            answer = await kept.request(there.origin, "GET", "/", (), b"", QUICK)
            clients.keep_only([gone])
            assert clients.for_("http://unused:1", Tls(), True) is gone
            assert clients.for_(None, Tls(), True) is not kept
            go_on.set()
            assert await answer.read(10) == b"whole"
            await asyncio.wait_for(asyncio.gather(*there.tasks), 1)  # the connection was not kept
            assert not kept.busy
        await clients.close()

    run(story())


def test_idle_connections_of_a_retired_client_are_closed_at_once(run: Loop) -> None:
    async def story() -> None:
        clients = Clients()
        client = clients.for_(None, Tls(), True)
        async with serving(ok) as there:
            for _ in range(2):  # who still has it can still call
                await (await client.request(there.origin, "GET", "/", (), b"", QUICK)).read(10)
                clients.retire(client)
                await asyncio.wait_for(asyncio.gather(*there.tasks), 1)
        await clients.close()

    run(story())


def test_closing_fails_what_is_under_way_also_at_retired_clients(run: Loop) -> None:
    async def silent(line: Line) -> None:
        await line.request()
        await line.gone()

    async def story() -> None:
        clients = Clients()
        async with serving(silent) as there:
            ways = [clients.for_(None, Tls(), True), clients.for_(None, AUTHORITY, True)]
            calls = [asyncio.create_task(way.request(there.origin, "GET", "/", (), b"", QUICK)) for way in ways]
            while not (len(there.lines) == 2 and all(line.requests for line in there.lines)):
                await asyncio.sleep(0)
            clients.retire(ways[0])
            await clients.close()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(end) for end in ended] == [Disconnected, Disconnected]
            with pytest.raises(ValueError, match="ways to connect"):
                clients.for_(None, Tls(), True)

    run(story())


def hops(trace: Trace) -> list[str]:
    assert all(step.ms >= 0 for step in trace.passed)
    return [step.hop for step in trace.passed] + ([f"not {trace.failed}"] if trace.fault is not None else [])


@pytest.mark.parametrize(
    ("certificate", "seen"),
    [
        ("good", ["dns", "connect", "tls"]),
        ("expired", ["dns", "connect", "not tls"]),
    ],
)
def test_a_trace_says_how_far_a_connection_comes(run: Loop, certificate: str, seen: list[str]) -> None:
    async def story() -> None:
        clients = Clients()
        async with serving(ok, ssl=server(certificate)) as there:
            origin = Origin("https", "localhost", there.origin.port)
            assert hops(await clients.trace(origin, None, AUTHORITY, True, 2.0)) == seen
            blocked = await clients.trace(origin, None, AUTHORITY, False, 2.0)
            assert hops(blocked) == ["not dns"]
            assert isinstance(blocked.fault, ConnectFailed)
            async with serving(http_proxy(origin, Asked())) as proxy:
                trace = await clients.trace(origin, f"http://localhost:{proxy.origin.port}", AUTHORITY, True, 2.0)
                assert hops(trace) == ["proxy", *seen[2:]]
            async with serving(socks5_proxy(origin, Asked(), reply=5)) as proxy:
                trace = await clients.trace(origin, f"socks5://localhost:{proxy.origin.port}", AUTHORITY, True, 2.0)
                assert hops(trace) == ["dns", "not proxy"]
        await clients.close()

    run(story())


def test_a_trace_that_takes_too_long_says_where_it_was(run: Loop) -> None:
    async def deaf(line: Line) -> None:
        await line.gone()

    async def story() -> None:
        clients = Clients()
        async with serving(deaf) as there:
            origin = Origin("https", "localhost", there.origin.port)
            trace = await clients.trace(origin, None, Tls(), True, 0.05)
            assert hops(trace) == ["dns", "connect", "not tls"]
            assert isinstance(trace.fault, TimedOut)
            proxy = f"http://localhost:{there.origin.port}"
            assert hops(await clients.trace(origin, proxy, Tls(), True, 0.05)) == ["not proxy"]
            await asyncio.wait_for(asyncio.gather(*there.tasks), 1)
        await clients.close()

    run(story())


def test_a_unix_socket_is_traced_too(run: Loop) -> None:
    async def story() -> None:
        clients = Clients()
        assert hops(await clients.trace(Origin("unix", "/nowhere/x", 0), None, Tls(), True, 1.0)) == ["not connect"]
        await clients.close()

    run(story())
