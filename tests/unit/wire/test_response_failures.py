"""A stream of a response that fails ends with one event: numbered in its turn, with the response as it was."""

import json
from typing import Any

import pytest

from tests.contract.shapes import assert_shape
from tests.unit.dialects.responses.test_responses_writer import writer_for
from waystation.dialects.saying import Begun, TextDelta
from waystation.errors import ApiError, ContextLengthExceeded, InvalidRequest, RateLimitExceeded, UpstreamFailed
from waystation.http.errors import RESPONSES_ERRORS, error_body
from waystation.wire.sse import data_of

BROKEN = UpstreamFailed("The provider broke off its answer.")


def read(event: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(data_of(event))
    assert event.startswith(b"event: %b\n" % body["type"].encode())
    assert_shape("ResponseStreamEvent", body)
    return body


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BROKEN, "server_error"),
        (RateLimitExceeded("Too fast."), "rate_limit_exceeded"),
        (ApiError("?"), "server_error"),
    ],
    ids=["broken", "limit", "fault"],
)
def test_a_response_that_fails_ends_as_failed(error: ApiError, code: str) -> None:
    writer = writer_for()
    first, last = writer.piece((Begun(),)), writer.piece((TextDelta("Hel"),))
    event = read(RESPONSES_ERRORS.event(error_body(error), first, last))
    assert event["type"] == "response.failed"
    assert event["sequence_number"] == 5
    assert event["response"]["status"] == "failed"
    assert event["response"]["id"] == "resp_0123"
    assert event["response"]["error"] == {"code": code, "message": error.message}


TOO_LONG = "This model's maximum context length is 9 tokens. However, your messages resulted in 12 tokens."


@pytest.mark.parametrize(
    ("error", "message", "param"),
    [
        (ContextLengthExceeded(TOO_LONG, param="messages"), TOO_LONG.replace("messages", "input"), "input"),
        (ContextLengthExceeded("It is too long."), "It is too long.", "input"),
        (InvalidRequest("No.", param="messages[3].content[0]"), "No.", "input"),
        (InvalidRequest("No.", param="response_format.json_schema"), "No.", "text.format"),
        (InvalidRequest("No.", param="max_completion_tokens"), "No.", "max_output_tokens"),
        (InvalidRequest("No.", param="tools[0]"), "No.", "tools[0]"),
    ],
    ids=["context", "context-somewhere", "message", "format", "limit", "tool"],
)
def test_what_a_chat_is_told_is_told_in_a_responses_words(error: ApiError, message: str, param: str) -> None:
    told = json.loads(RESPONSES_ERRORS.body(error, "req"))["error"]
    assert (told["message"], told["param"], told["code"]) == (message, param, error.code)


@pytest.mark.parametrize("sent", [b"", b": still here\n\n"], ids=["nothing", "a comment"])
def test_before_a_response_has_begun_there_is_only_an_error(sent: bytes) -> None:
    event = read(RESPONSES_ERRORS.event(error_body(BROKEN), sent, sent))
    assert event == {
        "type": "error",
        "sequence_number": 0,
        "code": "upstream_error",
        "message": BROKEN.message,
        "param": None,
    }
