"""A transport for the SDK's client that keeps every exchange as it came. Judging is the business of described.py."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx2


@dataclass
class Exchange:
    """One request and what was answered, as the bytes that came."""

    method: str
    path: str
    status: int
    headers: httpx2.Headers
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False  # False where the client left before the end

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    def events(self) -> list[str]:
        """The data of each whole server-sent event."""
        text = bytes(self.body).decode()
        whole = text.split("\n\n")[:-1]
        return [line[6:] for event in whole for line in event.split("\n") if line.startswith("data: ")]


class _Tee(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, exchange: Exchange) -> None:
        self._stream, self._exchange = stream, exchange

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._exchange.body += chunk
            yield chunk
        self._exchange.is_whole = True

    def close(self) -> None:
        self._stream.close()


class Recorder(httpx2.HTTPTransport):
    """The ordinary transport; `exchanges` has all that went through it."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []
        self.is_ours = True  # False: the bodies are a provider's, passed on as they came

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        exchange = Exchange(request.method, request.url.path, response.status_code, response.headers)
        self.exchanges.append(exchange)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Tee(response.stream, exchange)
        return response


class _AsyncTee(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, exchange: Exchange) -> None:
        self._stream, self._exchange = stream, exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._exchange.body += chunk
            yield chunk
        self._exchange.is_whole = True

    async def aclose(self) -> None:
        await self._stream.aclose()


class AsyncRecorder(httpx2.AsyncHTTPTransport):
    """The same for the asynchronous client."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        exchange = Exchange(request.method, request.url.path, response.status_code, response.headers)
        self.exchanges.append(exchange)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _AsyncTee(response.stream, exchange)
        return response
