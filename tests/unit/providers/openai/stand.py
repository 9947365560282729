"""A provider in front of the fake upstream, and calls to send through it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from waystation.gateway.call import Call
from waystation.providers.model import ProviderConfig
from waystation.providers.openai.provider import OpenAI, RulesFor
from waystation.runtime.http_client import HttpClient
from waystation.terms import Abilities, Credential, Deployment, Dialect, Done, Model, Operation, Piece, Secret, Target
from waystation.testing.upstream import Upstream
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings
from waystation.wire.moderations import read_moderation
from waystation.wire.responses import read_response

KEY = "sk-upstream-0123456789abcdefghij"


CREDENTIAL = Credential("cred-1", "first", Secret(KEY))


def config_of(url: str, **more: Any) -> ProviderConfig:
    times = {"connect_timeout_s": 1.0, "first_byte_timeout_s": 1.0, "idle_timeout_s": 1.0, "total_timeout_s": 5.0}
    given: dict[str, Any] = {"name": "there", "base_url": url, "credentials": (CREDENTIAL,), **times, **more}
    return ProviderConfig(**given)


def chat_call(model: str = "fake", **more: Any) -> Call:
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "model": model, **more}).encode()
    return Call(Operation.CHAT, "req_1", body, read_chat(body), None, {}, "127.0.0.1", 0)


def response_call(model: str = "plain", **more: Any) -> Call:
    body = json.dumps({"input": "hi", "model": model, "store": False, **more}).encode()
    read = read_response(body)
    return Call(Operation.CHAT, "req_1", body, read, None, {}, "127.0.0.1", 0, Dialect.RESPONSES)


def completion_call(model: str = "fake", **more: Any) -> Call:
    body = json.dumps({"prompt": "hi", "model": model, **more}).encode()
    return Call(Operation.COMPLETION, "req_1", body, read_completion(body), None, {}, "127.0.0.1", 0)


def moderation_call(model: str = "fake", **more: Any) -> Call:
    body = json.dumps({"model": model, "input": "hi"} | more).encode()
    return Call(Operation.MODERATIONS, "req_1", body, read_moderation(body), None, {}, "127.0.0.1", 0)


def embeddings_call(model: str = "fake", **more: Any) -> Call:
    body = json.dumps({"input": "hi", "model": model, **more}).encode()
    return Call(Operation.EMBEDDINGS, "req_1", body, read_embeddings(body), None, {}, "127.0.0.1", 0)


def model_of(upstream_model: str) -> Model:
    """A model that is called `mine` here and `upstream_model` there."""
    abilities = Abilities(frozenset(Operation), 32768, 4096)
    return Model("mine", Deployment("there/it", "there", upstream_model), abilities, None)


Story = Callable[[OpenAI, Upstream, HttpClient], Awaitable[None]]


def play(story: Story, rules: RulesFor | None = None, *, below: str = "/v1", **settings: Any) -> None:
    """Run a story with a provider and its upstream; at its end nothing may be left open."""

    async def run() -> None:
        http = HttpClient(tick_s=0.01)
        async with Upstream() as upstream:
            provider = OpenAI(config_of(upstream.url.removesuffix("/v1") + below, **settings), http, rules=rules)
            await story(provider, upstream, http)
            assert len(asyncio.all_tasks()) == 1 + upstream.meter.open_answers
            await http.close()

    asyncio.run(run())


async def sent(provider: OpenAI, call: Call, upstream_model: str | None = None) -> tuple[list[Piece], Done]:
    """All events of a call: its pieces and its end."""
    pieces: list[Piece] = []
    model = model_of(upstream_model or call.request.model)
    async for event in provider.send(call, target_of(model)):
        if isinstance(event, Done):
            return pieces, event
        pieces.append(event)
    raise AssertionError("no Done")


def chunks(*events: Piece | Done) -> list[Any]:
    """The JSON of all events but [DONE]."""
    data = b"".join(event.data for event in events).replace(b"\r\n", b"\n")
    lines = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def target_of(model: Model) -> Target:
    return Target(model.deployment, model)
