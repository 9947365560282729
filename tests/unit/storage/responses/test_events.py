"""Recorded events: numbered without a gap, read again from any number on."""

import msgspec
import pytest

from waystation.storage.responses.events import Recorder, joined, later_than
from waystation.wire.sse import Framer, data_of


def event(kind: str, number: int, **members: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        msgspec.json.encode({"type": kind, "sequence_number": number, **members}),
    )


def numbers(data: bytes) -> list[int]:
    return [msgspec.json.decode(data_of(each))["sequence_number"] for each in Framer().feed(data)]


ANSWER = (
    event("response.created", 0, response={"id": "r", "status": "in_progress"})
    + event("response.in_progress", 1, response={"id": "r", "status": "in_progress"})
    + b": keep-alive\n\n"
    + event("response.output_text.delta", 2, delta="你好")
    + event("response.completed", 3, response={"id": "r", "status": "completed", "output": []})
)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_the_answers_events_follow_those_of_the_queue_however_they_are_cut(size: int) -> None:
    recorder = Recorder(2)
    recorded = b"".join(recorder.feed(ANSWER[at : at + size]) for at in range(0, len(ANSWER), size))
    assert numbers(recorded) == [2, 3, 4]
    assert "你好".encode() in recorded
    assert b"response.created" not in recorded
    assert recorder.ended
    assert recorder.response == {"id": "r", "status": "completed", "output": [], "background": True}


@pytest.mark.parametrize(("after", "left"), [(-1, [2, 3, 4]), (1, [2, 3, 4]), (2, [3, 4]), (3, [4]), (4, []), (99, [])])
def test_events_are_read_again_from_any_number_on(after: int, left: list[int]) -> None:
    recorded = Recorder(2).feed(ANSWER)
    assert numbers(later_than(recorded, after)) == left
    assert numbers(b"".join(joined([(4, recorded)], after))) == left


def test_an_answer_that_ends_in_an_error_is_not_at_its_end() -> None:
    recorder = Recorder(0)
    recorder.feed(event("error", 5, code="server_error", message="It broke.", param=None))
    assert not recorder.ended
    assert recorder.error is not None
    assert recorder.error["message"] == "It broke."
