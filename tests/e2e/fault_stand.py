"""A door, a router and upstreams that fail, in one process: what the tests of faults stand on."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.unit.http.door_stand import Stand as Door
from tests.unit.http.door_stand import StandingWay, chat, stand
from tests.unit.routing.routes import OPENAI, SPOKEN_HERE, deployment, model
from waystation.dialects.ask import Ask
from waystation.dialects.saying import BadAnswer, Begun, Ended, Saying, TextDelta, Used
from waystation.gateway.call import Call
from waystation.providers.asking import Line, ask
from waystation.providers.openai.provider import OpenAI
from waystation.providers.refusals import refusal
from waystation.routing.router import Router
from waystation.runtime.clock import Clock
from waystation.runtime.http_client import HttpClient
from waystation.terms import NO_CREDENTIAL, Done, Event, Model, Operation, Piece, Target, Usage
from waystation.testing.faults import FaultyUpstream
from waystation.wire.http import Origin, Timeouts
from waystation.wire.sse import Framer, data_of

HANGS_S, PATIENCE_S = 0.1, 3.0
"""Time-outs where an upstream hangs, and where none does: then a slow machine is no fault."""


class Key:
    def reveal(self) -> str:
        return "sk-upstream-0123456789abcdefghij"


@dataclass
class Settings:
    name: str
    base_url: str
    api_key: Key | None = field(default_factory=Key)
    headers: dict[str, str] = field(default_factory=dict)
    connect_timeout_s: float = PATIENCE_S
    first_byte_timeout_s: float = PATIENCE_S
    idle_timeout_s: float = PATIENCE_S
    total_timeout_s: float = 5.0


class Upstream:
    """The provider of a faulty upstream: natively what the product has, told with a reader of these tests."""

    credentials = (NO_CREDENTIAL,)
    concurrency_max = None
    native = OPENAI
    operations = frozenset(Operation)

    def __init__(self, name: str, url: str, http: HttpClient, patience_s: float) -> None:
        self.name = name
        times = [patience_s] * 3
        self._native = OpenAI(Settings(name, f"{url}/v1", Key(), {}, *times), http)
        self._line = Line(http, Origin.parse(f"{url}/v1"), Timeouts(*times, 5.0))

    def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        return self._native.send(call, target)

    def tell(self, question: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": question.said}]
        body = json.dumps({"model": "m", "stream": True, "messages": turns, "stream_options": {"include_usage": True}})
        name = target.model.name

        def refused(status: int, headers: Any, said: bytes) -> Any:
            return refusal(status, headers, said, model=name, now_s=0)

        return ask(self._line, "/chat/completions", (), body.encode(), Chunks(), refused, model=name)


class Chunks:
    """Reads the chunks of the faulty upstream."""

    def __init__(self) -> None:
        self.over = False
        self._framer = Framer()

    def feed(self, data: bytes) -> list[Saying]:
        return [saying for event in self._framer.feed(data) for saying in self._read(data_of(event))]

    def finish(self) -> list[Saying]:
        if not self.over:
            raise BadAnswer("it has no end")
        return []

    def _read(self, data: bytes) -> list[Saying]:
        if data == b"[DONE]":
            self.over = True
            return []
        chunk = json.loads(data)
        if usage := chunk.get("usage"):
            return [Used(Usage(usage["prompt_tokens"], usage["completion_tokens"]))]
        choice = chunk["choices"][0]
        said: list[Saying] = [TextDelta(choice["delta"]["content"])] if choice["delta"].get("content") else [Begun()]
        return [*said, Ended(choice["finish_reason"])] if choice["finish_reason"] else said


@dataclass
class Seen:
    """What the client got, and what the ledger would charge."""

    status: int
    headers: dict[str, str]
    body: bytes
    calls: list[Call]
    received: list[Event]

    @property
    def error(self) -> dict[str, Any] | None:
        """Of the body, or of the stream's last event."""
        for line in reversed([self.body, *(self._lines())]):
            if b'"error"' in line:
                found: dict[str, Any] = json.loads(line)["error"]
                return found
        return None

    @property
    def text(self) -> str:
        if not self.body.startswith(b"data:"):
            told = json.loads(self.body)
            return str(told["choices"][0]["message"]["content"]) if "choices" in told else ""
        chunks = [json.loads(line) for line in self._lines() if line != b"[DONE]"]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def ids(self) -> set[str]:
        return {json.loads(line)["id"] for line in self._lines() if line != b"[DONE]" and b'"id"' in line}

    @property
    def attempts(self) -> int:
        return self.calls[-1].attempts

    @property
    def charged(self) -> Usage | str:
        """The usage that was told, or the text that was received, to be counted."""
        last = self.received[-1] if self.received else None
        if isinstance(last, Done) and last.usage is not None:
            return last.usage
        return "".join(event.text for event in self.received if isinstance(event, Piece))

    def _lines(self) -> list[bytes]:
        return [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]


class Client:
    """Asks through the door."""

    def __init__(self, door: Door, way: "Metered", upstreams: dict[str, FaultyUpstream], router: Router) -> None:
        self.door = door
        self.way = way
        self.upstreams = upstreams
        self.router = router

    async def asks(self, *, stream: bool) -> Seen:
        self.way.received = []
        async with asyncio.timeout(10):
            status, headers, body = await self.door.ask(chat(stream=stream))
        return Seen(status, headers, body, self.way.calls, self.way.received)

    async def settled(self) -> None:
        """Nothing is under way any more: no call, no answer upstream, nothing that was lost on the way."""
        async with asyncio.timeout(2):
            while any(upstream.open_answers for upstream in self.upstreams.values()):
                await asyncio.sleep(0.005)
        assert all(one.in_flight == 0 for one in self.router.health())
        assert all(state.in_flight == 0 for state in self.router.standing.providers.values())


class Metered(StandingWay):
    """Keeps what passes the meter."""

    received: list[Event]

    def meter(self, event: Event) -> Event:
        self.received.append(event)
        return event


def play(story: Callable[[Client], Awaitable[None]], *scripts: str, prefill: bool = False, chance: float = 0.0) -> None:
    """Run a story with an upstream for each script, `a`, `b` …: each is a tier. The first pause of a repeat is none."""

    async def run(door: Door) -> None:
        http = HttpClient(tick_s=0.01)
        upstreams = {name: FaultyUpstream(script) for name, script in zip("abc", scripts, strict=False)}
        for upstream in upstreams.values():
            await upstream.start()
        patience_s = HANGS_S if any("hang" in script for script in scripts) else PATIENCE_S
        try:
            providers = {name: Upstream(name, one.url, http, patience_s) for name, one in upstreams.items()}
            router = Router(
                providers,
                clock=Clock(),
                count_tokens=lambda text, _: len(text.split()),
                chance=lambda: chance,
                spoken=SPOKEN_HERE,
            )
            route: Model = model(*([deployment(f"{name}/m", prefill=prefill and name != "a")] for name in upstreams))
            way.attempt = lambda call, _: router.attempt(call, route)  # type: ignore[method-assign]
            client = Client(door, way, upstreams, router)
            await story(client)
            await client.settled()
        finally:
            for upstream in upstreams.values():
                await upstream.down()
            await http.close()

    way = Metered()
    stand(run, way)
