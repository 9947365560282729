"""The door on a real socket: what it takes, in which order it answers, and how it refuses."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncGenerator

import msgspec
import pytest

from tests.unit.http.door_stand import BOUNDS, Stand, StandingWay, chat, stand
from waystation.errors import InvalidKey, RateLimitExceeded
from waystation.gateway.call import Call
from waystation.terms import Caller, Done, Event, Piece, Usage

CHUNKED = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def error_of(body: bytes) -> dict[str, str]:
    error: dict[str, str] = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1", "/openai"])
def test_a_call_is_answered_under_every_prefix(prefix: str) -> None:
    async def scenario(at: Stand) -> None:
        status, headers, body = await at.ask(chat("me", target=f"{prefix}/chat/completions?api-version=1"))
        assert (status, json.loads(body)) == (200, {"user": "me"})
        assert headers["x-request-id"].startswith("req_")
        assert headers["openai-version"] == "2020-10-01"
        assert headers["x-waystation-cost"] == "0 usd"
        assert "date" in headers

    stand(scenario)


def test_pipelined_requests_are_answered_in_order_calls_and_pages_mixed() -> None:
    async def scenario(at: Stand) -> None:
        line = await at.connect()
        page = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"
        line.send(chat("1") + page + chat("2", stream=True) + chat("3") + page + chat("4"))
        bodies = [(await line.answer())[2] for _ in range(6)]
        assert bodies == [
            b'{"user":"1"}',
            b"page ",
            b'data: {"user":"2"}\n\ndata: [DONE]\n\n',
            b'{"user":"3"}',
            b"page ",
            b'{"user":"4"}',
        ]
        await line.close()

    stand(scenario)


def test_answers_keep_their_order_when_the_first_takes_longest() -> None:
    async def slow_first(call: Call) -> AsyncGenerator[Event]:
        if call.request.end_user == "0":
            await asyncio.sleep(0.05)
        yield Done(msgspec.json.encode(call.request.end_user), Usage(1, 1))

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(b"".join(chat(str(n)) for n in range(20)))  # more than may wait: the rest is read as answers leave
        assert [json.loads((await line.answer())[2]) for _ in range(20)] == [str(n) for n in range(20)]
        await line.close()

    stand(scenario, StandingWay(slow_first))


def test_a_request_may_come_byte_by_byte() -> None:
    async def scenario(at: Stand) -> None:
        line = await at.connect()
        for byte in chat("slow"):
            line.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await line.answer())[2] == b'{"user":"slow"}'
        await line.close()

    stand(scenario)


def test_chunked_and_packed_bodies_are_read() -> None:
    async def scenario(at: Stand) -> None:
        plain = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"user":"z"}'
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        for coding, packed in (("gzip", gzip.compress(plain, mtime=0)), ("deflate", zlib.compress(plain))):
            request = head + f"Content-Encoding: {coding}\r\nContent-Length: {len(packed)}\r\n\r\n".encode() + packed
            assert (await at.ask(request))[0] == 200
        chunks = b"".join(b"%x\r\n%b\r\n" % (1, plain[i : i + 1]) for i in range(len(plain))) + b"0\r\n\r\n"
        assert (await at.ask(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks))[0] == 200

    stand(scenario)


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (gzip.compress(b" " * 300_000, mtime=0), "gzip", 413, "request_too_large"),  # a bomb
        (b"not gzip", "gzip", 400, None),
        (gzip.compress(b"{}", mtime=0)[:-4], "gzip", 400, None),
        (b"{}", "br", 415, "unsupported_media_type"),
    ],
)
def test_bad_packing_is_refused(body: bytes, coding: str, status: int, code: str | None) -> None:
    async def scenario(at: Stand) -> None:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
        got, _, answer = await at.ask(head.encode() + body)
        assert (got, error_of(answer)["code"]) == (status, code)

    stand(scenario)


def test_a_client_that_expects_is_told_to_continue() -> None:
    async def scenario(at: Stand) -> None:
        line = await at.connect()
        request = chat("x", extra="Expect: 100-continue\r\n")
        head, _, body = request.partition(b"\r\n\r\n")
        line.send(head + b"\r\n\r\n")
        assert await line.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.send(body)
        assert (await line.answer())[0] == 200
        await line.close()

    stand(scenario)


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, None),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, None),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400, None),
        (CHUNKED + b"zz\r\n", 400, None),
        (b"POST /v1/chat/completions HTTP/1.1\r\nX: " + b"y" * 5000, 431, "request_header_fields_too_large"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nX: " + b"y" * 5000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{", 413, "request_too_large"),
        (CHUNKED + b"20000\r\n" + b"y" * 0x20000, 413, "request_too_large"),
        (b"PUT /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, "method_not_allowed"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(request_bytes: bytes, status: int, code: str | None) -> None:
    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(request_bytes)
        got, _, body = await line.answer()
        assert (got, error_of(body)["code"]) == (status, code)
        await line.close()
        assert (await at.ask(chat()))[0] == 200  # the next one is served

    stand(scenario)


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async def slow(call: Call) -> AsyncGenerator[Event]:
        await asyncio.sleep(0.05)
        yield Done(b"{}", Usage(1, 1))

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(chat() + b"garbage\r\n\r\n")
        assert (await line.answer())[0] == 200
        assert (await line.answer())[0] == 400
        assert await line.closed()

    stand(scenario, StandingWay(slow))


def test_late_requests_and_idle_connections_are_ended() -> None:
    bounds = msgspec.structs.replace(BOUNDS, head_time_s=0.05, body_time_s=0.05, keep_alive_s=0.05)

    async def scenario(at: Stand) -> None:
        half_head, half_body, idle = [await at.connect() for _ in range(3)]
        half_head.send(b"POST /v1/chat/comp")
        half_body.send(chat()[:-5])
        idle.send(chat())
        assert (await half_head.answer())[0] == 408
        assert (await half_body.answer())[0] == 408
        assert (await idle.answer())[0] == 200
        for line in (half_head, half_body, idle):
            assert await line.closed()

    stand(scenario, bounds=bounds)


def test_too_many_connections_are_told_so() -> None:
    async def scenario(at: Stand) -> None:
        first = await at.connect()
        first.send(chat())
        await first.answer()
        second = await at.connect()
        assert (await second.answer())[0] == 503
        await first.close()

    stand(scenario, bounds=msgspec.structs.replace(BOUNDS, connections_max=1))


def test_a_client_that_leaves_cancels_its_answer() -> None:
    way = StandingWay(endless)

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(chat(stream=True))
        await line.head()
        await line.reader.readuntil(b"\n\n")
        line.writer.transport.abort()
        while not way.settled:
            await asyncio.sleep(0.005)
        assert way.closed == 1
        assert at.doorway.streams.count == 0

    stand(scenario, way)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("draining_max", [1, 0])
def test_where_the_project_says_so_an_answer_is_read_to_its_end_though_the_client_has_left(
    stream: bool, draining_max: int
) -> None:
    left = asyncio.Event()
    ended: list[str] = []

    async def long(call: Call) -> AsyncGenerator[Event]:
        if stream:
            yield Piece(b"data: " + b"x" * 5_000_000 + b"\n\n")  # more than the sockets take: it waits for the reader
        began.set()
        await left.wait()
        for _ in range(3):
            if stream:
                yield Piece(b"data: " + b"x" * 100_000 + b"\n\n")
            await asyncio.sleep(0)
        yield Done(b"{}", Usage(1, 1))
        ended.append(call.request_id)

    way = StandingWay(long, drain=True)
    began = asyncio.Event()

    async def scenario(at: Stand) -> None:
        at.doorway.draining_calls.most = draining_max
        line = await at.connect()
        line.send(chat(stream=stream))
        if stream:
            await line.head()
        else:
            await began.wait()
        line.writer.transport.abort()
        while at.doorway.doors:
            await asyncio.sleep(0.005)
        assert len(at.doorway.draining_calls.calls) == draining_max
        left.set()
        while not way.settled:
            await asyncio.sleep(0.005)
        assert len(ended) == draining_max, "read to its end, or cancelled where too many are"
        while at.doorway.draining_calls.calls:
            await asyncio.sleep(0.005)
        assert at.doorway.streams.count == 0

    stand(scenario, way)


def test_a_client_that_has_its_answer_takes_no_place_of_those_that_are_read_to_their_end() -> None:
    async def scenario(at: Stand) -> None:
        for stream in (False, True):
            line = await at.connect()
            line.send(chat(stream=stream))
            await line.answer()
            await line.close()
        while at.doorway.doors:
            await asyncio.sleep(0.005)
        assert not at.doorway.draining_calls.calls

    stand(scenario, StandingWay(drain=True))


def test_a_slow_reader_slows_its_upstream() -> None:
    sent = 0

    async def flood(call: Call) -> AsyncGenerator[Event]:
        nonlocal sent
        while True:
            sent += 1
            yield Piece(b"data: " + b"x" * 65_000 + b"\n\n")

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(chat(stream=True))
        await asyncio.sleep(0.3)
        before = sent
        await asyncio.sleep(0.1)
        assert sent == before < 400  # what the sockets' buffers take, then no more
        await line.close()

    stand(scenario, StandingWay(flood))


def test_a_reader_that_is_stuck_is_dropped() -> None:
    async def flood(call: Call) -> AsyncGenerator[Event]:
        while True:
            yield Piece(b"data: " + b"x" * 65_000 + b"\n\n")

    way = StandingWay(flood)

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(chat(stream=True))
        while not way.settled:
            await asyncio.sleep(0.01)
        line.writer.transport.abort()

    stand(scenario, way, msgspec.structs.replace(BOUNDS, write_stall_s=0.1))


def test_a_silent_stream_gets_comments() -> None:
    async def silent(call: Call) -> AsyncGenerator[Event]:
        await asyncio.sleep(0.15)
        yield Done(b"data: [DONE]\n\n", Usage(1, 1))

    async def scenario(at: Stand) -> None:
        status, headers, body = await at.ask(chat(stream=True))
        assert (status, headers["x-accel-buffering"]) == (200, "no")
        assert body.startswith(b": ")
        assert body.endswith(b"data: [DONE]\n\n")

    stand(scenario, StandingWay(silent), msgspec.structs.replace(BOUNDS, silence_s=0.05))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("silence_s", [15.0, 0.01])
def test_an_answer_that_is_clamped_says_so_in_its_head(stream: bool, silence_s: float) -> None:
    async def clamped(call: Call) -> AsyncGenerator[Event]:
        call.output_tokens_max = 77
        call.limit_headers = b"x-ratelimit-limit-requests: 60\r\n"
        await asyncio.sleep(0.03)
        yield Done(b"{}", Usage(1, 1))

    async def scenario(at: Stand) -> None:
        _, headers, _ = await at.ask(chat(stream=stream))
        assert headers["x-waystation-budget-clamped"] == "77"
        assert headers["x-ratelimit-limit-requests"] == "60"

    stand(scenario, StandingWay(clamped), msgspec.structs.replace(BOUNDS, silence_s=silence_s))


def test_the_last_events_may_tell_what_the_ledger_counted() -> None:
    class Counting(StandingWay):
        def meter(self, event: Event) -> Event:
            if isinstance(event, Done):
                event.usage = Usage(3, 4)
            return event

    async def cut(call: Call) -> AsyncGenerator[Event]:
        yield Done(b"data: {}\n\n", None, tail=lambda usage: b"data: %d\n\n" % usage.output_tokens)

    async def scenario(at: Stand) -> None:
        assert (await at.ask(chat(stream=True)))[2] == b"data: {}\n\ndata: 4\n\n"

    stand(scenario, Counting(cut))


def test_an_error_within_a_stream_is_its_last_event() -> None:
    async def breaks(call: Call) -> AsyncGenerator[Event]:
        yield Piece(b"data: {}\n\n")
        raise RateLimitExceeded("slow down", retry_after_ms=5)

    async def scenario(at: Stand) -> None:
        status, _, body = await at.ask(chat(stream=True))
        assert status == 200
        assert error_of(body.split(b"\n\n")[1].removeprefix(b"data: "))["code"] == "rate_limit_exceeded"

    stand(scenario, StandingWay(breaks))


def test_a_fault_of_ours_is_500_and_says_nothing() -> None:
    async def breaks(call: Call) -> AsyncGenerator[Event]:
        if call.operation:
            raise RuntimeError("secret detail")
        yield Piece(b"")

    async def scenario(at: Stand) -> None:
        status, _, body = await at.ask(chat())
        assert status == 500
        assert b"secret" not in body
        assert error_of(body)["type"] == "server_error"

    stand(scenario, StandingWay(breaks))


def test_too_many_streams_are_told_so() -> None:
    async def scenario(at: Stand) -> None:
        lines = [await at.connect() for _ in range(3)]
        for line in lines:
            line.send(chat(stream=True))
        statuses = [(await line.head())[0] for line in lines]
        assert sorted(statuses) == [200, 200, 503]
        for line in lines:
            line.writer.transport.abort()

    stand(scenario, StandingWay(endless), msgspec.structs.replace(BOUNDS, streams_max=2))


def test_draining_finishes_what_is_open_and_closes() -> None:
    async def slow(call: Call) -> AsyncGenerator[Event]:
        yield Piece(b"data: {}\n\n")
        await asyncio.sleep(0.2)
        yield Done(b"data: [DONE]\n\n", Usage(1, 1))

    async def scenario(at: Stand) -> None:
        line, idle = await at.connect(), await at.connect()
        line.send(chat(stream=True))
        await line.head()
        stopping = asyncio.ensure_future(at.server.shutdown())
        assert (await line.reader.read()).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert await idle.closed()
        await stopping

    stand(scenario, StandingWay(slow))


async def endless(call: Call) -> AsyncGenerator[Event]:
    while True:
        yield Piece(b"data: {}\n\n")
        await asyncio.sleep(0.005)


def test_a_target_in_absolute_form_is_a_call_too() -> None:
    async def scenario(at: Stand) -> None:
        assert (await at.ask(chat(target="http://proxy.example/v1/chat/completions?x=1")))[0] == 200

    stand(scenario)


def test_a_url_that_is_too_long_is_told_so() -> None:
    async def scenario(at: Stand) -> None:
        status, _, body = await at.ask(b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, error_of(body)["code"]) == (431, "request_header_fields_too_large")

    stand(scenario)


@pytest.mark.parametrize("request_bytes", [chat(), chat(stream=True), chat().replace(b"{", b"[", 1)])
def test_every_answer_says_who_gave_it_and_a_page_may_read_it(request_bytes: bytes) -> None:
    request_bytes = request_bytes.replace(b"Host: x", b"Host: x\r\nOrigin: http://page.example")

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(request_bytes)
        _, headers = await line.head()
        assert headers["openai-version"] == "2020-10-01"
        assert headers["openai-processing-ms"].isdigit()
        assert headers["x-request-id"].startswith("req_")
        assert headers["access-control-allow-origin"] == "*"
        await line.close()

    stand(scenario)


@pytest.mark.parametrize(
    "head", ["Content-Length: 1000000", "Transfer-Encoding: chunked", "Content-Length: 9\r\nContent-Encoding: gzip"]
)
def test_a_large_body_is_not_read_from_somebody_without_a_key(head: str) -> None:
    class Locked(StandingWay):
        def identify(self, call: Call) -> Caller:
            raise InvalidKey("Incorrect API key provided.")

    async def scenario(at: Stand) -> None:
        line = await at.connect()
        line.send(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        status, _, body = await line.answer()  # before a byte of the body was sent
        assert (status, error_of(body)["code"]) == (401, "invalid_api_key")
        await line.close()

    stand(scenario, Locked(), msgspec.structs.replace(BOUNDS, body_bytes_max=2_000_000))
