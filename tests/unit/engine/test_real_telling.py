"""The engine tells its answers in the vocabulary, and goes on with an answer that broke off, with the real model."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from tests.unit.engine.engine_stand import Engine
from waystation.dialects.ask import Ask, Text, Turn
from waystation.dialects.saying import Begun, Ended, Saying, TextDelta, Used
from waystation.engine.provider import EngineProvider
from waystation.engine.upstream import Upstream
from waystation.errors import Unsupported
from waystation.metering.tokens import Tokenizers
from waystation.runtime.http_client import HttpClient
from waystation.terms import Blame, Operation

COUNT = Ask(
    stream=True,
    turns=(Turn("user", (Text("Count from 1 to 12 as digits, separated by a comma and a space. Nothing else."),)),),
    temperature=0,
    seed=1,
    output_tokens_max=48,
)


def body_of(ask: Ask, model: str) -> dict[str, Any]:
    """As far as these tests ask."""
    said: dict[str, Any] = {"model": model, "temperature": ask.temperature, "seed": ask.seed, **ask.extra}
    if ask.prompt is not None:
        return {**said, "prompt": ask.prompt}
    turns = [(turn.role, "".join(part.text for part in turn.parts if isinstance(part, Text))) for turn in ask.turns]
    return {**said, "messages": [{"role": role, "content": text} for role, text in turns]}


def told(engine: Engine, ask: Ask, *, with_body: bool = True) -> list[Saying]:
    async def run() -> list[Saying]:
        http = HttpClient()
        assert engine.chat.path is not None
        tokenizers = Tokenizers({engine.chat.name: engine.chat.path})
        given = body_of if with_body else None
        provider = EngineProvider(http, engine.data, [engine.chat], tokenizers, body_of=given)
        call = engine.call(Operation.CHAT, {"messages": [{"role": "user", "content": "hi"}]}, engine.chat.name)
        try:
            async with aclosing(provider.tell(ask, engine.target(Operation.CHAT), call)) as sayings:
                return [saying async for saying in sayings]
        finally:
            await http.close()

    return asyncio.run(run())


def text(sayings: Sequence[Saying]) -> str:
    return "".join(saying.text for saying in sayings if isinstance(saying, TextDelta))


def test_an_answer_is_told_from_its_begin_to_its_usage(engine: Engine) -> None:
    sayings = told(engine, COUNT)
    assert isinstance(sayings[0], Begun)
    assert text(sayings).startswith("1, 2")
    assert isinstance(sayings[-2], Ended)
    assert isinstance(sayings[-1], Used)
    assert sayings[-1].usage.output_tokens >= sum(isinstance(saying, TextDelta) for saying in sayings) > 3


@pytest.mark.parametrize("said", ["1, 2, 3, 4, 5,", "1, 2, 3, 4, 5, 6, 7,"], ids=["early", "late"])
def test_it_goes_on_right_after_what_was_said(engine: Engine, said: str) -> None:
    rest = text(told(engine, msgspec.structs.replace(COUNT, said=said)))
    number = said.count(",") + 1
    assert rest.startswith(f" {number}, {number + 1}, {number + 2}")


def test_what_was_said_is_read_as_input(engine: Engine) -> None:
    def input_tokens(ask: Ask) -> int:
        last = told(engine, ask)[-1]
        assert isinstance(last, Used)
        return last.usage.input_tokens

    assert input_tokens(msgspec.structs.replace(COUNT, said="1, 2, 3, 4, 5,")) - input_tokens(COUNT) in range(10, 20)


def test_a_prompt_is_completed(engine: Engine) -> None:
    sayings = told(engine, Ask(stream=True, prompt="1, 2, 3, 4,", said=" 5, 6,", temperature=0, output_tokens_max=3))
    assert "7" in text(sayings)
    assert sayings[-2] == Ended("length")


def test_without_a_way_to_say_it_only_its_own_dialect_is_understood(engine: Engine) -> None:
    with pytest.raises(Unsupported) as refused:
        told(engine, COUNT, with_body=False)
    assert refused.value.blame is Blame.UNABLE


def test_whole_or_streamed_the_model_is_asked_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    send = Upstream._send

    async def noted(self: Upstream, target: str, body: Any) -> Any:
        asked.append((target, body))
        return await send(self, target, body)

    monkeypatch.setattr(Upstream, "_send", noted)
    ask = msgspec.structs.replace(COUNT, output_tokens_max=8)
    texts = {text(told(engine, msgspec.structs.replace(ask, stream=stream))) for stream in (True, False)}
    assert len(texts) == 1
    assert asked[: len(asked) // 2] == asked[len(asked) // 2 :]
    assert [target for target, _ in asked].count("/completion") == 2
