"""An exchange is held against the operation that it is, each event against its type."""

from typing import Any

import pytest

from tests.contract.described import check_events, operation_of, schema_of_event

DELTA = {
    "type": "response.output_text.delta",
    "item_id": "msg_1",
    "output_index": 0,
    "content_index": 0,
    "delta": "Hi",
    "logprobs": [],
}
FAILED = {"type": "error", "code": None, "message": "No.", "param": None}


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/responses", "POST /responses"),
        ("POST", "/responses/compact", "POST /responses/compact"),
        ("GET", "/responses/resp_1", "GET /responses/{response_id}"),
        ("GET", "/conversations/conv_1/items/msg_1", "GET /conversations/{conversation_id}/items/{item_id}"),
        ("GET", "/chat/completions", "GET /chat/completions"),
        ("PUT", "/files", None),
        ("GET", "/waystation/usage", None),
    ],
)
def test_which_operation_a_request_is(method: str, path: str, operation: str | None) -> None:
    assert operation_of(method, path) == operation


def test_events_are_known_by_their_types() -> None:
    assert schema_of_event("response.created") == "ResponseCreatedEvent"
    assert schema_of_event("error") == "ResponseErrorEvent"
    with pytest.raises(AssertionError):
        schema_of_event("response.something")


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([{**DELTA, "sequence_number": 0}], id="without an end"),
        pytest.param([{**DELTA, "sequence_number": 0}, {**FAILED, "sequence_number": 2}], id="with a gap"),
        pytest.param([{"type": "response.output_text.delta", "sequence_number": 0}], id="of another shape"),
    ],
)
def test_a_wrong_stream_is_told(events: list[dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        check_events(events, is_whole=True)


def test_a_right_stream_passes_and_so_does_one_that_begins_later() -> None:
    events = [{**DELTA, "sequence_number": 7}, {**FAILED, "sequence_number": 8}]
    check_events(events, is_whole=True)
    check_events(events[:1], is_whole=False)
