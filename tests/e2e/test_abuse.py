"""The door against clients that break the rules of HTTP, on purpose or by accident: written on raw sockets."""

import gzip
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.contract.described import check_error
from tests.e2e.running import Running

ANSWER_S = 5.0
BODY = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}).encode()
LONG_TESTS = os.environ.get("WAYSTATION_TEST_ALL") == "1"


@dataclass
class Answer:
    """One HTTP answer, read from the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_answer(self) -> bool:
        return self.status == 200 and json.loads(self.body)["object"] == "chat.completion"


class Wire:
    """A connection on which a test writes what it likes."""

    def __init__(self, running: Running) -> None:
        host, port = running.url.removeprefix("http://").split(":")
        self.host = f"{host}:{port}"
        self.key = running.key
        self.socket = socket.create_connection((host, int(port)), ANSWER_S)
        self.socket.settimeout(ANSWER_S)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        # The server may refuse and close while we are still sending: its answer is what counts.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def head(
        self, *lines: str, target: str = "/v1/chat/completions", method: str = "POST", version: str = "1.1"
    ) -> bytes:
        fixed = (
            f"{method} {target} HTTP/{version}",
            f"Host: {self.host}",
            f"Authorization: Bearer {self.key}",
            "Content-Type: application/json",
        )
        return ("\r\n".join((*fixed, *lines)) + "\r\n\r\n").encode("latin-1")

    def post(self, body: bytes, *lines: str, target: str = "/v1/chat/completions", version: str = "1.1") -> None:
        self.send(self.head(f"Content-Length: {len(body)}", *lines, target=target, version=version) + body)

    def read_head(self) -> tuple[int, dict[str, str]]:
        line = self.file.readline()
        if not line:
            raise EOFError("closed without an answer")
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def read(self, *, has_body: bool = True) -> Answer:
        status, headers = self.read_head()
        body = b""
        if has_body and headers.get("transfer-encoding") == "chunked":
            while size := int(self.file.readline(), 16):
                body += self.file.read(size)
                self.file.readline()
            self.file.readline()
        elif has_body and "content-length" in headers:
            body = self.file.read(int(headers["content-length"]))
        elif has_body and status >= 200 and status != 204:
            body = self.file.read()
        return Answer(status, headers, body)

    def is_closed(self) -> bool:
        """Whether the server closes from here on, within the time of an answer."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def wire(gateway: Running) -> Iterator[Wire]:
    made = Wire(gateway)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def still_serves(gateway: Running) -> Iterator[None]:
    """Whatever one client has done, the next one is served."""
    yield
    after = Wire(gateway)
    after.post(BODY)
    assert after.read().is_answer
    after.close()


def refused(answer: Answer, *statuses: int) -> None:
    assert answer.status in statuses, (answer.status, answer.body)
    assert answer.headers["x-request-id"]
    check_error(json.loads(answer.body))


def test_keep_alive_serves_one_request_after_the_other(wire: Wire) -> None:
    for _ in range(3):
        wire.post(BODY)
        assert wire.read().is_answer


@pytest.mark.parametrize("order", ["cmc", "mcm", "ccc", "chc"])
def test_pipelined_requests_are_answered_in_their_order(wire: Wire, order: str) -> None:
    """c: a call, m: the list of models, h: a page without a key. All sent at once."""
    targets = {"m": "/v1/models", "h": "/health"}
    data = b""
    for kind in order:
        if kind == "c":
            data += wire.head(f"Content-Length: {len(BODY)}") + BODY
        else:
            data += wire.head(target=targets[kind], method="GET")
    wire.send(data)
    for kind in order:
        told = json.loads(wire.read().body)
        assert {"c": "choices", "m": "data", "h": "status"}[kind] in told


def test_a_stream_in_a_pipeline_keeps_its_place(wire: Wire) -> None:
    streamed = json.dumps({**json.loads(BODY), "stream": True}).encode()
    wire.send(b"".join(wire.head(f"Content-Length: {len(body)}") + body for body in (streamed, BODY)))
    first, second = wire.read(), wire.read()
    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.body.endswith(b"data: [DONE]\n\n")
    assert second.is_answer


def test_a_request_cut_into_single_bytes_is_read(wire: Wire) -> None:
    for byte in wire.head(f"Content-Length: {len(BODY)}") + BODY:
        wire.send(bytes([byte]))
    assert wire.read().is_answer


def test_a_chunked_body_is_read(wire: Wire) -> None:
    pieces = [BODY[at : at + 10] for at in range(0, len(BODY), 10)]
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    wire.send(wire.head("Transfer-Encoding: chunked") + chunked)
    assert wire.read().is_answer


def test_a_chunked_body_with_extensions_and_trailers_is_read(wire: Wire) -> None:
    wire.send(
        wire.head("Transfer-Encoding: chunked")
        + b"%x;name=value\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(BODY), BODY)
    )
    assert wire.read().is_answer


@pytest.mark.parametrize("size", [b"zz", b"-1", b"ffffffffffffffffff", b"", b"0x5", b"5 5"])
def test_a_bad_chunk_size_is_400_and_closes(wire: Wire, size: bytes) -> None:
    wire.send(wire.head("Transfer-Encoding: chunked") + size + b"\r\nhello\r\n0\r\n\r\n")
    refused(wire.read(), 400)
    assert wire.is_closed()


def test_expect_100_continue_is_answered_before_the_body(wire: Wire) -> None:
    wire.send(wire.head(f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
    status, _ = wire.read_head()
    assert status == 100
    wire.send(BODY)
    assert wire.read().is_answer


def test_expect_100_continue_of_too_large_a_body_is_refused_at_once(wire: Wire) -> None:
    wire.send(wire.head("Content-Length: 99999999999", "Expect: 100-continue"))
    refused(wire.read(), 413)
    assert wire.is_closed()


def test_a_gzip_body_is_read(wire: Wire) -> None:
    wire.post(gzip.compress(BODY, mtime=0), "Content-Encoding: gzip")
    assert wire.read().is_answer


def test_a_gzip_bomb_is_413(wire: Wire) -> None:
    bomb = gzip.compress(b" " * (80 * 1024 * 1024), 1)
    assert len(bomb) < 1024 * 1024
    wire.post(bomb, "Content-Encoding: gzip")
    refused(wire.read(), 413)


@pytest.mark.parametrize(
    "body", [b"not gzip", gzip.compress(BODY, mtime=0)[:-9], gzip.compress(BODY, mtime=0) + b"more"]
)
def test_a_broken_gzip_body_is_400(wire: Wire, body: bytes) -> None:
    wire.post(body, "Content-Encoding: gzip")
    refused(wire.read(), 400)


def test_an_unknown_content_encoding_is_415(wire: Wire) -> None:
    wire.post(BODY, "Content-Encoding: rot13")
    refused(wire.read(), 415)


def test_a_huge_head_is_431_and_closes(wire: Wire) -> None:
    wire.send(wire.head(*(f"X-Filler-{at}: {'x' * 4000}" for at in range(20)), "Content-Length: 0"))
    refused(wire.read(), 431)
    assert wire.is_closed()


def test_a_head_that_never_ends_is_431(wire: Wire) -> None:
    wire.send(b"POST /v1/chat/completions HTTP/1.1\r\n" + b"X-Filler: x\r\n" * 8000)
    refused(wire.read(), 431)


def test_a_url_of_a_hundred_kilobytes_is_refused(wire: Wire) -> None:
    wire.send(wire.head(target="/v1/models/" + "x" * 100_000, method="GET"))
    refused(wire.read(), 414, 431)


def test_a_huge_declared_body_is_413_before_it_comes(wire: Wire) -> None:
    wire.send(wire.head("Content-Length: 99999999999"))
    refused(wire.read(), 413)


def test_a_chunked_body_that_never_ends_is_413(wire: Wire) -> None:
    wire.send(wire.head("Transfer-Encoding: chunked"))
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    for _ in range(40):
        wire.send(chunk)
    refused(wire.read(), 413)


def test_both_lengths_at_once_are_400(wire: Wire) -> None:
    """The classic of request smuggling."""
    wire.send(wire.head(f"Content-Length: {len(BODY)}", "Transfer-Encoding: chunked") + b"0\r\n\r\n")
    refused(wire.read(), 400)
    assert wire.is_closed()


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: +5",),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Bad Name: 1", "Content-Length: 0"),
        ("Folded: 1\r\n 2", "Content-Length: 0"),
        ("Null: \x00", "Content-Length: 0"),
    ],
    ids=lambda lines: repr(lines[0]),
)
def test_ambiguous_heads_are_400_and_close(wire: Wire, lines: tuple[str, ...]) -> None:
    wire.send(wire.head(*lines))
    refused(wire.read(), 400)
    assert wire.is_closed()


@pytest.mark.parametrize("target", ["/v1/\x00models", "/v1/mod els", "no-slash", "\r\n"])
def test_an_impossible_url_is_400(wire: Wire, target: str) -> None:
    wire.send(wire.head(target=target, method="GET"))
    refused(wire.read(), 400)


def test_an_escaped_nul_in_the_url_is_just_unknown(wire: Wire) -> None:
    wire.send(wire.head(target="/v1/models/%00", method="GET"))
    refused(wire.read(), 400, 404)


@pytest.mark.parametrize(
    "line", [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /health HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_is_400_and_closes(wire: Wire, line: bytes) -> None:
    wire.send(line)
    refused(wire.read(), 400)
    assert wire.is_closed()


def test_http_10_is_answered_and_closed(wire: Wire) -> None:
    wire.post(BODY, version="1.0")
    assert wire.read().is_answer
    assert wire.is_closed()


def test_connection_close_is_obeyed(wire: Wire) -> None:
    wire.post(BODY, "Connection: close")
    assert wire.read().is_answer
    assert wire.is_closed()


def test_a_target_in_absolute_form_is_served(wire: Wire) -> None:
    """As a proxy's client sends it; RFC 9112 3.2.2 says that every server must take it."""
    wire.post(BODY, target=f"http://{wire.host}/v1/chat/completions")
    assert wire.read().is_answer


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1", "/openai"])
def test_every_form_of_the_base_url_is_served(wire: Wire, prefix: str) -> None:
    wire.post(BODY, target=f"{prefix}/chat/completions?from=test")
    assert wire.read().is_answer


def test_head_has_the_headers_of_get_and_no_body(wire: Wire) -> None:
    wire.send(wire.head(target="/v1/models", method="HEAD"))
    answer = wire.read(has_body=False)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    wire.post(BODY)  # a body would be taken for the next answer
    assert wire.read().is_answer


def test_options_tells_a_browser_what_it_may_send(wire: Wire) -> None:
    wire.send(wire.head("Origin: https://app.example", "Access-Control-Request-Method: POST", method="OPTIONS"))
    answer = wire.read()
    assert answer.status in (200, 204)
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_options_without_an_origin_names_the_methods(wire: Wire) -> None:
    wire.send(wire.head(method="OPTIONS"))
    answer = wire.read()
    assert answer.status in (200, 204)
    assert "POST" in answer.headers["allow"]


def test_an_offer_of_h2c_is_answered_in_http_11(wire: Wire) -> None:
    wire.post(BODY, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert wire.read().is_answer


@pytest.mark.parametrize("sent", [b"", b"POST /v1/cha", b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"])
def test_a_client_that_leaves_in_the_head_costs_nothing(wire: Wire, sent: bytes) -> None:
    wire.send(sent)
    wire.socket.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    wire.file.read()
    assert time.monotonic() - began < ANSWER_S


def test_a_client_that_leaves_in_the_body_costs_nothing(wire: Wire) -> None:
    wire.send(wire.head("Content-Length: 1000") + BODY)
    wire.socket.shutdown(socket.SHUT_WR)
    began = time.monotonic()
    wire.file.read()
    assert time.monotonic() - began < ANSWER_S


@pytest.mark.slow
def test_a_head_that_trickles_is_408_in_the_end(wire: Wire) -> None:
    began = time.monotonic()
    wire.socket.settimeout(1.0)
    while time.monotonic() - began < 30:
        wire.send(b"X" if time.monotonic() - began > 1 else b"POST /v1/models HTTP/1.1\r\nX-A")
        try:
            data = wire.socket.recv(65536)
        except TimeoutError:
            continue
        assert re.match(rb"HTTP/1.1 408 ", data), data
        return
    pytest.fail("a head was allowed to trickle in for 30 s")


@pytest.mark.slow
def test_a_thousand_idle_connections_keep_nobody_out(gateway: Running) -> None:
    idle = [Wire(gateway) for _ in range(1000 if LONG_TESTS else 200)]
    try:
        wire = Wire(gateway)
        wire.post(BODY)
        assert wire.read().is_answer
        wire.close()
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_json_is_refused_or_answered_quickly(wire: Wire, depth: int) -> None:
    nested = b'{"model": "gpt-4o", "messages": ' + b"[" * depth + b"]" * depth + b"}"
    wire.post(nested)
    refused(wire.read(), 400)


def test_a_number_of_a_million_digits_is_refused_quickly(wire: Wire) -> None:
    wire.post(b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "seed": ' + b"9" * 1_000_000 + b"}")
    began = time.monotonic()
    refused(wire.read(), 400)
    assert time.monotonic() - began < 2
