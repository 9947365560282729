"""The fake model that does what its user says, one turn after the other."""

from typing import Any

import msgspec
import pytest

from waystation.testing.directed import Step, next_step
from waystation.testing.script import answer

PROMPT = {"role": "user", "content": 'Go. [[call look {"at": "sky"}]] [[say It is\nblue.]]'}
PARTS = {"role": "user", "content": [{"type": "text", "text": "[[say Hi]]"}]}
RECALL = {"role": "user", "content": "What did I say? [[recall]]"}
CALLED: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "blue"}
LOOK = [{"type": "function", "function": {"name": "look"}}]


@pytest.mark.parametrize(
    ("messages", "tools", "then"),
    [
        pytest.param([PROMPT], LOOK, Step('{"at": "sky"}', "look", 0), id="first"),
        pytest.param([PROMPT, CALLED, RESULT], LOOK, Step("It is\nblue.", None, 1), id="after the result"),
        pytest.param(
            [PROMPT, CALLED, RESULT, CALLED], LOOK, Step("I was told nothing more.", None, 2), id="at the end"
        ),
        pytest.param([PROMPT, CALLED, PARTS], None, Step("Hi", None, 1), id="a new prompt begins anew"),
        pytest.param(
            [{"role": "user", "content": "At home."}, PROMPT, CALLED, RECALL],
            None,
            Step("Go.", None, 1),
            id="what was said first",
        ),
        pytest.param([PROMPT], None, Step("There is no tool look; offered were none.", None, 0), id="not offered"),
        pytest.param([], None, Step("I was told nothing more.", None, 0), id="nothing"),
    ],
)
def test_the_turn_that_follows(messages: list[dict[str, Any]], tools: Any, then: Step) -> None:
    assert next_step(messages, tools) == then


@pytest.mark.parametrize("stream", [False, True])
def test_it_calls_the_tool_in_the_words_of_chat_completions(stream: bool) -> None:
    body = {"model": "directed", "messages": [PROMPT], "tools": LOOK, "stream": stream}
    said = b"".join(
        step for step in answer("/v1/chat/completions", {}, msgspec.json.encode(body)).steps if isinstance(step, bytes)
    )
    assert b'"name":"look"' in said
    assert b'"id":"call_1"' in said
    assert b'"finish_reason":"tool_calls"' in said
