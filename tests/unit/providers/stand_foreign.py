"""A provider that speaks its own dialect, in front of a server that says what a test tells it to."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.unit.runtime.http_stand import Line, Server, serving
from waystation.dialects.ask import Ask
from waystation.dialects.saying import Saying
from waystation.gateway.call import Call
from waystation.providers.model import ProviderConfig
from waystation.routing.seam import Provider
from waystation.runtime.http_client import HttpClient
from waystation.terms import Abilities, Credential, Deployment, Dialect, Model, Operation, Secret, Target
from waystation.wire.http import Http

KEY = "key-upstream-0123456789abcdefghij"
NOW_S = 1_750_000_000.0


def credential(secret: str | None = KEY) -> Credential:
    return Credential("crd_1", "first", None if secret is None else Secret(secret))


def target(upstream_model: str, shown: Credential, *, prefill: bool = False) -> Target:
    """A model that is called `mine` here and `upstream_model` there."""
    deployment = Deployment("there/it", "there", upstream_model, prefill=prefill)
    return Target(deployment, Model("mine", deployment, Abilities(frozenset(Operation), 32768, 4096), None), shown)


def call(dialect: Dialect = Dialect.OPENAI) -> Call:
    return Call(Operation.CHAT, "req_1", b"{}", None, None, {}, "127.0.0.1", 0, dialect)


def answer(body: bytes | dict[str, Any], status: int = 200, kind: str = "application/json", *lines: str) -> bytes:
    """A whole answer of the server's."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def head_of(request: bytes) -> tuple[str, dict[str, str]]:
    """The request's target, and its headers with names in lower case."""
    first, *lines = request.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return first.split(" ")[1], {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def body_of(request: bytes) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return made


Make = Callable[[ProviderConfig, Http], Provider]


def told(
    make: Make,
    ask: Ask,
    model: str,
    replies: Sequence[bytes],
    *,
    secret: str | None = KEY,
    made_call: Call | None = None,
    prefill: bool = False,
    **config: Any,
) -> tuple[list[Saying], bytes]:
    """All that a provider tells of a server that replies so, and the request that the server got.

    Raises what the provider raises. At the end no connection and no task may be left.
    """
    seen: list[bytes] = []

    async def script(line: Line) -> None:
        seen.append(await line.request())
        for reply in replies:
            await line.say(reply)

    async def run() -> list[Saying]:
        http = HttpClient(tick_s=0.01)
        shown = credential(secret)
        async with serving(script) as server:
            made = make(_config(server, shown, **config), http)
            try:
                sayings = made.tell(ask, target(model, shown, prefill=prefill), made_call or call())
                return [saying async for saying in sayings]
            finally:
                await http.close()

    return asyncio.run(run()), seen[0] if seen else b""


def _config(server: Server, shown: Credential, **more: Any) -> ProviderConfig:
    url = f"http://{server.origin.host}:{server.origin.port}/base"
    return ProviderConfig(name="there", base_url=url, credentials=(shown,), **more)
