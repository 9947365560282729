"""A provider in the tests' own process that refuses as often as it is told, then answers: for clients that retry."""

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

ANSWER = {
    "id": "chatcmpl-moody",
    "object": "chat.completion",
    "created": 1_750_000_000,
    "model": "moody",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Now I can.", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    # The FAQ's own example: 6 tokens in, 150 out.
    "usage": {"prompt_tokens": 6, "completion_tokens": 150, "total_tokens": 156},
}


@dataclass(frozen=True)
class Refusal:
    """An error answer of the provider."""

    status: int
    code: str
    headers: tuple[tuple[str, str], ...] = ()


RATE_LIMITED = Refusal(429, "rate_limit_exceeded", (("retry-after-ms", "20"),))


@dataclass
class Moody:
    """`refusals` are given in order, one a call; when there are none left it answers."""

    url: str = ""
    refusals: deque[Refusal] = field(default_factory=deque)
    calls: int = 0

    def will_refuse(self, *refusals: Refusal) -> None:
        self.refusals = deque(refusals)
        self.calls = 0


@contextmanager
def moody_upstream() -> Iterator[Moody]:
    moody = Moody()

    class Handler(_Handler):
        mood = moody

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        moody.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield moody
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    mood: ClassVar[Moody]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.mood.calls += 1
        if self.mood.refusals:
            refusal = self.mood.refusals.popleft()
            error = {"message": "Not now.", "type": refusal.code, "param": None, "code": refusal.code}
            self._answer(refusal.status, {"error": error}, refusal.headers)
        else:
            self._answer(200, ANSWER, ())

    def _answer(self, status: int, body: object, headers: tuple[tuple[str, str], ...]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (*headers, ("content-type", "application/json"), ("content-length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet: what counts is in `Moody`."""
