"""DashScope's own SDK speaks OpenAI's dialect in its `Completions`: pointed at Waystation, it understands what we answer.

Two faults are the SDK's own, at whatever server (2.0.2): it reads a stream without asking for one, so its caller does that in
`extra_body`, and it stumbles over the `[DONE]` with which every stream of this dialect ends. Until then it reads all.

Not proven: its other classes (Generation, MultiModalConversation …) speak a dialect of DashScope's own, which we do not
answer; what DashScope itself answers to us, since nobody asks it here; errors, whole or inside a stream.
"""

import json
from typing import Any

import pytest

from tests.e2e.foreign_sdks import side
from tests.e2e.running import Running

pytestmark = pytest.mark.slow

QUESTION = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def understood(gateway: Running, model: str = "gpt-4o", **more: Any) -> Any:
    question = {**QUESTION, "model": model, **more}
    return side("dashscope-2.0.2", "dashscope_side.py", gateway.base_url, [gateway.key, question])


def test_a_whole_answer_is_understood(gateway: Running) -> None:
    answer = understood(gateway)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    used = answer["usage"]
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"] > 0


def test_a_stream_says_what_a_whole_answer_says(gateway: Running) -> None:
    chunks = understood(gateway, stream=True, extra_body=STREAMED)
    said = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"] or ()]
    assert "".join(said) == understood(gateway)["choices"][0]["message"]["content"]
    assert [choice["finish_reason"] for choice in chunks[-2]["choices"]] == ["stop"]
    assert chunks[-1]["usage"]["completion_tokens"] == understood(gateway)["usage"]["completion_tokens"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_calls_of_tools_are_understood(gateway: Running, stream: bool) -> None:
    answer = understood(gateway, "tools", stream=stream, extra_body=STREAMED if stream else None)
    if stream:
        deltas = [choice["delta"] for chunk in answer for choice in chunk["choices"]]
        functions = [call["function"] for delta in deltas for call in delta.get("tool_calls") or ()]
    else:
        functions = [call["function"] for call in answer["choices"][0]["message"]["tool_calls"]]
    assert functions[0]["name"] == "weather"
    assert json.loads("".join(function["arguments"] for function in functions))
