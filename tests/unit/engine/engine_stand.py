"""What tests of the real engine share: children that run, a provider to them, calls as the door would make them."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from waystation.engine.children import answers, cores
from waystation.engine.model import (
    DEFAULT_CHAT_FILE,
    EMBEDDING_MODEL,
    ChildSpec,
    LocalModel,
    default_chat_model,
    engine_socket,
)
from waystation.engine.provider import EngineProvider
from waystation.engine.sources import models_folder, pull
from waystation.gateway.call import Call
from waystation.metering.tokens import Tokenizers
from waystation.runtime.http_client import HttpClient
from waystation.terms import Abilities, Deployment, Done, Event, Model, Operation, Piece, Target
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings
from waystation.wire.http import Origin, Timeouts

READERS: dict[Operation, Any] = {
    Operation.CHAT: read_chat,
    Operation.COMPLETION: read_completion,
    Operation.EMBEDDINGS: read_embeddings,
}
START_S_MAX = 60
OUTPUT_TOKENS_MAX = 4096


def default_model() -> LocalModel:
    """The default chat model, pulled into the shared cache if it isn't there."""
    pull(DEFAULT_CHAT_FILE, models_folder())
    return default_chat_model(models_folder())


@contextmanager
def child(model: LocalModel, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child of this test run that answers."""
    socket = engine_socket(data, model.name)
    threads = int(os.environ.get("WAYSTATION_TEST_ENGINE_THREADS") or cores())
    spec = ChildSpec(model, str(socket), os.getpid(), threads)
    with subprocess.Popen([sys.executable, "-m", "waystation.engine.child", spec.to_json()]) as process:
        try:
            until = time.monotonic() + START_S_MAX
            while not asyncio.run(answers(socket, 5)):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


class Engine:
    """The provider of running children, with calls in the caller's words."""

    def __init__(self, data: Path, chat: LocalModel) -> None:
        self.data = data
        self.chat = chat

    def chats(self, body: dict[str, Any], name: str = "gpt-4o-mini") -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        return asyncio.run(self._whole(Operation.CHAT, body, name))

    def completes(self, body: dict[str, Any]) -> dict[str, Any]:
        return asyncio.run(self._whole(Operation.COMPLETION, body, self.chat.name))

    def embeds(self, body: dict[str, Any]) -> dict[str, Any]:
        return asyncio.run(self._whole(Operation.EMBEDDINGS, body, EMBEDDING_MODEL.name))

    def streams(self, body: dict[str, Any], operation: Operation = Operation.CHAT) -> list[dict[str, Any]]:
        """The chunks of an answer that is streamed; its end is checked."""
        return asyncio.run(self._streamed(operation, {"stream": True, **body}))

    async def _whole(self, operation: Operation, body: dict[str, Any], name: str) -> dict[str, Any]:
        async with self.provider() as provider:
            events = [event async for event in self.send(provider, operation, body, name)]
        assert len(events) == 1
        assert isinstance(events[0], Done)
        assert events[0].usage is not None
        told: dict[str, Any] = json.loads(events[0].data)
        assert told["usage"]["prompt_tokens"] == events[0].usage.input_tokens
        return told

    async def _streamed(self, operation: Operation, body: dict[str, Any]) -> list[dict[str, Any]]:
        async with self.provider() as provider:
            events = [event async for event in self.send(provider, operation, body, "gpt-4o-mini")]
        *pieces, done = events
        assert all(isinstance(piece, Piece) for piece in pieces)
        assert isinstance(done, Done)
        data = b"".join(event.data for event in events)
        assert data.endswith(b"data: [DONE]\n\n")
        return [json.loads(line[6:]) for line in data.decode().split("\n\n") if line.startswith("data: {")]

    async def send(
        self, provider: EngineProvider, operation: Operation, body: dict[str, Any], name: str, project: str = "p"
    ) -> AsyncIterator[Event]:
        call = self.call(operation, body, name)
        call.project = project
        async with aclosing(provider.send(call, self.target(operation))) as events:
            async for event in events:
                yield event

    def call(self, operation: Operation, body: dict[str, Any], name: str = "gpt-4o-mini") -> Call:
        data = msgspec.json.encode({"model": name, **body})
        call = Call(operation, "req_1", data, READERS[operation](data), None, {}, "127.0.0.1", time.monotonic_ns())
        call.project = "p"
        return call

    def target(self, operation: Operation) -> Target:
        model = self.model(operation)
        return Target(model.deployment, model)

    def model(self, operation: Operation) -> Model:
        local = EMBEDDING_MODEL if operation is Operation.EMBEDDINGS else self.chat
        abilities = Abilities(frozenset(READERS), local.context_tokens, OUTPUT_TOKENS_MAX)
        return Model(local.name, Deployment(f"local/{local.name}", "engine", local.name), abilities, None)

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[EngineProvider]:
        http = HttpClient()
        assert self.chat.path is not None
        tokenizers = Tokenizers({self.chat.name: self.chat.path})
        try:
            yield EngineProvider(http, self.data, [self.chat, EMBEDDING_MODEL], tokenizers)
        finally:
            await http.close()

    async def busy_slots(self) -> int:
        """How many answers llama.cpp is writing, as it says itself."""
        http = HttpClient()
        origin = Origin("unix", str(engine_socket(self.data, self.chat.name)), 0)
        try:
            response = await http.request(origin, "GET", "/slots", (), b"", Timeouts())
            slots = json.loads(await response.read(1 << 20))
        finally:
            await http.close()
        return sum(slot["is_processing"] for slot in slots)
