"""An upstream that fails in every way that networks and servers have: `python -m waystation.testing.faults --script …`.

Chats and completions as OpenAI has them, messages as Anthropic has them; what it says is in `faults_words.py`, which call
meets which fault in `faults_script.py`. A model named `fault-drop_mid:3` has that fault whatever the script says.
GET /told says what it has met and what is open; POST /told with a script plays that from now on.
"""

import argparse
import asyncio
import gzip
import socket
import struct
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self

import msgspec

from waystation.testing.faults_script import AT_ACCEPT, FAULTS, WELL, BadScript, Fault, Script, read_fault
from waystation.testing.faults_words import TOOL_BEGUN, Asked, error, events, usage_of, whole

BODY_BYTES_MAX = 64 * 1024 * 1024
BODIES_KEPT = 64
MODEL_PREFIX = "fault-"
TOLD = "/told"
_JSON, _SSE = "application/json", "text/event-stream"
_PAGE = b"<!doctype html><html><body>502 Bad Gateway. sk-upstream-secret</body></html>"
_WRONG: dict[str, Any] = {"prompt_tokens": -5, "completion_tokens": "many", "input_tokens": -5, "output_tokens": "many"}


class FaultyUpstream:
    """The server; `async with FaultyUpstream("drop_mid:3") as upstream` runs it."""

    def __init__(self, script: str = "none", *, seed: int | None = 1) -> None:
        self.script = Script.read(script, seed)
        self.seed = seed
        self.url = ""
        self.met: Counter[str] = Counter()  # how many calls met which fault
        self.bodies: deque[dict[str, Any]] = deque(maxlen=BODIES_KEPT)
        self.connections: set[asyncio.StreamWriter] = set()
        self.open_answers = 0
        self._port = 0
        self._host = "127.0.0.1"
        self._began_s = time.monotonic()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def play(self, script: str) -> None:
        """From now on this script, from its begin."""
        self.script = Script.read(script, self.seed)
        self._began_s = time.monotonic()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._host, self._port = host, port
        await self.up()
        self.url = f"http://{host}:{self._port}"

    async def up(self) -> None:
        """Listen (again), at the same port."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, self._host, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse every connection from now on, and end those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self.connections):
            _reset(writer)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.down()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections.add(writer)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # they left, or the test is over
        finally:
            self._tasks.discard(task)
            self.connections.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead = self.script.next(self._at_s()) if self.script.at_accept else None
        if ahead is not None and ahead.name in AT_ACCEPT:
            self.met[ahead.name] += 1
            if ahead.name == "reset_accept":
                _reset(writer)
            else:
                await _until_gone(reader)
            return
        while (request := await _request(reader)) is not None:
            target, headers, body = request
            if target == TOLD:
                await self._tell(writer, body)
                continue
            fault, ahead = self._fault(headers, body, ahead), None
            self.met[fault.name] += 1
            self.open_answers += 1
            try:
                if not await _Answering(reader, writer, fault).answer(target, body):
                    return
            finally:
                self.open_answers -= 1

    async def _tell(self, writer: asyncio.StreamWriter, script: bytes) -> None:
        """What it has met and what is open, but for whoever asks that."""
        status, told = 200, {"met": self.met, "connections": len(self.connections) - 1, "answers": self.open_answers}
        try:
            if script:
                self.play(script.decode())
        except (BadScript, UnicodeDecodeError):
            status, told = 400, {}
        body = msgspec.json.encode(told)
        writer.write(b"HTTP/1.1 %d -\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))
        await writer.drain()

    def _at_s(self) -> float:
        return time.monotonic() - self._began_s

    def _fault(self, headers: dict[str, str], body: bytes, ahead: Fault | None) -> Fault:
        """The fault of a request. `ahead`: it was chosen when the connection was made."""
        try:
            self.bodies.append(msgspec.json.decode(body, type=dict[str, Any]))
            model = str(self.bodies[-1].get("model", ""))
        except msgspec.DecodeError:
            return WELL
        if model.startswith(MODEL_PREFIX):
            with suppress(BadScript):
                return read_fault(model.removeprefix(MODEL_PREFIX))
        key = headers.get("authorization", "").removeprefix("Bearer ") or headers.get("x-api-key", "")
        return ahead or self.script.next(self._at_s(), key)


class _Answering:
    """One answer with its fault."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
        self._reader = reader
        self._writer = writer
        self._name = fault.name
        self._number = fault.number

    async def answer(self, target: str, body: bytes) -> bool:
        """False: the connection is at its end."""
        if self._name == "reset_before_head":
            return self._over()
        if self._name == "hang_head":
            return await self._hang()
        if target.endswith("/models"):
            return await self._send(200, _JSON, b'{"object":"list","data":[]}')
        try:
            asked = msgspec.json.decode(body, type=Asked)
        except msgspec.DecodeError:
            return await self._send(400, _JSON, error(target, 400, "That is no request."))
        if self._name in ("status", "limit"):
            return await self._refuse(target)
        if self._name == "html":
            return await self._send(200, "text/html", _PAGE)
        usage = self._usage(target, asked)
        if not asked.stream:
            return await self._whole(whole(target, asked, usage))
        return await self._stream(*events(target, asked, usage), target=target)

    def _usage(self, target: str, asked: Asked) -> dict[str, Any] | None:
        if self._name == "usage_missing":
            return None
        return _WRONG if self._name == "usage_wrong" else usage_of(target, asked)

    async def _refuse(self, target: str) -> bool:
        if self._name == "limit":
            wait_ms = 1000 if self._number is None else self._number
            headers = (("retry-after", str(-(-wait_ms // 1000))), ("retry-after-ms", str(wait_ms)))
            return await self._send(429, _JSON, error(target, 429, "Slow down."), headers)
        status = self._number or 500
        return await self._send(status, _JSON, error(target, status, f"It is a {status}."))

    async def _whole(self, body: bytes) -> bool:
        name = self._name
        if name in ("reset_after_head", "hang_first_byte", "hang_mid", "drop_mid", "reset_mid"):
            begin = b"" if name in ("reset_after_head", "hang_first_byte") else body[: len(body) // 2]
            self._writer.write(self._head(200, _JSON, len(body)) + begin)
            await self._writer.drain()
            if name.startswith("hang"):
                return await self._hang()
            return self._over() if name.startswith("reset") else False
        if name == "drip":
            await asyncio.sleep((self._number or 20) / 1000)
        return await self._send(200, _JSON, body[: len(body) // 2] if name == "malformed" else body)

    async def _stream(self, before: list[bytes], words: list[bytes], after: list[bytes], *, target: str) -> bool:
        name, stop = self._name, 3 if self._number is None else self._number
        self._writer.write(self._head(200, _SSE, None))
        await self._writer.drain()
        if name == "reset_after_head":
            return self._over()
        if name == "hang_first_byte":
            return await self._hang()
        if name == "gzip":
            self._chunk(gzip.compress(b"".join([*before, *words, *after])))
            return await self._end()
        if name == "split":
            for byte in b"".join([*before, *words, *after]):
                self._chunk(bytes((byte,)))
                await self._writer.drain()
            return await self._end()
        self._chunk(b"".join(before))
        for number, word in enumerate([*words, b""]):  # so that one may break off when only its end is missing
            if number == stop and name in ("hang_mid", "drop_mid", "reset_mid", "error_mid", "malformed", "tool_mid"):
                await self._writer.drain()
                await asyncio.sleep(0.005)  # so that what was said arrives before what comes now
                return await self._break(target)
            if name == "drip":
                await asyncio.sleep((20 if self._number is None else self._number) / 1000)
            self._chunk(word)
            await self._writer.drain()
        if name != "no_finish":
            self._chunk(b"".join(after))
        return await self._end()

    async def _break(self, target: str) -> bool:
        if self._name == "hang_mid":
            return await self._hang()
        if self._name == "error_mid":
            kind = b"event: error\n" if target.endswith("/messages") else b""
            self._chunk(b"%bdata: %b\n\n" % (kind, error(target, 500, "It broke.")))
            return await self._end()
        if self._name == "tool_mid":
            self._chunk(TOOL_BEGUN)
            await self._writer.drain()
            return False
        if self._name == "malformed":
            self._chunk(b'data: {"choices": [{"index\n\n')
            return await self._end()
        return self._over() if self._name == "reset_mid" else False

    async def _send(self, status: int, kind: str, body: bytes, more: tuple[tuple[str, str], ...] = ()) -> bool:
        if self._name == "gzip":
            body = gzip.compress(body)
        length = len(body) + {"length_short": -5, "length_long": 50}.get(self._name, 0)
        self._writer.write(self._head(status, kind, length, more) + body)
        await self._writer.drain()
        return self._name not in ("length_short", "length_long", "http10")

    def _head(self, status: int, kind: str, length: int | None, more: tuple[tuple[str, str], ...] = ()) -> bytes:
        headers = [("content-type", kind), *more]
        if self._name == "gzip":
            headers.append(("content-encoding", "gzip"))
        old = self._name == "http10"
        if self._name == "duplicated":
            headers = [*headers, *headers, ("x-request-id", "a"), ("x-request-id", "b")]
        if not old:
            headers.append(("transfer-encoding", "chunked") if length is None else ("content-length", str(length)))
        first = f"HTTP/1.{0 if old else 1} {status} {HTTPStatus(status).phrase if status != 529 else 'Overloaded'}"
        return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode()

    def _chunk(self, data: bytes) -> None:
        if data:
            self._writer.write(data if self._name == "http10" else b"%x\r\n%b\r\n" % (len(data), data))

    async def _end(self) -> bool:
        if self._name == "http10":
            return False
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return True

    async def _hang(self) -> bool:
        await _until_gone(self._reader)
        return False

    def _over(self) -> bool:
        _reset(self._writer)
        return False


async def _request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    """The next request of a connection: target, headers, body. None: there is no more."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    size = int(headers.get("content-length", "0"))
    if size > BODY_BYTES_MAX:
        return None
    return first.split(" ")[1], headers, await reader.readexactly(size)


async def _until_gone(reader: asyncio.StreamReader) -> None:
    """Say nothing until the other side has closed the connection."""
    while await reader.read(65536):
        pass


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what was on its way is lost."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _run(upstream: FaultyUpstream, host: str, port: int) -> None:
    await upstream.start(host, port)
    sys.stdout.write(f"{upstream.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Run until interrupted; the first line on standard output is the URL (OpenAI's paths are under /v1 there)."""
    told = "\n".join(f"  {name:18} {what}" for name, what in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m waystation.testing.faults",
        description=f"{__doc__}\n\nfaults:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", default="none", help="which call meets which fault, as 'drop_mid:3*2, none'")
    parser.add_argument("--seed", type=int, default=None, help="of what a script leaves to chance")
    options = parser.parse_args()
    try:
        upstream = FaultyUpstream(options.script, seed=options.seed)
    except BadScript as error_:
        parser.error(str(error_))
    try:
        asyncio.run(_run(upstream, options.host, options.port))
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
