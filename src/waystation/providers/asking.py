"""Ask an upstream and read its answer into the vocabulary: what the providers of all dialects do alike.

What is sent and how an answer reads is the dialect's; who is asked next is routing's.
"""

from collections.abc import AsyncGenerator, Callable, Mapping

import msgspec

from waystation.dialects.saying import BadAnswer, ErrorInAnswer, Reader, Saying
from waystation.errors import ApiError, UpstreamFailed
from waystation.providers.model import ProviderConfig
from waystation.providers.refusals import fault
from waystation.wire.http import Disconnected, Headers, Http, HttpFault, Origin, Response, Timeouts

ANSWER_BYTES_MAX = 128 * 1024 * 1024
"""A whole answer: 2048 embeddings of 3072 numbers fit."""
REFUSAL_BYTES_MAX = 256 * 1024
"""An error's body; of a longer one nothing is read."""


class Line(msgspec.Struct, frozen=True):
    """The way to one provider."""

    http: Http
    origin: Origin
    timeouts: Timeouts


def line_to(config: ProviderConfig, http: Http, base_url: str) -> Line:
    """The way to a configured provider, whose API begins at `base_url` unless it says another. Raises ValueError."""
    timeouts = Timeouts(
        config.connect_timeout_s, config.first_byte_timeout_s, config.idle_timeout_s, config.total_timeout_s
    )
    return Line(http, Origin.parse(config.base_url or base_url), timeouts)


Refused = Callable[[int, Mapping[bytes, bytes], bytes], ApiError]
"""(status, headers, body) → the error for the caller. An error inside an answer comes with status 0 and no headers."""


async def ask(
    line: Line, path: str, headers: Headers, body: bytes, reader: Reader, refused: Refused, *, model: str
) -> AsyncGenerator[Saying]:
    """POST `body` to `path` (under the origin's own) and read what comes. Raises an ApiError with its blame.

    `model` is the name that errors say. Closing the generator cancels the call upstream.
    """
    try:
        response = await line.http.request(line.origin, "POST", line.origin.path + path, headers, body, line.timeouts)
        try:
            if response.status != 200:
                raise refused(response.status, response.headers, await refusal_body(response))
            if b"text/html" in response.headers.get(b"content-type", b"").lower():
                raise UpstreamFailed(f"The provider of the model `{model}` answered with a web page.")
            size = 0
            while not reader.over:
                try:
                    data = await response.next()
                except Disconnected:
                    for saying in _last(reader):
                        yield saying
                    return
                if not data:
                    break
                size += len(data)
                if size > ANSWER_BYTES_MAX:
                    raise BadAnswer(f"it is longer than {ANSWER_BYTES_MAX} bytes")
                for saying in reader.feed(data):
                    yield saying
            for saying in reader.finish():
                yield saying
            response.drain()
        finally:
            response.close()
    except HttpFault as error:
        raise fault(error, model) from error
    except ErrorInAnswer as error:
        raise refused(0, {}, error.body) from None
    except BadAnswer as error:
        raise UpstreamFailed(
            f"The provider of the model `{model}` sent what is no answer.", detail=str(error)
        ) from None


async def whole(line: Line, path: str, headers: Headers, body: bytes, refused: Refused, *, model: str) -> bytes:
    """POST `body` to `path` and return the answer's. For what is no text. Raises an ApiError with its blame."""
    try:
        response = await line.http.request(line.origin, "POST", line.origin.path + path, headers, body, line.timeouts)
        try:
            if response.status != 200:
                raise refused(response.status, response.headers, await refusal_body(response))
            return await response.read(ANSWER_BYTES_MAX)
        finally:
            response.close()
    except HttpFault as error:
        raise fault(error, model) from error


def _last(reader: Reader) -> list[Saying]:
    """What is said at the end of an answer whose connection broke. Raises Disconnected unless it was whole."""
    try:
        return reader.finish()
    except BadAnswer:
        raise Disconnected("before the answer was whole", before_head=False) from None


async def refusal_body(response: Response) -> bytes:
    """The body of an answer that is no 200; empty where it can't be read, since the status alone says enough."""
    try:
        return await response.read(REFUSAL_BYTES_MAX)
    except HttpFault:
        return b""
