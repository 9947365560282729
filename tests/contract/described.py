"""Hold one exchange against OpenAI's description, and against what every answer has: headers, and errors in form."""

import base64
import json
from typing import Any

from tests.contract.recorder import Exchange
from tests.contract.shapes import assert_shape

FLOAT_BYTES = 4
PREFIXES = ("/openai/v1", "/openai", "/v1")
BODIES = {
    "/chat/completions": "CreateChatCompletionResponse",
    "/completions": "CreateCompletionResponse",
    "/embeddings": "CreateEmbeddingResponse",
    "/moderations": "CreateModerationResponse",
}
EVENTS = {
    "/chat/completions": "CreateChatCompletionStreamResponse",
    "/completions": "CreateCompletionResponse",
}


def check_exchange(exchange: Exchange, *, is_ours: bool = True) -> None:
    """Raise AssertionError where something is not as promised. What a provider said is not ours to judge."""
    check_headers(exchange)
    if exchange.status >= 400:
        if exchange.method != "HEAD":
            check_error(json.loads(bytes(exchange.body)))
    elif exchange.is_stream:
        check_stream(exchange, EVENTS[bare_path(exchange)] if is_ours else None)
    elif bare_path(exchange) == "/models":
        assert_shape("ListModelsResponse", json.loads(bytes(exchange.body)))
    elif bare_path(exchange).startswith("/models/"):
        assert_shape("Model", json.loads(bytes(exchange.body)))
    elif is_ours and (schema := BODIES.get(bare_path(exchange))):
        assert_shape(schema, as_described(json.loads(bytes(exchange.body))))


def check_headers(exchange: Exchange) -> None:
    headers = exchange.headers
    assert headers.get("x-request-id", "").startswith("req_"), (exchange.path, dict(headers))
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) >= 0
    if exchange.status == 200 and bare_path(exchange) in BODIES:
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


def as_described(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what OpenAI answers but does not describe: embeddings in base64, completions under way."""
    for told in body.get("data") or []:
        if isinstance(told.get("embedding"), str):
            told["embedding"] = [0.0] * (len(base64.b64decode(told["embedding"])) // FLOAT_BYTES)
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
