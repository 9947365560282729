"""What POST /v1/messages and its count of tokens answer with, as Anthropic shapes it. Described here for `/openapi.json`.

Source: https://platform.claude.com/docs/en/api/messages/create (November 2026).
"""

from typing import Any, Literal

from waystation.wire.answers import Shape


class MessageUsage(Shape, frozen=True, kw_only=True):
    """`input_tokens` are those that were neither read from the prompt cache nor written to it."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int


StopReason = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"
]


class MessageAnswer(Shape, frozen=True, kw_only=True):
    """A message. Its blocks are of the types text, thinking, redacted_thinking and tool_use."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[dict[str, Any]]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage


class MessageEvent(Shape, frozen=True, kw_only=True):
    """An event of a stream; what else it has depends on its type."""

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    ]


class MessageTokensCount(Shape, frozen=True, kw_only=True):
    input_tokens: int


class AnthropicErrorDetail(Shape, frozen=True, kw_only=True):
    type: str
    message: str


class AnthropicErrorBody(Shape, frozen=True, kw_only=True):
    type: Literal["error"] = "error"
    error: AnthropicErrorDetail
    request_id: str
