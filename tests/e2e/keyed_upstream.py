"""A provider in the tests' own process that knows its keys and counts what each was asked; it tells refused keys out loud."""

import json
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from uuid import uuid4

WORDS = ("Ich ", "bin ", "hier.")
USAGE = {"prompt_tokens": 6, "completion_tokens": 150, "total_tokens": 156}  # the FAQ's own example


@dataclass
class Keyed:
    """`keys`: those that are good. `asked`: calls by key, good or not. `models`: whom they asked for. `bodies`: the last ones."""

    url: str = ""
    keys: set[str] = field(default_factory=set)
    down: bool = False  # then every answer is 503
    asked: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def keyed_upstream(*keys: str, tls: ssl.SSLContext | None = None) -> Iterator[Keyed]:
    keyed = Keyed(keys=set(keys))

    class Handler(_Handler):
        upstream = keyed

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        keyed.url = f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield keyed
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    upstream: ClassVar[Keyed]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out at once

    def do_GET(self) -> None:
        if not self._is_let_in():
            return
        known = {"id": "known", "object": "model"}
        one = self.path.partition("/models/")[2]
        if one in ("", "known"):
            self._answer(200, known if one else {"object": "list", "data": [known]})
        else:
            self._answer(404, {"error": {"message": "No such model.", "code": "model_not_found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if not self._is_let_in():
            return
        self.upstream.asked[self._key()] += 1
        self.upstream.models[body["model"]] += 1
        self.upstream.bodies = [*self.upstream.bodies[-9:], body]
        if body.get("stream"):
            self._stream(body["model"])
        else:
            message = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
            choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
            self._answer(200, _object("chat.completion", body["model"], [choice]) | {"usage": USAGE})

    def _key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def _is_let_in(self) -> bool:
        if self.upstream.down:
            self._answer(503, {"error": {"message": "Down.", "type": "server_error", "param": None, "code": None}})
            return False
        if self._key() in self.upstream.keys:
            return True
        message = f"Incorrect API key provided: {self._key()}."
        self._answer(401, {"error": {"message": message, "type": "error", "param": None, "code": "invalid_api_key"}})
        return False

    def _stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for word in WORDS:
            self._event(model, [{"index": 0, "delta": {"content": word}, "finish_reason": None}])
        self._event(model, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
        self._event(model, [], usage=USAGE)
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, model: str, choices: list[Any], **more: Any) -> None:
        event = _object("chat.completion.chunk", model, choices) | more
        self._chunk(b"data: %b\n\n" % json.dumps(event).encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet: what counts is in `Keyed`."""


def _object(kind: str, model: str, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": kind,
        "created": 1_750_000_000,
        "model": model,
        "choices": choices,
    }
