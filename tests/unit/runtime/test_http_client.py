"""runtime/http_client.py on real sockets: what a server does, and what the caller sees."""

import asyncio
import gzip
import socket
import ssl
import tempfile
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import uvloop

from tests.unit.runtime.http_stand import QUICK, Line, get, serving, whole
from waystation.runtime.http_client import HttpClient
from waystation.runtime.http_connection import BARREN_BYTES_MAX, BUFFER_BYTES_MAX
from waystation.wire.http import (
    BadAnswer,
    ConnectFailed,
    Disconnected,
    HttpFault,
    Origin,
    Response,
    TimedOut,
    Timeouts,
    encode_headers,
)

SIZE_MAX = 10_000_000
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    """Both loops keep every promise."""
    runner: Callable[[Awaitable[None]], None] = request.param
    return runner


def says(*pieces: bytes, end: bool = False) -> Callable[[Line], Awaitable[None]]:
    """A server that answers every request with these pieces, and then closes the connection if `end`."""

    async def script(line: Line) -> None:
        while True:
            await line.request()
            for piece in pieces:
                await line.say(piece)
                await asyncio.sleep(0.002)
            if end:
                return

    return script


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((whole(b"hello"),), b"hello"),
        ((whole(b"hello")[:20], whole(b"hello")[20:40], whole(b"hello")[40:]), b"hello"),
        ((whole(b""),), b""),
        ((CHUNKED + b"5\r\nhel", b"lo\r\n1;x=y\r\n!\r\n0\r\n\r\n"), b"hello!"),
        ((CHUNKED + b"2\r\nhi\r\n0\r\nx-trailer: 1\r\n\r\n",), b"hi"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + whole(b"hi")), b"hi"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        ((b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",), b"hi"),
        ((b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",), b""),
    ],
)
def test_answers_are_read_and_their_connection_is_used_again(
    run: Callable[[Awaitable[None]], None], pieces: tuple[bytes, ...], body: bytes
) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(*pieces)) as server:
            for _ in range(3):
                answer = await get(http, server)
                assert b"link" not in answer.headers
                assert await answer.read(100) == body
                answer.close()
                answer = await get(http, server)
                assert b"".join([piece async for piece in pieces_of(answer)]) == body
            assert len(server.lines) == 1
        await http.close()

    run(story())


async def pieces_of(answer: Response) -> AsyncGenerator[bytes]:
    try:
        while piece := await answer.next():
            yield piece
    finally:
        answer.close()


async def read_at_most(answer: Response, size_max: int) -> None:
    """Read piece by piece, as a stream's reader with a bound of its own would."""
    size = 0
    async with aclosing(pieces_of(answer)) as pieces:
        async for piece in pieces:
            size += len(piece)
            if size > size_max:
                raise BadAnswer("the reader's own bound")


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
        (whole(b"hi") + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", b"hi"),
        (whole(b"hi") + b"HTT", b"hi"),
        (whole(b"hi") + b" there", b"hi"),  # longer than its content-length
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
    ],
)
def test_a_connection_with_anything_odd_about_it_is_not_used_again(
    run: Callable[[Awaitable[None]], None], said: bytes, body: bytes
) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(said, end=b"\r\n\r\nto" in said)) as server:
            for _ in range(2):
                assert await (await get(http, server)).read(100) == body
            assert len(server.lines) == 2
        await http.close()

    run(story())


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ((b"<html>no</html>",), BadAnswer),
        ((b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nhi",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",), BadAnswer),
        ((b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",), BadAnswer),
        ((CHUNKED + b"zz\r\n",), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\nx: " + b"y" * (BARREN_BYTES_MAX + 10) + b"\r\ncontent-length: 0\r\n\r\n",), BadAnswer),
        ((b"HTTP/1.1 103 Early Hints\r\nx: 1234567890\r\n\r\n" * 2000, whole(b"x")), BadAnswer),
        ((CHUNKED + b"1\r\na\r\n0\r\n", b"x-trailer: " + b"y" * 2 * BARREN_BYTES_MAX), BadAnswer),
        ((whole(b"x" * 101),), BadAnswer),
        ((CHUNKED + b"65\r\n" + b"x" * 101,), BadAnswer),
        ((b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nhi",), BadAnswer),
        ((b"",), Disconnected),
        ((b"HTTP/1.1 200 O",), Disconnected),
        ((whole(b"hello")[:-1],), Disconnected),
        ((CHUNKED + b"5\r\nhello\r\n",), Disconnected),
    ],
)
def test_what_is_no_whole_answer_is_a_fault(
    run: Callable[[Awaitable[None]], None], said: tuple[bytes, ...], fault: type[HttpFault]
) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(*said, end=True)) as server:
            with pytest.raises(fault):
                await (await get(http, server)).read(100)
            with pytest.raises(fault):
                await read_at_most(await get(http, server), 100)
            await asyncio.sleep(0.01)  # until the server's end has been seen
        assert not any(pool.connections for pool in http._pools.values())
        await http.close()

    run(story())


def test_what_came_before_a_fault_can_still_be_read(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(CHUNKED + b"5\r\nhello\r\n", end=True)) as server:
            answer = await get(http, server)
            await asyncio.sleep(0.02)
            assert await answer.next() == b"hello"
            with pytest.raises(Disconnected) as caught:
                await answer.next()
            assert not caught.value.before_head
        await http.close()

    run(story())


def test_a_request_is_one_whole_message(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(whole(b"ok"))) as server:
            block = encode_headers([("authorization", "Bearer x")])
            for headers, body in ((block, b"{}"), ([("authorization", "Bearer x")], b"y" * 300_000)):
                answer = await http.request(server.origin, "POST", "/v1/x?y=1", headers, body, QUICK)
                assert await answer.read(10) == b"ok"
            await (await http.request(server.origin, "GET", "/m", (), b"", QUICK)).read(10)
            small, large, get_ = server.lines[0].requests
            host = server.origin.authority.encode()
            head = b"POST /v1/x?y=1 HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\nauthorization: Bearer x\r\n"
            assert small == head % host + b"content-length: 2\r\n\r\n{}"
            assert large == head % host + b"content-length: 300000\r\n\r\n" + b"y" * 300_000
            assert get_ == b"GET /m HTTP/1.1\r\nhost: %b\r\naccept-encoding: identity\r\n\r\n" % host
        await http.close()

    run(story())


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [("GET\r\n", "/", ()), ("GET", "/\r\nx: y", ()), ("GET", "/", [("x", "a\r\nb: c")]), ("GET", "/ HTTP/1.1", ())],
)
def test_nothing_can_be_smuggled_into_a_request(method: str, target: str, headers: list[tuple[str, str]]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(whole(b"ok"))) as server:
            with pytest.raises(ValueError, match=r".+"):
                await http.request(server.origin, method, target, headers, b"", QUICK)
            assert server.lines == []
        await http.close()

    asyncio.run(story())


def test_head_has_no_body(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")) as server:
            answer = await get(http, server, method="HEAD")
            assert answer.headers[b"content-length"] == b"5"
            assert await answer.read(10) == b""
        await http.close()

    run(story())


def test_repeated_headers_are_joined() -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(whole(b"", b"X-A: 1\r\nx-a: 2\r\n"))) as server:
            assert (await get(http, server)).headers[b"x-a"] == b"1, 2"
        await http.close()

    asyncio.run(story())


def test_a_reused_connection_that_the_server_let_go_is_replaced_once(run: Callable[[Awaitable[None]], None]) -> None:
    async def one_each(line: Line) -> None:
        await line.request()
        await line.say(whole(b"ok"))
        await line.request()  # and says nothing

    async def story() -> None:
        http = HttpClient()
        async with serving(one_each) as server:
            for _ in range(3):
                assert await (await get(http, server)).read(10) == b"ok"
            assert len(server.lines) == 3
        await http.close()

    run(story())


def test_a_fresh_connection_that_says_nothing_is_a_fault(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(end=True)) as server:
            with pytest.raises(Disconnected) as caught:
                await get(http, server)
            assert caught.value.before_head
            assert len(server.lines) == 1
        await http.close()

    run(story())


def test_a_request_is_tried_again_once_and_the_fault_of_the_fresh_connection_is_told(
    run: Callable[[Awaitable[None]], None],
) -> None:
    async def story() -> None:
        http = HttpClient()
        answers = [whole(b"ok")]

        async def dying(line: Line) -> None:
            await line.request()
            if answers:
                await line.say(answers.pop())
                await line.request()

        async with serving(dying) as server:
            assert await (await get(http, server)).read(10) == b"ok"
            with pytest.raises(Disconnected) as caught:
                await get(http, server)
            assert caught.value.before_head
            assert [len(line.requests) for line in server.lines] == [2, 1]
        await http.close()

    run(story())


def test_a_byte_on_an_idle_connection_ends_it(run: Callable[[Awaitable[None]], None]) -> None:
    async def poisoned(line: Line) -> None:
        await line.request()
        await line.say(whole(b"ok"))
        await asyncio.sleep(0.005)
        await line.say(whole(b"poison"))
        await line.gone()

    async def story() -> None:
        http = HttpClient()
        async with serving(poisoned) as server:
            for _ in range(2):
                assert await (await get(http, server)).read(10) == b"ok"
                await asyncio.sleep(0.02)
            assert len(server.lines) == 2
        await http.close()

    run(story())


async def silent(line: Line) -> None:
    await line.request()
    await line.gone()


async def silent_after_head(line: Line) -> None:
    await line.request()
    await line.say(CHUNKED)
    await line.gone()


async def silent_after_piece(line: Line) -> None:
    await line.request()
    await line.say(CHUNKED)
    await asyncio.sleep(0.005)
    await line.say(b"1\r\na\r\n")
    await line.gone()


async def dripping(line: Line) -> None:
    await line.request()
    await line.say(CHUNKED)
    while True:
        await line.say(b"1\r\na\r\n")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("whole_body", [True, False])
@pytest.mark.parametrize(
    ("script", "timeouts", "stage"),
    [
        (silent, Timeouts(first_byte_s=0.05), "first_byte"),
        (silent, Timeouts(total_s=0.05), "total"),
        (silent_after_head, Timeouts(first_byte_s=0.05, idle_s=0.01), "first_byte"),
        (silent_after_piece, Timeouts(first_byte_s=0.05, idle_s=0.05), "idle"),
        (dripping, Timeouts(total_s=0.1, idle_s=0.05), "total"),
    ],
)
def test_each_silence_has_its_time_out(
    run: Callable[[Awaitable[None]], None],
    script: Callable[[Line], Awaitable[None]],
    timeouts: Timeouts,
    stage: str,
    whole_body: bool,
) -> None:
    async def story() -> None:
        http = HttpClient(tick_s=0.01)
        async with serving(script) as server:

            async def call() -> None:
                answer = await get(http, server, timeouts)
                if whole_body:
                    await answer.read(SIZE_MAX)
                await read_at_most(answer, SIZE_MAX)

            with pytest.raises(TimedOut) as caught:
                await call()
            assert caught.value.stage == stage
        assert not any(pool.connections for pool in http._pools.values())
        await http.close()

    run(story())


def test_no_connection_is_a_fault_and_so_is_a_slow_one() -> None:
    async def never(origin: Origin, factory: object, tls: object) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            closed = Origin("http", "127.0.0.1", unused.getsockname()[1])
            http = HttpClient()
            with pytest.raises(ConnectFailed):
                await http.request(closed, "GET", "/", (), b"", QUICK)
            with pytest.raises(ConnectFailed):
                await http.request(Origin("unix", "/nowhere/x", 0), "GET", "/", (), b"", QUICK)
            await http.close()
            slow = HttpClient(connect=never)
            with pytest.raises(TimedOut) as caught:
                await slow.request(closed, "GET", "/", (), b"", Timeouts(connect_s=0.02))
            assert caught.value.stage == "connect"
            await slow.close()

    asyncio.run(story())


def test_a_cancelled_call_closes_its_connection(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        for script in (silent, silent_after_head, silent_after_piece):
            async with serving(script) as server:

                async def call() -> None:
                    answer = await get(http, server)
                    while await answer.next():
                        pass

                task = asyncio.create_task(call())
                await asyncio.sleep(0.02)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.wait_for(asyncio.gather(*server.tasks), 1)
        assert not any(pool.connections for pool in http._pools.values())
        await http.close()

    run(story())


def test_a_closed_answer_cancels_upstream_and_a_late_close_hits_nobody(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(silent_after_piece) as server:
            answer = await get(http, server)
            answer.close()
            await asyncio.wait_for(asyncio.gather(*server.tasks), 1)
            with pytest.raises(Disconnected):
                await answer.next()
        async with serving(says(whole(b"ok"), b"")) as server:
            first = await get(http, server)
            await first.read(10)
            second_call = asyncio.create_task(get(http, server))
            await asyncio.sleep(0)
            first.close()
            assert await (await second_call).read(10) == b"ok"
            assert len(server.lines) == 1
        await http.close()

    run(story())


@pytest.mark.parametrize(
    ("rest", "kept"), [((b"0\r\n\r\n",), True), ((b"ffff\r\n" + b"x" * 65535,), False), ((), False)]
)
def test_a_drained_answer_keeps_its_connection_only_if_the_end_comes(
    run: Callable[[Awaitable[None]], None], rest: tuple[bytes, ...], kept: bool
) -> None:
    async def story() -> None:
        http = HttpClient(tick_s=0.01)
        async with serving(says(CHUNKED + b"2\r\nhi\r\n", *rest)) as server:
            answer = await get(http, server)
            assert await answer.next() == b"hi"
            answer.drain()
            answer.close()
            if not rest:
                next(iter(http._pools[server.origin].connections)).deadline = 0.0  # the moment is over
            await asyncio.sleep(0.03)
            (await get(http, server)).close()
            assert len(server.lines) == (1 if kept else 2)
        await http.close()

    run(story())


def test_a_slow_reader_slows_the_server(run: Callable[[Awaitable[None]], None]) -> None:
    total = 8_000_000

    async def flood(line: Line) -> None:
        while True:
            await line.request()
            await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
            for _ in range(total // 8000):
                await line.say(b"x" * 8000)

    async def story() -> None:
        http = HttpClient()
        async with serving(flood) as server:
            answer = await get(http, server)
            await asyncio.sleep(0.05)
            size = len(await answer.next())
            assert size <= 3 * BUFFER_BYTES_MAX
            while piece := await answer.next():
                size += len(piece)
            assert size == total
            assert len(await (await get(http, server)).read(total)) == total
        await http.close()

    run(story())


def test_no_more_connections_than_allowed_and_first_come_first_served(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient(connections_max=2)
        order: list[int] = []
        async with serving(says(b"", whole(b"ok"))) as server:

            async def call(number: int) -> None:
                assert await (await get(http, server)).read(10) == b"ok"
                order.append(number)

            await asyncio.gather(*(call(number) for number in range(12)))
            assert all(abs(place - number) <= 1 for place, number in enumerate(order))  # there are two lines
            assert len(server.lines) == 2
        await http.close()

    run(story())


def test_who_leaves_the_queue_takes_no_connection_along(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient(connections_max=1)
        async with serving(says(b"", whole(b"ok"))) as server:

            async def call() -> None:
                await (await get(http, server)).read(10)

            for _ in range(20):
                tasks = [asyncio.create_task(call()) for _ in range(6)]
                await asyncio.sleep(0.003)
                for task in tasks[::2]:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.wait_for(call(), 1)
            pool = http._pools[server.origin]
            assert len(pool.connections) == 1
            assert pool._dialling == 0
            assert not pool._queue
        await http.close()

    run(story())


def test_a_waiting_call_times_out_as_a_connection_would() -> None:
    async def story() -> None:
        http = HttpClient(connections_max=1)
        async with serving(silent) as server:
            first = asyncio.create_task(get(http, server))
            await asyncio.sleep(0.01)
            with pytest.raises(TimedOut):
                await get(http, server, Timeouts(connect_s=0.02))
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await http.close()

    asyncio.run(story())


def test_an_idle_connection_is_closed_after_a_while(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient(keep_s=0.02, tick_s=0.01)
        async with serving(says(whole(b"ok"))) as server:
            await (await get(http, server)).read(10)
            await asyncio.wait_for(asyncio.gather(*server.tasks), 1)
        assert http._tick is None or not any(pool.connections for pool in http._pools.values())
        await http.close()

    run(story())


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        pytest.param(b"gzip", gzip.compress(b"x" * 999, mtime=0), id="gzip"),
        pytest.param(b"deflate", zlib.compress(b"x" * 999), id="deflate"),
        pytest.param(b"deflate", zlib.compress(b"x" * 999)[2:-4], id="deflate without its header"),
    ],
)
def test_packed_answers_are_unpacked_within_a_bound(coding: bytes, packed: bytes) -> None:
    async def story() -> None:
        http = HttpClient()
        extra = b"content-encoding: %b\r\n" % coding
        async with serving(says(whole(packed, extra))) as server:
            assert await (await get(http, server)).read(999) == b"x" * 999
            with pytest.raises(BadAnswer):
                await (await get(http, server)).read(998)
        for broken in (packed[:-6], packed + b"x", b"\xff" * 9, packed[:1]):
            async with serving(says(whole(broken, extra))) as server:
                with pytest.raises(BadAnswer):
                    await (await get(http, server)).read(2000)
        await http.close()

    asyncio.run(story())


def test_a_packed_answer_may_come_byte_by_byte(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        for coding, packed in (
            (b"gzip", gzip.compress(b"hello", mtime=0)),
            (b"deflate", zlib.compress(b"hello")[2:-4]),
        ):
            pieces = [b"1\r\n%b\r\n" % packed[at : at + 1] for at in range(len(packed))]
            head = CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: %b\r\n\r\n" % coding)
            async with serving(says(head, *pieces, b"0\r\n\r\n")) as server:
                assert await (await get(http, server)).read(5) == b"hello"
        await http.close()

    run(story())


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\ncontent-encoding: deflate\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_a_packed_answer_without_a_body_is_empty(run: Callable[[Awaitable[None]], None], said: bytes) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(says(said)) as server:
            answer = await get(http, server)
            assert await answer.read(10) == b""
            assert await answer.next() == b""
            assert await (await get(http, server)).next() == b""
            assert len(server.lines) == 1
        await http.close()

    run(story())


def test_a_bomb_is_unpacked_piece_by_piece() -> None:
    async def story() -> None:
        http = HttpClient()
        bomb = gzip.compress(bytes(50_000_000))
        async with serving(says(whole(bomb, b"content-encoding: gzip\r\n"))) as server:
            answer = await get(http, server)
            sizes = [len(piece) async for piece in pieces_of(answer)]
            assert sum(sizes) == 50_000_000
            assert max(sizes) <= 256 * 1024
        await http.close()

    asyncio.run(story())


def test_tls_is_checked_against_the_given_authority(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        pem = Path(__file__).with_name("localhost.pem")
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ours.load_cert_chain(pem)
        async with serving(says(whole(b"ok")), ssl=ours) as server:
            origin = Origin("https", "localhost", server.origin.port)
            http = HttpClient(tls=ssl.create_default_context(cafile=pem))
            for _ in range(2):
                assert await (await http.request(origin, "GET", "/", (), b"", QUICK)).read(10) == b"ok"
            assert len(server.lines) == 1
            await http.close()
            stranger = HttpClient()
            with pytest.raises(ConnectFailed, match="certificate"):
                await stranger.request(origin, "GET", "/", (), b"", QUICK)
            await stranger.close()

    run(story())


def test_unix_sockets_and_nodelay(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "s")

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(whole(b"ok"))

            listener = await asyncio.start_unix_server(serve, path)
            answer = await http.request(Origin.parse(f"unix://{path}"), "GET", "/", (), b"", QUICK)
            assert await answer.read(10) == b"ok"
            listener.close()
        async with serving(says(whole(b"ok"))) as server:
            await (await get(http, server)).read(10)
            (connection,) = http._pools[server.origin].connections
            carrier = connection.transport.get_extra_info("socket")
            assert carrier.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await http.close()

    run(story())


def test_a_closed_client_fails_what_is_under_way(run: Callable[[Awaitable[None]], None]) -> None:
    async def story() -> None:
        http = HttpClient()
        async with serving(silent) as server:
            call = asyncio.create_task(get(http, server))
            await asyncio.sleep(0.01)
            await http.close()
            with pytest.raises(Disconnected):
                await call

    run(story())
