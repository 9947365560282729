"""A server that answers as it is told to: the other side of `doctor` and `chat`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

KEY = "sk-" + "a" * 48


class Stand(BaseHTTPRequestHandler):
    """Models, and chats that end as `answers` says: a status and a body."""

    answers: tuple[int, Any] = (200, {})

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            self._answer(404, {"error": {"message": "Unknown request URL", "code": "unknown_url"}})
        elif self.headers["Authorization"] != f"Bearer {KEY}":
            self._answer(401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}})
        else:
            self._answer(200, {"data": [{"id": "e5-small"}, {"id": "some-model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.answers
        if not body.get("stream") or status != 200:
            self._answer(status, answer)
            return
        self.send_response(200)
        self.end_headers()
        for event in answer:
            self.wfile.write(b": still here\n\ndata: " + event.encode() + b"\n\n")

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the tests look at answers."""


@contextmanager
def api(status: int = 200, answer: Any = None) -> Iterator[str]:
    """The base URL of such a server."""
    handler = type("Told", (Stand,), {"answers": (status, answer if answer is not None else {})})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
