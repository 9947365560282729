"""What the ledger may say to the engine: no longer than this, and no further."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from tests.unit.engine.engine_stand import Engine
from waystation.gateway.call import Call
from waystation.terms import Done, Operation, Piece, Usage

COUNT = "Write a very long story about the sea and a ship. Do not stop early."
ASKED: dict[Operation, dict[str, Any]] = {
    Operation.CHAT: {"messages": [{"role": "user", "content": COUNT}], "temperature": 0},
    Operation.COMPLETION: {"prompt": "one two three four five", "max_tokens": 200, "temperature": 0},
}


def answered(engine: Engine, call: Call, pieces_until_cut: int = 0) -> tuple[list[Piece], Done]:
    """The events of a call whose money is at an end after so many pieces; 0: never."""

    async def run() -> tuple[list[Piece], Done]:
        pieces: list[Piece] = []
        async with (
            engine.provider() as provider,
            aclosing(provider.send(call, engine.target(call.operation))) as events,
        ):
            async for event in events:
                if isinstance(event, Done):
                    async with asyncio.timeout(10):
                        while await engine.busy_slots():  # the writing ends before the events do
                            await asyncio.sleep(0.02)
                    return pieces, event
                pieces.append(event)
                call.cut = len(pieces) == pieces_until_cut
        raise AssertionError("no Done")

    return asyncio.run(run())


def chunks(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in data.split(b"\n\n") if line.startswith(b"data: {")]


@pytest.mark.parametrize("operation", ASKED)
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_no_longer_than_can_be_paid(engine: Engine, operation: Operation, stream: bool) -> None:
    call = engine.call(operation, {**ASKED[operation], "stream": stream})
    call.output_tokens_max = 5
    pieces, done = answered(engine, call)
    assert done.usage is not None
    assert done.usage.output_tokens == 5
    last = chunks(pieces[-1].data)[-1] if stream else json.loads(done.data)
    assert last["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("operation", ASKED)
@pytest.mark.parametrize("asked", [{}, {"n": 2}, {"stream_options": {"include_usage": True}}])
def test_a_stream_that_is_cut_ends_as_one_that_is_too_long(
    engine: Engine, operation: Operation, asked: dict[str, Any]
) -> None:
    call = engine.call(operation, {**ASKED[operation], "stream": True, **asked})
    pieces, done = answered(engine, call, pieces_until_cut=6)
    assert len(pieces) == 6
    told = [chunk for piece in pieces for chunk in chunks(piece.data)]
    last = chunks(done.data)
    assert [chunk["choices"][0]["index"] for chunk in last] == sorted({chunk["choices"][0]["index"] for chunk in told})
    assert {chunk["choices"][0]["finish_reason"] for chunk in last} == {"length"}
    assert all(chunk["waystation"] == {"budget_clamped": True} for chunk in last)
    assert {chunk["id"] for chunk in (*told, *last)} == {told[0]["id"]}
    assert done.usage is None, "the ledger counts"
    if done.tail is None:
        assert done.data.endswith(b"data: [DONE]\n\n")
    else:
        tail = done.tail(Usage(3, 4))
        assert chunks(tail)[0]["usage"]["total_tokens"] == 7
        assert tail.endswith(b"data: [DONE]\n\n")
    assert (done.tail is not None) == ("stream_options" in asked)
