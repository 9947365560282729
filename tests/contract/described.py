"""Hold one exchange against OpenAI's description, and against what every answer has: headers, and errors in form."""

import base64
import json
import re
from functools import cache
from typing import Any

from tests.contract.recorder import Exchange
from tests.contract.shapes import assert_shape, description

FLOAT_BYTES = 4
PREFIXES = ("/openai/v1", "/openai", "/v1")
CALLS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/moderations")
IN_BACKGROUND = b'"background":true'  # nobody has answered it yet
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def check_exchange(exchange: Exchange, *, is_ours: bool = True) -> None:
    """Raise AssertionError where something is not as promised. What a provider said is not ours to judge."""
    check_headers(exchange)
    if exchange.status >= 400:
        if exchange.method != "HEAD":
            check_error(json.loads(bytes(exchange.body)))
    elif exchange.is_stream:
        check_stream(exchange, answer_of(exchange, "text/event-stream") if is_ours else None)
    elif is_ours or bare_path(exchange).startswith("/models"):
        schema = answer_of(exchange, "application/json")
        if schema is not None:
            assert_shape(schema, as_described(json.loads(bytes(exchange.body))))


def operation_of(method: str, path: str) -> str | None:
    """The operation of OpenAI's description that a request without its prefix is; a path without parameters goes first."""
    for label in sorted(description()["answers"], key=lambda label: label.count("{")):
        verb, _, pattern = label.partition(" ")
        if verb == method and re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern)), path):
            return str(label)
    return None


def answer_of(exchange: Exchange, media_type: str) -> str | None:
    """The schema of an answer. A response that is retrieved as a stream is told in the events of one that is created."""
    label = operation_of(exchange.method, bare_path(exchange))
    if label == "GET /responses/{response_id}" and media_type == "text/event-stream":
        label = "POST /responses"
    schema: str | None = description()["answers"].get(label, {}).get(media_type)
    return schema


@cache
def schema_of_event(kind: str) -> str:
    """The schema of an event of a response. A kind that OpenAI doesn't describe fails."""
    found = [
        name
        for name in (each["$ref"].rsplit("/", 1)[1] for each in schemas()["ResponseStreamEvent"]["anyOf"])
        if kind in schemas()[name]["properties"]["type"].get("enum", ())
    ]
    assert found, f"no event of a response is a {kind!r}"
    return str(found[0])


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = description()["components"]["schemas"]
    return found


def check_headers(exchange: Exchange) -> None:
    headers = exchange.headers
    assert headers.get("x-request-id", "").startswith("req_"), (exchange.path, dict(headers))
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) >= 0
    is_call = exchange.method == "POST" and bare_path(exchange) in CALLS
    if exchange.status == 200 and is_call and IN_BACKGROUND not in exchange.body:
        assert headers["x-waystation-deployment"]


def check_error(body: object) -> None:
    """`{"error": {message, type, param, code}}`, these four and nothing more, and nothing of our insides."""
    assert_shape("ErrorResponse", body)
    assert isinstance(body, dict)
    assert list(body) == ["error"], body
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    assert "Traceback" not in error["message"]


def check_stream(exchange: Exchange, schema: str | None) -> None:
    """Events in order: JSON, then one [DONE], which only a stream without an error has."""
    assert exchange.headers.get("x-accel-buffering") == "no"
    events = exchange.events()
    if schema == "ResponseStreamEvent":
        check_events([json.loads(event) for event in events], is_whole=exchange.is_whole)
        return
    if exchange.is_whole:
        assert (events[-1] == "[DONE]") != ("error" in last_json(events)), events[-3:]
        assert events.count("[DONE]") <= 1
    for event in events:
        if event != "[DONE]":
            body = json.loads(event)
            if "error" in body:
                check_error(body)
            elif schema is not None:
                assert_shape(schema, as_described(body))


def check_events(events: list[dict[str, Any]], *, is_whole: bool) -> None:
    """Each as its type is described, numbered one after the other, and an end that is one; no [DONE]."""
    first = events[0]["sequence_number"] if events else 0
    for at, event in enumerate(events):
        assert_shape(schema_of_event(event["type"]), event)
        assert event["sequence_number"] == first + at, (event["type"], event["sequence_number"])
    if is_whole:
        assert events
        assert events[-1]["type"] in ENDS, events[-1]["type"]


def as_described(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what OpenAI answers but does not describe: embeddings in base64, completions under way, and
    the messages of a stored chat in any other role than the assistant's, as its own example has them."""
    for told in body.get("data") or []:
        if isinstance(told, dict) and isinstance(told.get("embedding"), str):
            told["embedding"] = [0.0] * (len(base64.b64decode(told["embedding"])) // FLOAT_BYTES)
        if isinstance(told, dict) and "content_parts" in told:
            told["role"] = "assistant"
    if body.get("object") == "text_completion":
        for choice in body["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
    return body


def last_json(events: list[str]) -> dict[str, object]:
    told = [event for event in events if event != "[DONE]"]
    body: dict[str, object] = json.loads(told[-1])
    return body


def bare_path(exchange: Exchange) -> str:
    """The path without the prefix of a base URL."""
    for prefix in PREFIXES:
        if exchange.path.startswith(f"{prefix}/"):
            return exchange.path.removeprefix(prefix)
    return exchange.path
