"""What the calls answer with, as OpenAI shapes it. Described here for `/openapi.json` and for who builds an answer;
answers of providers pass as they come and are not decoded into these.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from waystation.wire.messages import CustomToolCall, FunctionToolCall


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers; a field that is UNSET is left out."""


class PromptTokensDetails(Shape, frozen=True, kw_only=True):
    cached_tokens: int | UnsetType = UNSET
    audio_tokens: int | UnsetType = UNSET


class CompletionTokensDetails(Shape, frozen=True, kw_only=True):
    reasoning_tokens: int | UnsetType = UNSET
    audio_tokens: int | UnsetType = UNSET
    accepted_prediction_tokens: int | UnsetType = UNSET
    rejected_prediction_tokens: int | UnsetType = UNSET


class CompletionUsage(Shape, frozen=True, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails | UnsetType = UNSET
    completion_tokens_details: CompletionTokensDetails | UnsetType = UNSET


class TopLogprob(Shape, frozen=True, kw_only=True):
    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob, frozen=True, kw_only=True):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(Shape, frozen=True, kw_only=True):
    content: list[TokenLogprob] | None
    refusal: list[TokenLogprob] | None


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class ChatAnswerMessage(Shape, frozen=True, kw_only=True):
    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None
    tool_calls: list[FunctionToolCall | CustomToolCall] | UnsetType = UNSET


class ChatChoice(Shape, frozen=True, kw_only=True):
    index: int
    message: ChatAnswerMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int  # UTC seconds
    model: str
    choices: list[ChatChoice]
    usage: CompletionUsage | UnsetType = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


class FunctionDelta(Shape, frozen=True, kw_only=True):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class ToolCallDelta(Shape, frozen=True, kw_only=True):
    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET


class ChatDelta(Shape, frozen=True, kw_only=True):
    role: Literal["developer", "system", "user", "assistant", "tool"] | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType | None = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChatChunkChoice(Shape, frozen=True, kw_only=True):
    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | UnsetType | None = UNSET
    finish_reason: FinishReason | None


class ChatCompletionChunk(Shape, frozen=True, kw_only=True):
    """One event of a stream. The one with the usage has no choices and comes only when it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int  # UTC seconds
    model: str
    choices: list[ChatChunkChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


class CompletionLogprobs(Shape, frozen=True, kw_only=True):
    tokens: list[str] | UnsetType = UNSET
    token_logprobs: list[float | None] | UnsetType = UNSET
    top_logprobs: list[dict[str, float] | None] | UnsetType = UNSET
    text_offset: list[int] | UnsetType = UNSET


class CompletionChoice(Shape, frozen=True, kw_only=True):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length", "content_filter"] | None


class Completion(Shape, frozen=True, kw_only=True):
    """A completion, and each event of a streamed one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int  # UTC seconds
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    system_fingerprint: str | UnsetType | None = UNSET


class Embedding(Shape, frozen=True, kw_only=True):
    index: int
    object: Literal["embedding"] = "embedding"
    embedding: list[float] | str  # a string is base64 of little-endian 32-bit floats


class EmbeddingUsage(Shape, frozen=True, kw_only=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Shape, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


class ErrorDetail(Shape, frozen=True, kw_only=True):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Shape, frozen=True, kw_only=True):
    error: ErrorDetail
