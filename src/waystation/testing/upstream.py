"""A fast fake of an OpenAI-compatible server, in a test's process or alone: `python -m waystation.testing.upstream`.

What it says is in `script.py`. It has a meter of its own, to compare a ledger with; alone it can write that to a file.
"""

import argparse
import asyncio
import os
import sys
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self, cast

import httptools
import msgspec
import uvloop

from waystation.testing.script import Act, Answer, answer

WAIT_S = 0.01
REQUESTS_KEPT = 64
BODY_BYTES_MAX = 64 * 1024 * 1024


@dataclass
class Meter:
    """What the upstream has seen and said. Tokens are counted for answers that went out whole."""

    calls: int = 0
    connections: int = 0
    open_connections: int = 0
    open_answers: int = 0
    cancelled: int = 0  # answers whose reader left before the end
    input_tokens: int = 0
    output_tokens: int = 0


class Reading(msgspec.Struct):
    """A line of the meter's file: a request that came, or the end of its answer."""

    user: str | None
    ended: bool = False
    whole: bool = False  # all of it was written
    sent_tokens: int = 0  # of output that were written until then
    input_tokens: int = 0
    output_tokens: int = 0  # of the whole answer, sent or not


def readings(path: Path) -> list[Reading]:
    """What a meter's file says so far."""
    lines = path.read_bytes().splitlines(keepends=True)
    return [msgspec.json.decode(line, type=Reading) for line in lines if line.endswith(b"\n")]


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[bytes, bytes]
    body: bytes


class Upstream:
    """The server; `async with Upstream() as upstream` runs it.

    `pace_s` lies between two events of a stream, `think_s` before an answer that is not streamed. `readings_fd`: a file
    that gets a line for each request and each end of an answer, with a plain write, so that nothing is lost of it.
    """

    def __init__(self, *, pace_s: float = 0.0, think_s: float = 0.0, readings_fd: int | None = None) -> None:
        self.meter = Meter()
        self.pace_s = pace_s
        self.think_s = think_s
        self._readings_fd = readings_fd
        self.requests: deque[Seen] = deque(maxlen=REQUESTS_KEPT)
        self.url = ""
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        """Stop, with every connection closed as a crash would."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def note(self, reading: Reading) -> None:
        if self._readings_fd is not None:
            os.write(self._readings_fd, msgspec.json.encode(reading) + b"\n")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self._body = b""
        self._headers: dict[bytes, bytes] = {}
        self._meter = upstream.meter
        self._parser = httptools.HttpRequestParser(self)
        self._playing: asyncio.Task[None] | None = None
        self._target = b""
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._upstream._connections.add(self)
        self._meter.connections += 1
        self._meter.open_connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._upstream._connections.discard(self)
        self._meter.open_connections -= 1
        if self._playing is not None:
            self._playing.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_message_begin(self) -> None:
        self._body = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        self._target = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > BODY_BYTES_MAX:
            self.transport.abort()

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        target = self._target.decode()
        self._upstream.requests.append(Seen(method, target, self._headers, self._body))
        self._meter.calls += 1
        script = answer(target, self._headers, self._body)
        self._upstream.note(Reading(script.user))
        head = _head(script) if script.status else b""
        if script.chunked or self._upstream.think_s:
            self._playing = asyncio.get_running_loop().create_task(self._play(head, script))
        else:
            self._say(head, script)

    def _say(self, head: bytes, script: Answer) -> None:
        """Write an answer that is not streamed."""
        self.transport.write(b"".join((head, *(step for step in script.steps if isinstance(step, bytes)))))
        self._count(script)

    async def _play(self, head: bytes, script: Answer) -> None:
        self._meter.open_answers += 1
        sent = 0
        try:
            if not script.chunked:
                await asyncio.sleep(self._upstream.think_s)
                self._say(head, script)
                return
            self.transport.write(head)
            for step in script.steps:
                if isinstance(step, bytes):
                    self.transport.write(b"%x\r\n%b\r\n" % (len(step), step))
                    sent += 1  # each word is an event of its own, and they come first
                elif step is Act.PAUSE:
                    await asyncio.sleep(self._upstream.pace_s)
                elif step is Act.WAIT:
                    await asyncio.sleep(WAIT_S)
                elif step is Act.HANG:
                    await asyncio.Event().wait()
                else:
                    self.transport.close()
                    return
            self.transport.write(b"0\r\n\r\n")
            self._count(script)
        except asyncio.CancelledError:
            self._meter.cancelled += 1
            tokens = min(sent, script.output_tokens)
            self._upstream.note(Reading(script.user, True, False, tokens, script.input_tokens, script.output_tokens))
            raise
        finally:
            self._meter.open_answers -= 1
            self._playing = None

    def _count(self, script: Answer) -> None:
        self._meter.input_tokens += script.input_tokens
        self._meter.output_tokens += script.output_tokens
        tokens = script.output_tokens
        self._upstream.note(Reading(script.user, True, True, tokens, script.input_tokens, tokens))


def _head(script: Answer) -> bytes:
    lines = [f"HTTP/1.1 {script.status} {HTTPStatus(script.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in script.headers]
    size = sum(len(step) for step in script.steps if isinstance(step, bytes))
    lines.append("transfer-encoding: chunked" if script.chunked else f"content-length: {size}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _serve(upstream: Upstream, host: str, port: int) -> None:
    await upstream.start(host, port)
    sys.stdout.write(f"{upstream.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Run until interrupted; the first line on standard output is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m waystation.testing.upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace-ms", type=float, default=0.0, help="between two events of a stream")
    parser.add_argument("--think-ms", type=float, default=0.0, help="before an answer that is not streamed")
    parser.add_argument("--meter", type=Path, help="a file that gets a line for each request and each answer's end")
    options = parser.parse_args()
    fd = None if options.meter is None else os.open(options.meter, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    upstream = Upstream(pace_s=options.pace_ms / 1000, think_s=options.think_ms / 1000, readings_fd=fd)
    try:
        uvloop.run(_serve(upstream, options.host, options.port))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
