"""What the fault-injecting upstream says: always the same words, in the dialects of OpenAI and Anthropic. Pure.

Whoever asks it to go on (an assistant's last message, a prompt that ends with its begin) gets the rest of the same words, so
that a test can compare an answer that was put together of several with TEXT.
"""

from typing import Any

import msgspec

WORDS = ("Once", " upon", " a", " time", ",", " 从前", "，", "有", " a", " small", " 🚂", " set", " out", " alone", ".")
TEXT = "".join(WORDS)
INPUT_TOKENS = 7
TOOL_BEGUN = (
    b'data: {"id":"chatcmpl-fault","object":"chat.completion.chunk","created":1750000000,"model":"m","choices":[{"index":0,'
    b'"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look","arguments":"{\\"at"}}]},'
    b'"finish_reason":null}]}\n\n'
)
"""A chunk in which a tool call begins."""

_encode = msgspec.json.encode


class Asked(msgspec.Struct):
    """A request as far as the words hang on it."""

    model: str = ""
    stream: bool = False
    messages: list[dict[str, Any]] = []
    prompt: Any = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: dict[str, Any] | None = None


def words_for(asked: Asked) -> tuple[list[str], bool]:
    """The words of the answer, and whether they end for their limit."""
    words = _after(_said(asked))
    most = asked.max_completion_tokens or asked.max_tokens or len(words)
    return words[:most], most < len(words)


def whole(target: str, asked: Asked, usage: dict[str, Any] | None) -> bytes:
    words, cut = words_for(asked)
    text = "".join(words)
    if target.endswith("/messages"):
        body: dict[str, Any] = {
            "id": "msg_fault",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "max_tokens" if cut else "end_turn",
            "stop_sequence": None,
            "usage": usage or {},
        }
        return _encode(body)
    chat = target.endswith("/chat/completions")
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    choice = {"index": 0, **said, "logprobs": None, "finish_reason": "length" if cut else "stop"}
    body = {
        "id": "chatcmpl-fault" if chat else "cmpl-fault",
        "object": "chat.completion" if chat else "text_completion",
        "created": 1_750_000_000,
        "model": asked.model,
        "choices": [choice],
    }
    return _encode(body if usage is None else body | {"usage": usage})


def events(target: str, asked: Asked, usage: dict[str, Any] | None) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The events of a stream: those before the words, one for each word, those after them."""
    words, cut = words_for(asked)
    if target.endswith("/messages"):
        return _messages(asked, words, cut, usage)
    chat = target.endswith("/chat/completions")
    wants_usage = usage is not None and bool((asked.stream_options or {}).get("include_usage"))

    def chunk(said: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        return _chunk(asked.model, [choice], chat=chat)

    before = [chunk({"delta": {"role": "assistant", "content": ""}})] if chat else []
    middle = [chunk({"delta": {"content": word}} if chat else {"text": word}) for word in words]
    after = [chunk({"delta": {}} if chat else {"text": ""}, "length" if cut else "stop")]
    if wants_usage:
        after.append(_chunk(asked.model, [], chat=chat, usage=usage))
    return before, middle, [*after, b"data: [DONE]\n\n"]


def usage_of(target: str, asked: Asked) -> dict[str, Any]:
    words, _ = words_for(asked)
    told = INPUT_TOKENS + len(WORDS) - len(_after(_said(asked)))  # what is to be gone on with is read too
    if target.endswith("/messages"):
        return {"input_tokens": told, "output_tokens": len(words)}
    return {"prompt_tokens": told, "completion_tokens": len(words), "total_tokens": told + len(words)}


def error(target: str, status: int, message: str) -> bytes:
    if target.endswith("/messages"):
        return _encode({"type": "error", "error": {"type": "api_error", "message": message}})
    return _encode({"error": {"message": message, "type": "server_error", "param": None, "code": None}})


def _chunk(model: str, choices: list[dict[str, Any]], *, chat: bool, usage: dict[str, Any] | None = None) -> bytes:
    body: dict[str, Any] = {
        "id": "chatcmpl-fault" if chat else "cmpl-fault",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1_750_000_000,
        "model": model,
        "choices": choices,
    }
    return b"data: %b\n\n" % _encode(body if usage is None else body | {"usage": usage})


def _messages(
    asked: Asked, words: list[str], cut: bool, usage: dict[str, Any] | None
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    def event(kind: str, **more: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **more}))

    message: dict[str, Any] = {
        "id": "msg_fault",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**(usage or {}), "output_tokens": 1} if usage else {},
    }
    block = {"type": "text", "text": ""}
    before = [event("message_start", message=message), event("content_block_start", index=0, content_block=block)]
    middle = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words]
    delta = {"stop_reason": "max_tokens" if cut else "end_turn", "stop_sequence": None}
    end = event("message_delta", delta=delta, usage={"output_tokens": len(words)} if usage else {})
    return before, middle, [event("content_block_stop", index=0), end, event("message_stop")]


def _said(asked: Asked) -> str:
    """What of the words the caller has already."""
    if isinstance(asked.prompt, str):
        most = max((size for size in range(len(TEXT) + 1) if asked.prompt.endswith(TEXT[:size])), default=0)
        return TEXT[:most]
    if asked.messages and asked.messages[-1].get("role") == "assistant":
        content = asked.messages[-1].get("content")
        parts = content if isinstance(content, list) else [{"text": content or ""}]
        return "".join(str(part.get("text", "")) for part in parts)
    return ""


def _after(said: str) -> list[str]:
    """The words after those; a word that was said in part is told from there."""
    if not TEXT.startswith(said):
        return list(WORDS)
    left = len(said)
    rest = []
    for word in WORDS:
        if left < len(word):
            rest.append(word[left:])
        left = max(0, left - len(word))
    return rest
