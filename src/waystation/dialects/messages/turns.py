"""Turns as Anthropic's messages: user and assistant, one after the other, and the system prompt beside them."""

import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from waystation.dialects.ask import (
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.errors import Unsupported

Block = dict[str, Any]
GO_ON = "Continue."
"""What the user says where a conversation has to end or begin with the user and does not."""

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,(?P<data>.*)", re.DOTALL)
_NOT_OF_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


class Conversation(NamedTuple):
    system: list[Block]
    messages: list[dict[str, Any]]
    stripped: str
    """White space at the end of what was said, which is not sent: the answer may begin with it once more."""


def conversation(turns: Iterable[Turn], said: str, *, prefill: bool) -> Conversation:
    """The turns as they are sent. `said` is the answer so far; it is the assistant's last message, without white space at
    its end, which Anthropic refuses. Raises Unsupported.

    A conversation that ends with the assistant is gone on with by models that take a prefill; others are told to.
    """
    system: list[Block] = []
    messages: list[dict[str, Any]] = []
    for turn in turns:
        blocks = [block for part in turn.parts if (block := _block(part)) is not None]
        if turn.role in ("system", "developer"):
            system += [block for block in blocks if block["type"] == "text"]
        elif blocks:
            _add(messages, turn.role, blocks)
    if not messages or messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": [{"type": "text", "text": GO_ON}]})
    spoken = said.rstrip()
    if spoken:
        _add(messages, "assistant", [{"type": "text", "text": spoken}])
    for message in messages:
        if message["role"] == "user":  # results come first, in the order of the calls
            message["content"].sort(key=lambda block: block["type"] != "tool_result")
    if messages[-1]["role"] == "assistant":
        if spoken or prefill:
            _strip_end(messages[-1]["content"])
        else:
            _add(messages, "user", [{"type": "text", "text": GO_ON}])
    return Conversation(system, messages, said[len(spoken) :])


def _add(messages: list[dict[str, Any]], role: str, blocks: list[Block]) -> None:
    if messages and messages[-1]["role"] == role:
        messages[-1]["content"] += blocks
    else:
        messages.append({"role": role, "content": blocks})


def _strip_end(content: list[Block]) -> None:
    if content[-1]["type"] == "text":
        content[-1]["text"] = content[-1]["text"].rstrip()


def _block(part: Part) -> Block | None:
    """A part as a block; None for what Anthropic does not take: empty words, and thoughts that nobody has signed."""
    if isinstance(part, Text):
        if not part.text.strip():
            return None
        return {"type": "text", "text": part.text} | ({"cache_control": {"type": "ephemeral"}} if part.cache else {})
    if isinstance(part, Image):
        return {"type": "image", "source": _source(part.url, part.data, part.media_type or "image/png")}
    if isinstance(part, Document):
        return _document(part)
    if isinstance(part, ToolUse):
        return {"type": "tool_use", "id": clean_id(part.id), "name": part.name, "input": _input(part)}
    if isinstance(part, ToolResult):
        return _result(part)
    if isinstance(part, Reasoning):
        return _thought(part)
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    assert isinstance(part, Audio)
    raise Unsupported("The models of this provider can't hear audio. Send text, images or documents.", param="messages")


def _thought(part: Reasoning) -> Block | None:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if not part.signature:
        return None
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _result(part: ToolResult) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": clean_id(part.call_id)}
    content = [block for each in part.parts if (block := _block(each)) is not None]
    if content:
        result["content"] = content
    if part.is_error:
        result["is_error"] = True
    return result


def _document(part: Document) -> Block:
    block: Block = {"type": "document"}
    if part.file_id is not None:
        block["source"] = {"type": "file", "file_id": part.file_id}
    elif part.data is not None and part.media_type is not None and part.media_type.startswith("text/"):
        try:
            text = b64decode(part.data, validate=True).decode()
        except ValueError:
            raise Unsupported("A document of text is base64 of UTF-8.", param="messages") from None
        block["source"] = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        block["source"] = _source(part.url, part.data, part.media_type or "application/pdf")
    return block | ({"title": part.name} if part.name else {})


def _source(url: str | None, data: str | None, media_type: str) -> Block:
    if data is None and url is not None:
        if not url.startswith("data:"):
            return {"type": "url", "url": url}
        found = _DATA_URL.fullmatch(url)
        if found is None:
            raise Unsupported("A data URL here has base64: data:image/png;base64,…", param="messages")
        data, media_type = found["data"], found["type"] or media_type
    return {"type": "base64", "media_type": media_type, "data": data or ""}


def _input(part: ToolUse) -> dict[str, Any]:
    """The arguments as an object; what is none is handed on under a name."""
    if not part.custom:
        try:
            read = msgspec.json.decode(part.arguments or "{}")
        except (msgspec.DecodeError, RecursionError):
            read = None
        if isinstance(read, dict):
            return read
    return {"input": part.arguments}


def clean_id(text: str) -> str:
    """An id of a call as Anthropic takes it: letters, digits, `_` and `-`."""
    return _NOT_OF_AN_ID.sub("_", text) or "_"
