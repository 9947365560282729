"""Anthropic's provider in front of a client that answers as the test says: bytes in, pieces of any size out."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from waystation.gateway.call import Call
from waystation.providers.anthropic.provider import Anthropic
from waystation.providers.model import ProviderConfig
from waystation.terms import (
    Abilities,
    Credential,
    Deployment,
    Dialect,
    Done,
    Model,
    Operation,
    Piece,
    Price,
    Secret,
    Target,
)
from waystation.wire.anthropic import read_messages
from waystation.wire.http import Headers, Origin, Timeouts

KEY = "sk-ant-api03-0123456789abcdefghij"
NOW = 1_800_000_000.0


class FakeResponse:
    def __init__(self, status: int, headers: Mapping[bytes, bytes], chunks: list[bytes]) -> None:
        self.status = status
        self.headers = {b"content-type": b"application/json", **headers}
        self._chunks = list(chunks)
        self.closed = self.drained = False

    async def read(self, size_bytes_max: int) -> bytes:
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)

    async def next(self) -> bytes:
        return self._chunks.pop(0) if self._chunks else b""

    def drain(self) -> None:
        self.drained = True

    def close(self) -> None:
        self.closed = True


class FakeHttp:
    """Answers every request with the same, and keeps what was asked."""

    def __init__(self, status: int, chunks: list[bytes], headers: Mapping[bytes, bytes]) -> None:
        self.response = FakeResponse(status, headers, chunks)
        self.target = ""
        self.host = ""
        self.headers: dict[str, str] = {}
        self.body: Any = None

    async def request(
        self, origin: Origin, method: str, target: str, headers: Headers, body: bytes, timeouts: Timeouts
    ) -> Any:
        assert method == "POST"
        assert isinstance(headers, bytes)
        self.host, self.target, self.body = origin.host, target, json.loads(body)
        self.headers = dict(line.split(": ", 1) for line in headers.decode().split("\r\n") if line)
        return self.response

    async def close(self) -> None: ...


def config(**more: Any) -> ProviderConfig:
    return ProviderConfig(name="claude", kind="anthropic", **more)


def target(upstream_model: str = "claude-opus-5-5", *, prefill: bool = False, price: Price | None = None) -> Target:
    abilities = Abilities(frozenset({Operation.CHAT}), 200_000, 8000, vision=True)
    deployment = Deployment("claude/it", "claude", upstream_model, prefill=prefill)
    return Target(deployment, Model("mine", deployment, abilities, price), Credential("c1", "main", Secret(KEY)))


def message_call(headers: dict[bytes, bytes] | None = None, **more: Any) -> Call:
    asked = {"model": "mine", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **more}
    body = json.dumps(asked).encode()
    return Call(
        Operation.CHAT, "req_1", body, read_messages(body), None, headers or {}, "127.0.0.1", 0, Dialect.ANTHROPIC
    )


def provider_of(http: FakeHttp, **more: Any) -> Anthropic:
    return Anthropic(config(credentials=(Credential("c1", "main", Secret(KEY)),), **more), http, now_s=lambda: NOW)


async def sent(provider: Anthropic, call: Call, to: Target | None = None) -> tuple[list[Piece], Done]:
    """All events of a call: its pieces and its end."""
    pieces: list[Piece] = []
    async with aclosing(provider.send(call, to or target())) as events:
        async for event in events:
            if isinstance(event, Done):
                return pieces, event
            pieces.append(event)
    raise AssertionError("no Done")


Story = Callable[[Anthropic, FakeHttp], Awaitable[None]]


def play(
    story: Story, *chunks: bytes, status: int = 200, headers: Mapping[bytes, bytes] | None = None, **settings: Any
) -> FakeHttp:
    http = FakeHttp(status, list(chunks), headers or {})
    asyncio.run(_run(story, provider_of(http, **settings), http))
    return http


async def _run(story: Story, provider: Anthropic, http: FakeHttp) -> None:
    await story(provider, http)
    assert http.response.closed
