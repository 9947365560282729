"""The bench's own programs: the fake upstream answers rightly, and the driver sees what is wrong with an answer."""

import contextlib
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.servers import Server, get, upstream
from bench.tools import build

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here (apt-get install gcc libc6-dev)")

OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = b'{"object":"chat.completion","choices":[{"finish_reason":"stop"}],"usage":{}}'


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.json"
    path.write_text('{"model":"m","messages":[]}')
    return path


@pytest.fixture
def streamed(tmp_path: Path) -> Path:
    path = tmp_path / "stream.json"
    path.write_text('{"model":"m","messages":[],"stream": true}')
    return path


def load(server: Server, body: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = [str(build("load")), "--port", str(server.port), "--body", str(body), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


def stats(server: Server) -> dict[str, int]:
    found: dict[str, int] = json.loads(get(server.host, server.port, "/stats")[1])
    return found


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[Server]:
    """A server that gives every request the same bytes and then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end of the test
            while True:
                connection, _ = listener.accept()
                with connection:
                    if connection.recv(65536):
                        connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Server("canned", "127.0.0.1", listener.getsockname()[1], None)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_closed_loop_answers_are_all_counted_on_both_sides(plain: Path) -> None:
    with upstream("fast") as server:
        code, seen = load(server, plain, "--connections", "8", "--seconds-ms", "300")
        assert code == 0
        assert seen["ok"] == seen["sent"] == seen["latency_us"]["count"] == stats(server)["calls"] > 100


def test_open_loop_sends_as_many_calls_as_the_rate_says(plain: Path) -> None:
    with upstream("fast") as server:
        code, seen = load(server, plain, "--rate", "200", "--seconds-ms", "500")
    assert code == 0
    assert seen["ok"] == 100


def test_open_loop_latency_counts_from_when_a_call_was_due(plain: Path) -> None:
    """One connection, 20 ms an answer, a call due each 10 ms: the calls queue up, and the waiting shows."""
    with upstream("slow", latency_us=20_000) as server:
        _, seen = load(server, plain, "--rate", "100", "--connections", "1", "--seconds-ms", "300")
    assert seen["ok"] == 30
    assert seen["latency_us"]["max"] > 250_000
    assert seen["send_lag_us"]["max"] > 230_000


def test_a_fixed_number_of_calls_is_kept_to(plain: Path) -> None:
    with upstream("fast") as server:
        code, seen = load(server, plain, "--calls", "37", "--connections", "5")
    assert (code, seen["sent"], seen["ok"]) == (0, 37, 37)


def test_streams_arrive_whole_and_their_first_token_is_timed(streamed: Path) -> None:
    with upstream("paced", latency_us=20_000, chunks=5, chunk_delay_us=10_000) as server:
        code, seen = load(server, streamed, "--stream", "--calls", "4", "--connections", "4", "--expect-chunks", "7")
        assert stats(server)["streams"] == 4
    assert code == 0
    assert seen["chunks"] == 4 * 7
    assert 20_000 <= seen["first_token_us"]["p50"] < 60_000 <= seen["latency_us"]["p50"]


def test_streams_without_a_delay_pass_through_a_full_socket(streamed: Path) -> None:
    with upstream("flood", chunks=20_000) as server:
        code, seen = load(
            server, streamed, "--stream", "--calls", "2", "--connections", "2", "--expect-chunks", "20002"
        )
    assert (code, seen["ok"]) == (0, 2)


def test_usage_comes_at_the_end_of_a_stream_only_when_asked_for(tmp_path: Path) -> None:
    with upstream("fast", chunks=3) as server:
        ends = []
        for asked in (True, False):
            body = json.dumps({"stream": True, "stream_options": {"include_usage": asked}})
            ends.append(raw(server, f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}"))
    assert b'"choices":[],"usage":{"prompt_tokens":24,"completion_tokens":3,"total_tokens":27' in ends[0]
    assert b'"usage"' not in ends[1]
    assert all(end.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for end in ends)


def test_pipelined_requests_are_answered_in_order() -> None:
    post = "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    with upstream("slow", latency_us=5_000) as server:
        answers = raw(server, post + post + "GET /stats HTTP/1.1\r\n\r\n")
    parts = answers.split(b"HTTP/1.1 200 OK")[1:]
    assert [b"chat.completion" in part for part in parts] == [True, True, False]
    assert b'"completed":2' in parts[2]


def test_a_client_that_leaves_its_stream_is_counted_as_gone(streamed: Path) -> None:
    with upstream("paced", chunks=1000, chunk_delay_us=10_000) as server:
        body = streamed.read_text()
        with socket.create_connection((server.host, server.port)) as leaver:
            leaver.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            assert leaver.recv(100)
        assert stats(server)["abandoned"] == 1


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", "bad_status", "429"),
        (OK_HEAD + b"Content-Length: 2\r\n\r\n{}", "bad_body", "no chat completion"),
        (OK_HEAD + b"Content-Length: 500\r\n\r\n" + GOOD, "broken", "closed before the end"),
        (OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_body", "chunk size"),
        (b"", "broken", "closed before the end"),
        (OK_HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD + b"more", "broken", "bytes after the answer"),
    ],
)
def test_a_wrong_answer_is_an_error_and_the_exit_code_says_so(
    plain: Path, answer: bytes, kind: str, words: str
) -> None:
    with answering(answer) as server:
        code, seen = load(server, plain, "--calls", "1", "--connections", "1")
    assert (code, seen["errors"], seen[kind]) == (1, 1, 1)
    assert words in seen["first_error"]


@pytest.mark.parametrize(("sent", "code"), [(b"X-RateLimit-Limit-Tokens: 5\r\n", 0), (b"", 1)])
def test_a_header_that_must_be_in_each_answer_is_missed_when_it_is_not(plain: Path, sent: bytes, code: int) -> None:
    with answering(OK_HEAD + sent + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD) as server:
        expected = ("--expect-header", "x-ratelimit-limit-tokens")
        got, seen = load(server, plain, "--calls", "1", "--connections", "1", *expected)
    assert (got, seen["bad_body"]) == (code, code)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (b'data: {"choices":[]}\n\n', "without [DONE]"),
        (b'data: {"error":{"message":"upstream failed"}}\n\n', "an error event"),
        (b"data: [DONE]\n\nrest", "a rest after [DONE]"),
        (b'data: [DONE]\n\ndata: {"choices":[]}\n\n', "an event after [DONE]"),
        (b"event: ping\n\n", "an event without data"),
    ],
)
def test_a_stream_that_ends_wrongly_is_an_error(streamed: Path, events: bytes, words: str) -> None:
    with answering(OK_HEAD + b"Content-Length: %d\r\n\r\n" % len(events) + events) as server:
        code, seen = load(server, streamed, "--stream", "--calls", "1", "--connections", "1")
    assert (code, seen["bad_body"]) == (1, 1)
    assert words in seen["first_error"]


def test_a_good_answer_without_a_length_ends_with_its_connection(plain: Path) -> None:
    with answering(OK_HEAD + b"\r\n" + GOOD) as server:
        code, seen = load(server, plain, "--calls", "3", "--connections", "1")
    assert (code, seen["ok"]) == (0, 3)


def raw(server: Server, request: str) -> bytes:
    """Everything that the upstream says to these bytes within a moment of silence."""
    received = b""
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(request.encode())
        connection.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(65536):
                received += piece
    return received
