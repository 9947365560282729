"""What goes to the upstream instead of what the caller sent: only what must change."""

import json
from typing import Any

import pytest

from tests.unit.providers.openai.stand import chat_call, completion_call, embeddings_call, moderation_call
from waystation.gateway.call import Call
from waystation.providers.openai.body import outgoing

LIMITS = ("max_tokens", "max_completion_tokens")


@pytest.mark.parametrize(
    ("call", "payable", "limits"),
    [
        (chat_call(), None, {}),
        (chat_call(max_tokens=50), None, {"max_tokens": 50}),
        (chat_call(), 20, {"max_tokens": 20}),
        (chat_call(max_tokens=None), 20, {"max_tokens": 20}),
        (chat_call(max_tokens=50), 20, {"max_tokens": 20}),
        (chat_call(max_tokens=5), 20, {"max_tokens": 5}),  # never more than the caller wanted
        (chat_call(max_completion_tokens=50), 20, {"max_completion_tokens": 20}),
        (chat_call(max_completion_tokens=5), 20, {"max_completion_tokens": 5}),
        (chat_call(max_tokens=9, max_completion_tokens=50), 20, {"max_tokens": 9, "max_completion_tokens": 20}),
        (chat_call(reasoning_effort="low"), 20, {"max_completion_tokens": 20}),
        (chat_call(reasoning_effort="low", max_tokens=50), 20, {"max_tokens": 20}),
        (completion_call(max_tokens=50), 20, {"max_tokens": 20}),
        (completion_call(), 20, {"max_tokens": 16}),  # what a completion without a limit gets
        (completion_call(max_tokens=0, echo=True), 20, {"max_tokens": 0}),
        (embeddings_call(), 20, {}),
        (moderation_call(), 20, {}),
    ],
)
def test_no_choice_gets_longer_than_can_be_paid(call: Call, payable: int | None, limits: dict[str, Any]) -> None:
    call.output_tokens_max = payable
    forwarded = json.loads(outgoing(call, "there"))
    assert {name: forwarded[name] for name in LIMITS if forwarded.get(name) is not None} == limits
    assert {**forwarded, "model": "fake"} == {**json.loads(call.body), **limits}
