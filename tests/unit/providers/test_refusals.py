"""What each refusal means for the caller, and which of its words go on."""

import json
from typing import Any

import pytest

from waystation.errors import (
    ApiError,
    RateLimitExceeded,
    RequestTooLarge,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)
from waystation.providers.refusals import MESSAGE_CHARS_MAX, fault, refusal, retry_after, status_in
from waystation.wire.http import BadAnswer, ConnectFailed, Disconnected, HttpFault, TimedOut

KEY = "sk-proj-AbCdEfGhIjKlMnOp"


def refused(status: int, body: Any, headers: dict[bytes, bytes] | None = None) -> ApiError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refusal(status, headers or {}, raw, model="mine", secret=KEY, now_s=1_750_000_000)


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}


@pytest.mark.parametrize(
    ("status", "kind", "seen"),
    [
        (400, UpstreamRejected, 400),
        (404, UpstreamRejected, 404),
        (422, UpstreamRejected, 422),
        (413, RequestTooLarge, 413),
        (401, UpstreamFailed, 502),
        (402, UpstreamFailed, 502),
        (403, UpstreamFailed, 502),
        (405, UpstreamFailed, 502),
        (409, UpstreamFailed, 502),
        (301, UpstreamFailed, 502),
        (204, UpstreamFailed, 502),
        (408, UpstreamTimeout, 504),
        (429, RateLimitExceeded, 429),
        (500, UpstreamFailed, 502),
        (503, UpstreamFailed, 502),
        (504, UpstreamTimeout, 504),
        (529, UpstreamFailed, 502),
    ],
)
def test_each_status_has_its_meaning(status: int, kind: type[ApiError], seen: int) -> None:
    error = refused(status, said("No."))
    assert type(error) is kind
    assert error.status == seen


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, b"<html>not found</html>", UpstreamFailed),  # a wrong base URL, not a wrong model
        (404, b"404 page not found", UpstreamFailed),
        (400, b"<html>bad</html>", UpstreamRejected),
        (400, b"", UpstreamRejected),
    ],
)
def test_a_page_is_not_repeated(status: int, body: bytes, kind: type[ApiError]) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert "<" not in error.message
    assert "page" not in error.message


@pytest.mark.parametrize(
    "body",
    [
        said("Too hot.", param="temperature", code="bad_value"),
        [said("Too hot.", param="temperature", code="bad_value")],
        {"message": "Too hot.", "param": "temperature", "code": "bad_value"},
        {"detail": "Too hot.", "param": "temperature", "code": "bad_value"},
    ],
)
def test_words_param_and_code_are_found_in_every_usual_shape(body: Any) -> None:
    error = refused(400, body)
    assert (error.message, error.param, error.code) == ("Too hot.", "temperature", "bad_value")


def test_of_a_list_of_complaints_the_first_is_told_without_the_input() -> None:
    body = {"detail": [{"loc": ["body", "messages", 0], "msg": "Field required", "input": "private"}]}
    error = refused(422, body)
    assert (error.status, error.message) == (422, "messages.0: Field required")
    assert "private" not in error.detail


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("a\r\n\tb\x00c", "a b c"),
        (f"key {KEY}!", "key [redacted]"),
        (f"key {KEY[3:15]} is odd", "key [redacted] is odd"),
        ("key sk-other-1234 and sk-ab****yz", "key [redacted] and [redacted]"),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("x" * 9999, "x" * (MESSAGE_CHARS_MAX - 1) + "…"),
        ("<!DOCTYPE html><html>", "The provider of the model `mine` refused the request as malformed."),
        (
            "Traceback (most recent call last):\n boom",
            "The provider of the model `mine` refused the request as malformed.",
        ),
    ],
)
def test_only_clean_words_go_on(message: str, shown: str) -> None:
    assert refused(400, said(message)).message == shown


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"null", b"3", b'"x"', b"[]", b'{"error":null}', b'{"error":{"message":7}}']
)
def test_odd_bodies_are_survived(body: bytes) -> None:
    assert refused(400, body).status == 400
    assert refused(500, body).status == 502


def test_odd_params_and_codes_are_left_out() -> None:
    error = refused(400, said("No.", param="x" * 999, code=KEY))
    assert (error.param, error.code) == (None, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (said("No.", code="context_length_exceeded"), "context_length_exceeded"),
        (said("This model's maximum context length is 9 tokens", code=400), "context_length_exceeded"),
        (said("request exceeds", type="exceed_context_size_error"), "context_length_exceeded"),
        (said("No."), None),
    ],
)
def test_a_full_context_has_its_code(body: Any, code: str | None) -> None:
    assert refused(400, body).code == code


def test_our_own_empty_account_is_not_the_callers() -> None:
    error = refused(429, said("You exceeded your current quota", code="insufficient_quota"))
    assert (error.status, error.code) == (502, "upstream_error")


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, None),
        ({b"retry-after-ms": b"250"}, 250),
        ({b"retry-after-ms": b"250.2"}, 251),
        ({b"retry-after": b"2"}, 2000),
        ({b"retry-after": b"0.5"}, 500),
        ({b"retry-after-ms": b"10", b"retry-after": b"2"}, 10),
        ({b"retry-after-ms": b"soon", b"retry-after": b"2"}, 2000),
        ({b"retry-after": b"Sun, 15 Jun 2025 15:06:43 GMT"}, 3000),
        ({b"retry-after": b"Sun, 15 Jun 2025 15:06:00 GMT"}, 0),
        ({b"retry-after": b"99999999"}, 3_600_000),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"tomorrow"}, None),
    ],
)
def test_the_wait_is_read_from_every_form(headers: dict[bytes, bytes], wait_ms: int | None) -> None:
    assert retry_after(headers, 1_750_000_000) == wait_ms


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "x", "code": 503}}, 503),
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, 429),
        ({"error": {"message": "x", "type": "invalid_request_error"}}, 400),
        ({"error": {"message": "x", "code": "insufficient_quota"}}, 402),
        ({"error": {"message": "x", "code": 7}}, 502),
        ({"error": "x"}, 502),
        ({}, 502),
    ],
)
def test_an_error_with_a_200_still_has_a_meaning(body: Any, status: int) -> None:
    assert status_in(json.dumps(body).encode()) == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectFailed("x"), 502),
        (Disconnected("x", before_head=True), 502),
        (BadAnswer("x"), 502),
        (TimedOut("connect", 1), 504),
        (TimedOut("first_byte", 1), 504),
        (TimedOut("idle", 1), 504),
        (TimedOut("total", 1), 504),
    ],
)
def test_each_fault_of_the_way_has_its_meaning(error: HttpFault, status: int) -> None:
    assert fault(error, "mine").status == status


def test_a_refusal_of_no_utf_8_has_its_status_alone() -> None:
    assert type(refused(400, b'{"error":{"message":"\x80"}}')) is UpstreamRejected
    assert status_in(b'{"error":{"message":"\x80"}}') == 502
