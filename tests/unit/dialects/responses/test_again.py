"""An answer that was kept is told again as a response of its own: nothing of who asked first is in it."""

import json
from typing import Any

import pytest

from waystation.dialects.envelope import Envelope
from waystation.dialects.responses.again import told_again
from waystation.dialects.responses.writer import ResponsesWriter
from waystation.dialects.saying import Begun, CallBegun, CallDelta, Ended, Saying, TextDelta
from waystation.terms import Usage
from waystation.wire.responses import read_response
from waystation.wire.sse import Framer, data_of

OLD, NEW = "resp_" + "a1" * 16, "resp_" + "b2" * 16
FIRST = {
    "metadata": {"who": "first"},
    "user": "first",
    "safety_identifier": "first",
    "prompt_cache_key": "first",
    "conversation": "conv_first",
}
SAID: list[Saying] = [
    Begun(),
    TextDelta('He said "response":'),
    CallBegun(0, "call_a", "f"),
    CallDelta(0, "{}"),
    Ended("tool_calls"),
]


def request(**more: Any) -> Any:
    return read_response(json.dumps({"model": "m", "input": "hi"} | more).encode())


def answered(answer_id: str, created: int, asked: Any) -> list[bytes]:
    writer = ResponsesWriter(Envelope(answer_id, "m", created), asked, lambda: 0.0)
    if not asked.stream:
        return [writer.whole(SAID, Usage(7, 5)).data]
    return [*(writer.piece((saying,)) for saying in SAID), writer.done(Usage(7, 5)).data]


def read(pieces: list[bytes]) -> list[Any]:
    if pieces[0].startswith(b"{"):
        return [json.loads(pieces[0])]
    return [json.loads(data_of(event)) for event in Framer().feed(b"".join(pieces))]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_it_says_what_its_own_caller_would_have_been_told(stream: bool) -> None:
    first = answered(OLD, 1_000, request(**FIRST, stream=stream))
    mine = request(metadata={"who": "second"}, previous_response_id="resp_before", store=False, stream=stream)
    assert read(told_again(first, mine, NEW, 2_000)) == read(answered(NEW, 2_000, mine))


def test_nothing_of_the_first_one_is_left() -> None:
    again = b"".join(told_again(answered(OLD, 1_000, request(**FIRST, stream=True)), request(stream=True), NEW, 2_000))
    assert b"first" not in again
    assert OLD.partition("_")[2].encode() not in again
