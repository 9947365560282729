"""What the fake upstream says: the bytes and pauses of its answer in each mode. Pure; `upstream.py` plays it.

The mode is the name of the requested model, or what the header `x-fake-mode` says; any other name gets a plain answer.
`words-40` says 40 words, however many more are asked for; `directed` follows what its user says (`directed.py`).
"""

import base64
import gzip
import hashlib
import struct
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec

from waystation.testing.directed import MODE, next_step, pieces
from waystation.testing.responses_directed import MODE as RESPONSES_MODE
from waystation.testing.responses_directed import complaint
from waystation.testing.responses_script import (
    INPUT_TOKENS,
    RESPONSE_WORDS,
    response_events,
    response_object,
    stream_of,
)
from waystation.wire.moderations import CATEGORIES

WORDS = (
    "Once",
    " upon",
    " a",
    " time",
    ",",
    " far",
    " away",
    ",",
    " a",
    " small",
    " token",
    " set",
    " out",
    " alone",
    ".",
)
CHINESE = ("你", "好", "，", "世", "界", "！", "🚂", "开", "往", "远", "方")
ARGUMENTS = ('{"ci', 'ty":"', "Hangzhou", '"}')
REASONS = ("Let", " me", " think", ".")
DIMENSIONS = 8
TOKENS_MAX = 4096
"""Of a scripted answer."""


class Act(Enum):
    """What is no byte."""

    PAUSE = "pause"  # as long as the upstream's pace
    WAIT = "wait"  # a moment, however fast its pace
    HANG = "hang"  # for good, with the connection open
    DROP = "drop"  # close the connection here


class Request(msgspec.Struct):
    """What the script looks at."""

    model: str = ""
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    input: Any = None
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None
    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] | None = None


class Answer(msgspec.Struct):
    """An HTTP answer: its body whole, or as steps that are sent chunk by chunk."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    steps: Sequence[bytes | Act] = ()
    chunked: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    user: str | None = None  # for whom it is, as the request says


_request = msgspec.json.Decoder(Request)
_encode = msgspec.json.encode
_STREAM = (("content-type", "text/event-stream; charset=utf-8"),)
_HTML = (("content-type", "text/html"),)
_PAGE = b"<!doctype html><html><body><h1>It works</h1><pre>Traceback (most recent call last): boom</pre></body></html>"


def answer(target: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
    """The answer to a request, by its path and mode."""
    if target.endswith("/models"):
        return _json({"object": "list", "data": [{"id": "fake", "object": "model", "created": 0, "owned_by": "test"}]})
    try:
        request = _request.decode(body)
    except msgspec.DecodeError as error:
        return _error(400, f"We could not parse the JSON body: {error}", kind="invalid_request_error")
    mode = headers.get(b"x-fake-mode", b"").decode() or request.model
    refused = _fault(mode, headers)
    if refused is not None:
        return refused
    input_tokens = len(body) // 4
    if target.partition("?")[0].endswith("/responses"):
        return _response(mode, msgspec.json.decode(body), streams=request.stream)
    if target.endswith("/embeddings"):
        return _embeddings(request, input_tokens)
    if target.endswith("/moderations"):
        return _moderations(request, input_tokens)
    chat = target.endswith("/chat/completions")
    streams = request.stream != (mode in ("json-for-stream", "stream-for-json"))
    said = (_streamed if streams else _whole)(_Script(request, mode, chat, input_tokens))
    said.user = request.user
    return said


def _fault(mode: str, headers: dict[bytes, bytes]) -> Answer | None:
    match mode:
        case "hang":
            return Answer(steps=(Act.HANG,), chunked=True, status=0)
        case "drop":
            return Answer(steps=(Act.DROP,), chunked=True, status=0)
        case "html":
            return Answer(200, _HTML, (_PAGE,))
        case "fault-400":
            return _error(400, "temperature must be at most 2.", kind="invalid_request_error", param="temperature")
        case "fault-401":
            key = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
            return _error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")
        case "fault-key-in-400":
            key = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
            return _error(400, f"Key {key} (it begins with {key[:12]}) may not do this.", kind="invalid_request_error")
        case "fault-404":
            return _error(404, "The model does not exist.", kind="invalid_request_error", code="model_not_found")
        case "fault-context":
            return _error(400, "This model's maximum context length is 4096 tokens.", kind="BadRequestError", code=400)
        case "fault-429":
            return _error(429, "Slow down.", ("retry-after-ms", "250"), code="rate_limit_exceeded")
        case "fault-quota":
            return _error(429, "You exceeded your current quota.", code="insufficient_quota")
        case "fault-500":
            return _error(500, "The server had an error.", kind="server_error")
        case "fault-502":
            return Answer(502, _HTML, (_PAGE,))
        case "fault-503":
            return _error(503, "Overloaded.", ("retry-after", "1"), kind="server_error")
    return None


def _response(mode: str, asked: dict[str, Any], *, streams: bool) -> Answer:
    if mode == RESPONSES_MODE and (refused := complaint(asked)) is not None:
        return msgspec.structs.replace(_json({"error": refused}), status=400)
    given, made = INPUT_TOKENS, len(RESPONSE_WORDS)
    if not streams:
        return _json(response_object(mode, asked), input_tokens=given, output_tokens=made)
    events = stream_of(response_events(mode, asked))
    steps = [step for event in events for step in (event, Act.PAUSE)]
    return Answer(200, _STREAM, steps, chunked=True, input_tokens=given, output_tokens=made)


def _error(status: int, message: str, *headers: tuple[str, str], kind: str = "error", **more: Any) -> Answer:
    refused = _json({"error": {"message": message, "type": kind, "param": None, "code": None, **more}})
    refused.status = status
    refused.headers = (*refused.headers, *headers)
    return refused


def _json(value: Any, **more: Any) -> Answer:
    return Answer(steps=(_encode(value),), **more)


class _Script:
    """The words of one answer and the shape they come in."""

    def __init__(self, request: Request, mode: str, chat: bool, input_tokens: int) -> None:
        self.chat = chat
        self.mode = mode
        self.model = request.model
        self.choices = request.n or 1
        words: tuple[str, ...] = CHINESE if mode == "split-utf8" else ARGUMENTS if mode == "tools" else WORDS
        asked = min(request.max_completion_tokens or request.max_tokens or len(words), TOKENS_MAX)
        if mode.startswith("words-"):
            # Each with its space, so that a tokenizer counts as many.
            again = (f" {words[0].strip()}", *words[1:])
            words = tuple(again[at % len(words)] for at in range(int(mode.removeprefix("words-"))))
            asked = min(asked, len(words))
        self.words = [words[at % len(words)] for at in range(asked)] if asked > len(words) else list(words[:asked])
        self.reason = "length" if asked < len(words) else "tool_calls" if mode == "tools" else "stop"
        self.tool, self.call_id = ("weather" if mode == "tools" else None), "call_1"
        if mode == MODE:
            step = next_step(request.messages, request.tools)
            self.words, self.tool, self.call_id = pieces(step.text), step.tool, f"call_{step.at + 1}"
            self.reason = "tool_calls" if step.tool else "stop"
        self.input_tokens = input_tokens
        self.output_tokens = len(self.words) * self.choices
        self.include_usage = bool((request.stream_options or {}).get("include_usage"))
        self.usage: dict[str, Any] = {
            "prompt_tokens": input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": input_tokens + self.output_tokens,
        }
        if mode == "cached":
            self.usage["prompt_tokens_details"] = {"cached_tokens": input_tokens // 2}
        elif mode == "bad-usage":
            self.usage |= {"prompt_tokens": -5, "completion_tokens": "many"}

    def body(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": "fake-1", "object": kind, "created": 1_750_000_000, "model": self.model, "choices": choices}

    def delta(self, word: str, at: int) -> dict[str, Any]:
        """One step of a choice."""
        if not self.chat:
            return {"text": word}
        if self.tool is not None:
            begin = {"id": self.call_id, "type": "function"} if at == 0 else {}
            function = {"name": self.tool, "arguments": word} if at == 0 else {"arguments": word}
            return {"delta": {"tool_calls": [{"index": 0, **begin, "function": function}]}}
        return {"delta": {"content": word}}


def _whole(script: _Script) -> Answer:
    text = "".join(script.words)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if script.tool is not None:
        call = {"id": script.call_id, "type": "function", "function": {"name": script.tool, "arguments": text}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    said = {"message": message} if script.chat else {"text": text}
    choices = [{"index": at, **said, "finish_reason": script.reason} for at in range(script.choices)]
    body = script.body("chat.completion" if script.chat else "text_completion", choices)
    if script.mode != "no-usage":
        body["usage"] = script.usage
    whole = _json(body, input_tokens=script.input_tokens, output_tokens=script.output_tokens)
    if script.mode == "gzip":
        whole.steps = (gzip.compress(_encode(body)),)
        whole.headers = (*whole.headers, ("content-encoding", "gzip"))
    elif script.mode == "not-json":
        whole.steps = (b"{oops",)
    elif script.mode == "drop-mid":
        whole.steps, whole.chunked = (_encode(body)[:40], Act.DROP), True
    return whole


def _streamed(script: _Script) -> Answer:
    kind = "chat.completion.chunk" if script.chat else "text_completion"
    chunks: list[dict[str, Any]] = []
    for choice in range(script.choices):
        if script.mode == "reasoning":
            chunks += [{"index": choice, "delta": {"reasoning_content": word}} for word in REASONS]
        chunks += [{"index": choice, **script.delta(word, at)} for at, word in enumerate(script.words)]
        end: dict[str, Any] = {"delta": {}} if script.chat else {"text": ""}
        chunks.append({"index": choice, **end, "finish_reason": script.reason})
    bodies = [script.body(kind, [{"finish_reason": None, **chunk}]) for chunk in chunks]
    if script.mode == "usage-in-choices":
        bodies[-1]["usage"] = script.usage
    elif script.include_usage and script.mode != "no-usage":
        bodies.append(script.body(kind, []) | {"usage": script.usage})
    events = [b"data: %b\n\n" % _encode(body) for body in bodies]
    events.append(b"data: [DONE]\n\n")
    return Answer(
        headers=_STREAM,
        steps=_disturbed(script.mode, events),
        chunked=True,
        input_tokens=script.input_tokens,
        output_tokens=script.output_tokens,
    )


def _disturbed(mode: str, events: list[bytes]) -> list[bytes | Act]:
    """The events as a mode sends them: late, cut, broken off, or one after the other."""
    match mode:
        case "split-utf8":
            whole = b"".join(events)
            return [whole[at : at + 7] for at in range(0, len(whole), 7)]
        case "crlf":
            events = [b": comment\r\n" + event.replace(b"\n", b"\r\n") for event in events]
        case "no-done":
            events = events[:-1]
        case "slow":
            return [step for event in events for step in (Act.WAIT, event)]
        case "hang-mid":
            return [*events[:2], Act.HANG]
        case "drop-mid":
            return [*events[:2], Act.DROP]
        case "cut":
            return [*events[:2], events[2][:-7]]
        case "malformed":
            return [*events[:2], b"data: {oops\n\n"]
        case "error-event":
            return [
                *events[:2],
                b'data: {"error":{"message":"The GPU caught fire.","type":"server_error","code":500}}\n\n',
            ]
        case "burst":
            return [b"".join(events)]
    steps: list[bytes | Act] = []
    for event in events:
        steps += (event, Act.PAUSE)
    return steps[:-1]


def _moderations(request: Request, input_tokens: int) -> Answer:
    """Who speaks of killing is violent; there is no usage, as at OpenAI's."""
    texts = request.input if isinstance(request.input, list) else [request.input]
    results = []
    for text in texts:
        violent = "kill" in str(text)
        results.append(
            {
                "flagged": violent,
                "categories": {name: violent and name == "violence" for name in CATEGORIES},
                "category_scores": {name: 0.9 if violent and name == "violence" else 0.01 for name in CATEGORIES},
                "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
            }
        )
    return _json({"id": "modr-fake", "model": request.model, "results": results}, input_tokens=input_tokens)


def _embeddings(request: Request, input_tokens: int) -> Answer:
    texts = request.input if isinstance(request.input, list) else [request.input]
    data = []
    for at, text in enumerate(texts):
        digest = hashlib.sha256(_encode(text)).digest()
        vector = [digest[place % 32] / 256 for place in range(request.dimensions or DIMENSIONS)]
        packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        shown = packed if request.encoding_format == "base64" else vector
        data.append({"object": "embedding", "index": at, "embedding": shown})
    usage = {"prompt_tokens": input_tokens, "total_tokens": input_tokens}
    body = {"object": "list", "data": data, "model": request.model, "usage": usage}
    return _json(body, input_tokens=input_tokens)
