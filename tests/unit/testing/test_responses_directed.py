"""The fake model that reasons, in the Responses API: it does what its user says, and wants its thoughts back."""

from typing import Any

import msgspec
import pytest

from waystation.testing.responses_directed import MODE, complaint, encrypted, next_items
from waystation.testing.script import answer

PROMPT = 'Go. [[call look {"at": "sky"}]] [[say Blue.]]'
THOUGHT = {"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": encrypted(0)}
CALLED = {"type": "function_call", "id": "fc_0", "call_id": "call_1", "name": "look", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "blue"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Blue."}]}
USER = {"role": "user", "content": [{"type": "input_text", "text": PROMPT}]}
LOOK = {"type": "function", "name": "look"}


def asked(given: Any, **more: Any) -> dict[str, Any]:
    return {"model": MODE, "input": given, "include": ["reasoning.encrypted_content"], **more}


@pytest.mark.parametrize("tools", [[LOOK], [{"type": "namespace", "name": "n", "tools": [LOOK]}]], ids=["plain", "in"])
@pytest.mark.parametrize("given", [PROMPT, [USER]], ids=["text", "items"])
def test_it_thinks_and_calls(given: Any, tools: list[dict[str, Any]]) -> None:
    thought, call = next_items(asked(given, tools=tools))
    assert thought["encrypted_content"] == encrypted(0)
    assert (call["type"], call["name"], call["call_id"], call["arguments"]) == (
        "function_call",
        "look",
        "call_1",
        '{"at": "sky"}',
    )


def test_it_goes_on_after_the_result() -> None:
    thought, said = next_items(asked([USER, THOUGHT, CALLED, RESULT], tools=[LOOK]))
    assert thought["encrypted_content"] == encrypted(1)
    assert said["content"][0]["text"] == "Blue."


@pytest.mark.parametrize(
    ("given", "is_refused"),
    [
        ([USER, THOUGHT, CALLED, RESULT], False),
        ([USER, THOUGHT, CALLED, RESULT, SAID, USER, THOUGHT | {"encrypted_content": encrypted(2)}, CALLED], False),
        ([USER, CALLED, RESULT], True),
        ([USER, THOUGHT | {"encrypted_content": encrypted(1)}, CALLED, RESULT], True),
        ([USER, THOUGHT | {"encrypted_content": None}, CALLED, RESULT], True),
        ([USER, THOUGHT, CALLED, RESULT, CALLED, RESULT], True),
    ],
    ids=["with it", "again", "without", "another's", "only named", "the second without"],
)
def test_a_call_needs_its_thought(given: list[dict[str, Any]], is_refused: bool) -> None:
    assert (complaint(asked(given)) is not None) == is_refused
    assert answer("/v1/responses", {}, msgspec.json.encode(asked(given))).status == (400 if is_refused else 200)
