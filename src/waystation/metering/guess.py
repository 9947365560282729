"""What was probably used, when nobody says: the words of a request and of an answer. What is odd is skipped."""

from collections.abc import Iterator
from typing import Any

import msgspec

_REQUEST_FIELDS = ("system", "instructions", "messages", "prompt", "input", "tools", "functions")
# Bytes and names, no words.
_SKIPPED = frozenset(
    {
        "image_url",
        "input_audio",
        "file",
        "type",
        "id",
        "tool_call_id",
        "tool_use_id",
        "cache_control",
        "signature",
        "encrypted_content",
        "call_id",
    }
)
_WORDLESS_TYPES = ("base64", "url", "redacted_thinking")  # where Anthropic has bytes, a link or a secret
_DEPTH_MAX = 64


def request_text(body: bytes) -> str:
    """What the model was given to read, of any of our operations. Pictures and token ids have no words."""
    request = _decoded(body)
    return "\n".join(text for field in _REQUEST_FIELDS for text in _texts(request.get(field), _DEPTH_MAX))


def given_token_ids(body: bytes) -> int:
    """How many token ids the model was given instead of words (completions and embeddings take both)."""
    request = _decoded(body)
    return sum(_integers(request.get(field)) for field in ("prompt", "input"))


def answer_text(body: bytes) -> str:
    """What the model said, of an answer that is not streamed: all choices, tool calls included."""
    answer = _decoded(body)
    choices = answer.get("choices")
    if not isinstance(choices, list):  # a message of Anthropic's has blocks, a response items
        return "\n".join(_texts(answer.get("content", answer.get("output")), _DEPTH_MAX))
    said = [choice.get("message", choice.get("text")) for choice in choices if isinstance(choice, dict)]
    return "\n".join(_texts(said, _DEPTH_MAX))


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _texts(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth > 0 and isinstance(value, list):
        for part in value:
            yield from _texts(part, depth - 1)
    elif depth > 0 and isinstance(value, dict) and value.get("type") not in _WORDLESS_TYPES:
        for name, part in value.items():
            if name not in _SKIPPED:
                yield from _texts(part, depth - 1)


def _integers(value: object) -> int:
    """The integers in a list, or in the lists of a list."""
    if not isinstance(value, list):
        return 0
    return sum(1 if isinstance(part, int) else _integers(part) for part in value)


def tokens_of_bytes(size_bytes: int) -> int:
    """How many tokens so much text may be, rounded up: four bytes each is about right in English and Chinese."""
    return -(-size_bytes // 4)
