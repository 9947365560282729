"""What tests of routing stand on: deployments, models, options by short names, and providers that play a script."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from waystation.dialects.ask import Ask, Text, Turn
from waystation.dialects.saying import Begun, Ended, Saying, TextDelta, Used, text_of
from waystation.dialects.table import Envelope, Spoken
from waystation.errors import ApiError, RateLimitExceeded, Unsupported, UpstreamFailed, UpstreamRejected
from waystation.gateway.call import Call
from waystation.routing.router import Router
from waystation.routing.seam import Larder, Words
from waystation.terms import (
    NO_CREDENTIAL,
    Abilities,
    Blame,
    Credential,
    Deployment,
    Dialect,
    Done,
    Event,
    Model,
    Operation,
    Piece,
    Route,
    Target,
    Usage,
)
from waystation.testing.clock import FakeClock
from waystation.wire.chat import read_chat
from waystation.wire.completions import read_completion
from waystation.wire.embeddings import read_embeddings

ABILITIES = Abilities(frozenset(Operation), 32_768, 4096)
OPENAI = frozenset((Dialect.OPENAI, operation) for operation in Operation)
READ: dict[Operation, Any] = {
    Operation.CHAT: read_chat,
    Operation.COMPLETION: read_completion,
    Operation.EMBEDDINGS: read_embeddings,
}


def deployment(name: str, **more: Any) -> Deployment:
    """`deployment("a/x")` is the model x at the provider a."""
    provider, _, upstream = name.partition("/")
    return Deployment(name, provider, upstream or "m", **more)


def model(
    *tiers: Sequence[Deployment | str],
    name: str = "m",
    abilities: Abilities = ABILITIES,
    fallbacks: Sequence[Model] = (),
    **route: Any,
) -> Model:
    found = tuple(tuple(deployment(one) if isinstance(one, str) else one for one in tier) for tier in tiers)
    return Model(
        name,
        found[0][0],
        abilities,
        None,
        tiers=found,
        route=Route(**route) if route else None,
        fallbacks=tuple(fallbacks),
    )


def blamed(error: ApiError, blame: Blame | None) -> ApiError:
    error.blame = blame
    return error


def failure(blame: Blame, *, retry_after_ms: int | None = None) -> ApiError:
    if blame is Blame.LIMIT:
        return blamed(RateLimitExceeded("At its limit.", retry_after_ms=retry_after_ms), blame)
    if blame is Blame.BUSY:
        return blamed(RateLimitExceeded("Its queue is full.", retry_after_ms=retry_after_ms), blame)
    if blame is Blame.CALLER:
        return UpstreamRejected("You asked wrongly.")
    return blamed(UpstreamFailed(f"It failed: {blame.value}.", retry_after_ms=retry_after_ms), blame)


def call_of(
    body: Mapping[str, Any] | None = None, operation: Operation = Operation.CHAT, dialect: Dialect = Dialect.OPENAI
) -> Call:
    asked: dict[str, Any] = {"model": "m"}
    if operation is Operation.CHAT:
        asked["messages"] = [{"role": "user", "content": "hi"}]
    elif operation is Operation.COMPLETION:
        asked["prompt"] = "Count:"
    else:
        asked["input"] = "hi"
    data = json.dumps(asked | dict(body or {})).encode()
    call = Call(operation, "req_1", data, READ[operation](data), None, {}, "127.0.0.1", 0, dialect)
    call.project = "project"
    return call


# -- the dialect of these tests: OpenAI's chunks, as few members as will do


def event(
    text: str | None = None, *, envelope: Envelope | None = None, finish: str | None = None, **delta: Any
) -> bytes:
    given = envelope or Envelope("id-1", "m", 1)
    told = {**({} if text is None else {"content": text}), **delta}
    chunk = {
        "id": given.id,
        "model": given.model,
        "created": given.created,
        "choices": [{"index": 0, "delta": told, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class SmallWriter:
    """Writes the opening with its first piece, as the real ones do."""

    def __init__(self, envelope: Envelope, request: Any) -> None:
        self.envelope = envelope
        self.opened = False

    def piece(self, sayings: Iterable[Saying]) -> bytes:
        out = b""
        for saying in sayings:
            if not self.opened:
                self.opened = True
                out += event("", envelope=self.envelope, role="assistant")
            if isinstance(saying, TextDelta):
                out += event(saying.text, envelope=self.envelope)
            elif isinstance(saying, Ended):
                out += event(envelope=self.envelope, finish=saying.reason)
        return out

    def done(self, usage: Usage | None) -> Done:
        return Done(b"data: [DONE]\n\n", usage)

    def cut(self) -> Done:
        return Done(event(envelope=self.envelope, finish="length") + b"data: [DONE]\n\n", None)

    def whole(self, sayings: Iterable[Saying], usage: Usage | None) -> Done:
        text = "".join(text_of(saying) for saying in sayings)
        return Done(json.dumps({"id": self.envelope.id, "text": text}).encode(), usage)


def small_ask(body: bytes, request: Any, output_tokens_max: int | None) -> Ask:
    asked = json.loads(body)
    if asked.get("service_tier") == "flex":
        raise Unsupported("No other dialect has service tiers.", param="service_tier")
    limits = [limit for limit in (request.output_tokens_asked, output_tokens_max) if limit is not None]
    return Ask(
        stream=request.stream,
        turns=tuple(Turn(one["role"], (Text(one["content"]),)) for one in asked.get("messages", ())),
        prompt=asked.get("prompt"),
        choices=request.choices,
        logprobs=0 if asked.get("logprobs") else None,
        output_tokens_max=min(limits, default=None),
        extra={name: asked[name] for name in ("echo", "suffix") if name in asked},
    )


def small_envelope(data: bytes) -> Envelope:
    assert data.count(b"\n\n") == 1
    chunk = json.loads(data.removeprefix(b"data: "))
    return Envelope(chunk["id"], chunk["model"], chunk["created"])


SMALL = Spoken(small_ask, SmallWriter, small_envelope, lambda model, created: Envelope("id-new", model, created))
SPOKEN_HERE = {
    (Dialect.OPENAI, Operation.CHAT): SMALL,
    (Dialect.OPENAI, Operation.COMPLETION): SMALL,
    (Dialect.ANTHROPIC, Operation.CHAT): SMALL,
}


# -- providers that play a script: a list of steps for each call

Step = Event | ApiError | Callable[[], Any]
"""An event, an error that is raised, or something that is awaited."""


def words(*texts: str, finish: bool = True) -> list[Step]:
    """A stream of these texts."""
    steps: list[Step] = [Piece(event("", role="assistant"))]
    steps += [Piece(event(text), text) for text in texts]
    if finish:
        steps += [Piece(event(finish="stop")), Done(b"data: [DONE]\n\n", Usage(10, len(texts)))]
    return steps


def whole(text: str = "Yes.") -> list[Step]:
    return [Done(json.dumps({"text": text}).encode(), Usage(10, 2))]


class Scripted:
    """A provider whose n-th call plays the n-th script; the last one is played from then on."""

    def __init__(
        self,
        name: str,
        *scripts: Sequence[Step],
        credentials: Sequence[Credential] = (NO_CREDENTIAL,),
        concurrency_max: int | None = None,
        native: Iterable[tuple[Dialect, Operation]] = OPENAI,
        operations: Iterable[Operation] = tuple(Operation),
        told: Sequence[Sequence[Saying | ApiError]] = (),
    ) -> None:
        self.name = name
        self.credentials = credentials
        self.concurrency_max = concurrency_max
        self.native = frozenset(native)
        self.operations = frozenset(operations)
        self.scripts = scripts or (whole(),)
        self.told = told
        self.calls: list[Target] = []
        self.asked: list[Ask] = []
        self.open = 0

    async def send(self, call: Call, target: Target) -> AsyncGenerator[Event]:
        script = self.scripts[min(len(self.calls), len(self.scripts) - 1)]
        self.calls.append(target)
        self.open += 1
        try:
            for step in script:
                if isinstance(step, ApiError):
                    raise blamed(type(step)(step.message, retry_after_ms=step.retry_after_ms), step.blame)
                if isinstance(step, Piece | Done):
                    yield msgspec.structs.replace(step)
                else:
                    await step()
        finally:
            self.open -= 1

    async def tell(self, ask: Ask, target: Target, call: Call) -> AsyncGenerator[Saying]:
        script = self.told[min(len(self.asked), len(self.told) - 1)]
        self.asked.append(ask)
        self.open += 1
        try:
            for step in script:
                await asyncio.sleep(0)
                if isinstance(step, ApiError):
                    raise step
                yield step
        finally:
            self.open -= 1


def sayings(*texts: str, usage: Usage | None = None) -> list[Saying | ApiError]:
    said: list[Saying | ApiError] = [Begun("theirs", "theirs"), *(TextDelta(text) for text in texts), Ended("stop")]
    return [*said, Used(usage)] if usage is not None else said


class Stand:
    """A router over providers, with a clock that the tests turn: whoever sleeps is woken at once, and the time has passed."""

    def __init__(
        self, *providers: Scripted, larder: Larder | None = None, words: Words | None = None, seed: int = 1
    ) -> None:
        self.clock = PassingClock()
        self.refused: list[tuple[str, str, str]] = []
        self.providers = {provider.name: provider for provider in providers}
        self.router = Router(
            self.providers,
            larder,
            words,
            clock=self.clock,
            count_tokens=lambda text, _: len(text.split()),
            chance=random.Random(seed).random,
            on_refused=lambda *refused: self.refused.append(refused),
            spoken=SPOKEN_HERE,
        )

    def answers(self, wanted: Model, call: Call | None = None) -> "Answer":
        return asyncio.run(self.answer(wanted, call))

    async def answer(self, wanted: Model, call: Call | None = None) -> "Answer":
        """A call to its end; at its end nothing is left open anywhere."""
        asked = call or call_of()
        answer = Answer(asked)
        events = self.router.attempt(asked, wanted)
        try:
            async for one in events:
                answer.events.append(one)
        except ApiError as error:
            answer.error = error
        await events.aclose()
        assert all(provider.open == 0 for provider in self.providers.values())
        assert all(state.in_flight == 0 for state in self.router.standing.providers.values())
        assert all(state.in_flight == 0 for state in self.router.standing.deployments.values())
        return answer


class Answer:
    def __init__(self, call: Call) -> None:
        self.call = call
        self.events: list[Event] = []
        self.error: ApiError | None = None

    @property
    def data(self) -> bytes:
        return b"".join(one.data for one in self.events)

    @property
    def chunks(self) -> list[dict[str, Any]]:
        lines = self.data.decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def text(self) -> str:
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in self.chunks)

    @property
    def done(self) -> Done:
        last = self.events[-1]
        assert isinstance(last, Done)
        assert sum(isinstance(one, Done) for one in self.events) == 1
        return last


class PassingClock(FakeClock):
    """Who sleeps has slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


def numbered(count: int) -> Iterable[int]:
    return itertools.islice(itertools.count(1), count)
