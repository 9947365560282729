"""A server that answers like Anthropic's, made of the official SDK's own types. Runs in the SDK's environment.

What it is sent is held against the SDK's description of a request; what is not as described is answered with 400.
"""
# mypy: ignore-errors

import json
import sys
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from anthropic.types import (
    Message,
    RawContentBlockDeltaEvent,
    RawContentBlockStartEvent,
    RawContentBlockStopEvent,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    RawMessageStopEvent,
)
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

WHOLE, STREAM = TypeAdapter(MessageCreateParamsNonStreaming), TypeAdapter(MessageCreateParamsStreaming)
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzdHVi"


def exhausted(value):
    """Look into everything: arrays are checked only as they are read."""
    if isinstance(value, dict):
        return {name: exhausted(each) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [exhausted(each) for each in value]
    return value


def answer(body):
    """A message: thoughts where they are asked for, a call of the first tool until its result is there, else words."""
    blocks = [block for each in body["messages"] if isinstance(each["content"], list) for block in each["content"]]
    content = []
    for block in blocks:
        if block["type"] == "thinking" and block["signature"] != SIGNATURE:
            raise ValueError("Invalid signature in thinking block")
    if "thinking" in body:
        content.append({"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURE})
    results = [block for block in blocks if block["type"] == "tool_result"]
    if body.get("tools") and not results:
        name = body["tools"][0]["name"]
        content.append({"type": "tool_use", "id": "toolu_1", "name": name, "input": {"city": "Paris"}})
    else:
        content.append({"type": "text", "text": "It is sunny." if results else "Hello there!"})
    return Message(
        id="msg_stub",
        type="message",
        role="assistant",
        model=body["model"],
        content=content,
        stop_reason="tool_use" if content[-1]["type"] == "tool_use" else "end_turn",
        stop_sequence=None,
        usage={"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0, "output_tokens": 7},
    )


def events(message):
    begun = message.model_copy(update={"content": [], "stop_reason": None})
    yield RawMessageStartEvent(type="message_start", message=begun)
    for index, block in enumerate(message.content):
        empty, deltas = parts(block)
        yield RawContentBlockStartEvent(type="content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield RawContentBlockDeltaEvent(type="content_block_delta", index=index, delta=delta)
        yield RawContentBlockStopEvent(type="content_block_stop", index=index)
    ending = {"stop_reason": message.stop_reason, "stop_sequence": None}
    yield RawMessageDeltaEvent(type="message_delta", delta=ending, usage={"output_tokens": message.usage.output_tokens})
    yield RawMessageStopEvent(type="message_stop")


def parts(block):
    if block.type == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": part} for part in block.text.split(" ", 1)]
    if block.type == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block.thinking}]
        deltas.append({"type": "signature_delta", "signature": block.signature})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    text = json.dumps(block.input)
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in (text[:5], text[5:])]
    return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}, deltas


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            assert self.path == "/v1/messages"
            assert self.headers["x-api-key"] == "sk-ant-stub"
            assert self.headers["anthropic-version"] == "2023-06-01"
            exhausted((STREAM if body.get("stream") else WHOLE).validate_python(body))
            message = answer(body)
        except (AssertionError, ValidationError, ValueError) as error:
            self.say(400, "application/json", json.dumps(refusal("invalid_request_error", repr(error))).encode())
            return
        if body["model"] == "overloaded":
            self.say(529, "application/json", json.dumps(refusal("overloaded_error", "Overloaded")).encode())
        elif body.get("stream"):
            frames = (f"event: {event.type}\ndata: {event.model_dump_json()}\n\n" for event in events(message))
            self.say(200, "text/event-stream", "".join(frames).encode())
        else:
            self.say(200, "application/json", message.model_dump_json().encode())

    def say(self, status, kind, data):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words): ...


def refusal(kind, message):
    return {"type": "error", "error": {"type": kind, "message": message}}


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
