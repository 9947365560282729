"""POST /v1/messages at the door: Anthropic's requests, keys, headers and errors, on the same way as every call."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from tests.unit.http.door_stand import Stand, StandingWay, chat, stand
from waystation.errors import (
    ApiError,
    Forbidden,
    InsufficientQuota,
    InvalidKey,
    MissingKey,
    ModelNotFound,
    RateLimitExceeded,
    RequestTooLarge,
    ServiceUnavailable,
    UpstreamFailed,
    UpstreamRejected,
    UpstreamTimeout,
)
from waystation.gateway.call import Call
from waystation.terms import Dialect, Event, Operation, Piece

KEY = "X-Api-Key: sk-abc\r\nAnthropic-Version: 2023-06-01\r\n"


def message(*, stream: bool = False, extra: str = KEY, target: str = "/v1/messages", **fields: Any) -> bytes:
    body = msgspec.json.encode(
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": stream, **fields}
    )
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{extra}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def refusing(error: ApiError, *, after: bytes = b"") -> StandingWay:
    async def attempt(call: Call) -> AsyncGenerator[Event]:
        if after:
            yield Piece(after)
        raise error

    return StandingWay(attempt)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/messages",
        "/messages",
        "/openai/v1/messages",
        "/anthropic/v1/messages",
        "/anthropic/messages",
        "/v1/messages?beta=true",
    ],
)
def test_every_base_url_leads_to_the_same_call(target: str) -> None:
    async def scenario(s: Stand) -> None:
        status, headers, body = await s.ask(message(target=target, metadata={"user_id": "u1"}))
        assert (status, msgspec.json.decode(body)) == (200, {"user": "u1"})
        assert headers["request-id"] == headers["x-request-id"]

    way = stand(scenario)
    call = way.calls[0]
    assert (call.operation, call.dialect) == (Operation.CHAT, Dialect.ANTHROPIC)
    assert call.authorization == b"Bearer sk-abc"


def test_a_bearer_key_wins_over_a_bare_one() -> None:
    async def scenario(s: Stand) -> None:
        await s.ask(message(extra=f"{KEY}Authorization: Bearer sk-mine\r\n"))

    assert stand(scenario).calls[0].authorization == b"Bearer sk-mine"


def test_openais_answers_do_not_change() -> None:
    async def scenario(s: Stand) -> None:
        _, headers, _ = await s.ask(chat())
        assert "request-id" not in headers

    stand(scenario)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UpstreamRejected("No."), 400, "invalid_request_error"),
        (MissingKey("No."), 401, "authentication_error"),
        (InvalidKey("No."), 401, "authentication_error"),
        (InsufficientQuota("No."), 402, "billing_error"),
        (Forbidden("No."), 403, "permission_error"),
        (ModelNotFound("No."), 404, "not_found_error"),
        (RequestTooLarge("No."), 413, "request_too_large"),
        (RateLimitExceeded("No.", retry_after_ms=1500), 429, "rate_limit_error"),
        (ApiError("No."), 500, "api_error"),
        (UpstreamFailed("No."), 502, "api_error"),
        (UpstreamTimeout("No."), 504, "timeout_error"),
        (ServiceUnavailable("No."), 529, "overloaded_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ApiError) else str(value),
)
def test_errors_have_anthropics_form(error: ApiError, status: int, kind: str) -> None:
    async def scenario(s: Stand) -> None:
        got, headers, body = await s.ask(message())
        assert got == status
        told = msgspec.json.decode(body)
        assert told == {
            "type": "error",
            "error": {"type": kind, "message": error.message},
            "request_id": headers["request-id"],
        }
        if error.retry_after_ms:
            assert (headers["retry-after-ms"], headers["retry-after"]) == ("1500", "2")

    stand(scenario, refusing(error))


def test_an_error_in_a_stream_is_an_event_of_that_name() -> None:
    begun = b'event: ping\ndata: {"type":"ping"}\n\n'

    async def scenario(s: Stand) -> None:
        _, headers, body = await s.ask(message(stream=True))
        assert body.startswith(begun + b"event: error\ndata: {")
        told = msgspec.json.decode(body.partition(b"error\ndata: ")[2])
        assert (told["error"]["type"], told["request_id"]) == ("overloaded_error", headers["request-id"])

    stand(scenario, refusing(ServiceUnavailable("Busy."), after=begun))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"model": ""}, "model"),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "max_tokens"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "", "signature": ""}]}]}, "type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_request_is_told_what_is_wrong(fields: dict[str, Any], says: str) -> None:
    async def scenario(s: Stand) -> None:
        status, _, body = await s.ask(message(**fields))
        told = msgspec.json.decode(body)["error"]
        assert (status, told["type"]) == (400, "invalid_request_error")
        assert says in told["message"]

    stand(scenario)


def test_what_is_new_and_unknown_is_let_pass() -> None:
    content = [{"type": "hologram", "of": 1}, {"type": "search_result", "source": "s", "title": "t", "content": []}]

    async def scenario(s: Stand) -> None:
        status, _, _ = await s.ask(
            message(
                messages=[{"role": "user", "content": content}],
                tools=[{"type": "web_search_20260318", "name": "web_search"}],
                thinking={"type": "adaptive"},
                new_parameter={"a": 1},
            )
        )
        assert status == 200

    stand(scenario)


def test_another_method_is_refused_in_anthropics_form() -> None:
    async def scenario(s: Stand) -> None:
        status, _, body = await s.ask(b"PUT /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert (status, msgspec.json.decode(body)["type"]) == (405, "error")

    stand(scenario)
