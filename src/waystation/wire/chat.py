"""The body of POST /v1/chat/completions: every parameter that OpenAI has, and the rules between them.

What a model can do with them (images, tools, lengths) is asked by `policy`, once the model is known.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire import tools as tooling
from waystation.wire.messages import Messages, Plain, TextParts, image_param, texts_of
from waystation.wire.parameters import (
    AtLeastOne,
    LogitBias,
    Metadata,
    Penalty,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    TopP,
    check_stream_options,
)
from waystation.wire.read import Reader
from waystation.wire.tools import Functions, JsonObject, JsonSchema, Named, ResponseFormat, ToolChoice, Tools
from waystation.wire.turns import check_turns


class Voice(Plain, frozen=True, gc=False):
    id: str


class AudioOutput(Plain, frozen=True, gc=False):
    voice: str | Voice
    format: Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]


class Prediction(Plain, frozen=True, gc=False):
    type: Literal["content"]
    content: str | TextParts


class WebSearchPlace(Plain, frozen=True, gc=False):
    country: str | None = None
    region: str | None = None
    city: str | None = None
    timezone: str | None = None


class WebSearchLocation(Plain, frozen=True, gc=False):
    type: Literal["approximate"]
    approximate: WebSearchPlace


class WebSearchOptions(Plain, frozen=True, gc=False):
    user_location: WebSearchLocation | None = None
    search_context_size: Literal["low", "medium", "high"] | None = None


class ModerationConfig(Plain, frozen=True, gc=False):
    mode: Literal["score", "block"]


class ModerationPolicy(Plain, frozen=True, gc=False):
    input: ModerationConfig | None = None
    output: ModerationConfig | None = None


class Moderation(Plain, frozen=True, gc=False):
    model: str
    policy: ModerationPolicy | None = None


class PromptCacheOptions(Plain, frozen=True, gc=False):
    ttl: Literal["30m"] | None = None
    mode: Literal["implicit", "explicit"] | None = None


class ChatRequest(Plain, frozen=True, gc=False, kw_only=True, rename={"stream_asked": "stream"}):
    """A chat completion as asked for. Null is the same as leaving a parameter out, except in `model` and `messages`."""

    model: str
    messages: Messages
    stream_asked: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: AtLeastOne | None = None
    max_completion_tokens: AtLeastOne | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stop: Stop | None = None
    seed: Seed | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: LogitBias | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Functions | None = None
    function_call: Literal["none", "auto"] | Named | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioOutput | None = None
    prediction: Prediction | None = None
    web_search_options: WebSearchOptions | None = None
    service_tier: Literal["auto", "default", "fast", "flex", "priority", "scale"] | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    moderation: Moderation | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: PromptCacheOptions | None = None

    @property
    def remembers(self) -> bool:
        """Whether the answer is to be kept, or the call refers to what is."""
        return self.store is True

    @property
    def stream(self) -> bool:
        return self.stream_asked is True

    @property
    def include_usage(self) -> bool:
        """Whether the caller wants a last chunk with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage is True

    @property
    def output_tokens_asked(self) -> int | None:
        """The most tokens that each choice may have; the smaller one where both names are used."""
        if self.max_tokens is None or self.max_completion_tokens is None:
            return self.max_completion_tokens or self.max_tokens
        return min(self.max_tokens, self.max_completion_tokens)

    @property
    def choices(self) -> int:
        """How many answers are generated, so how often the output is paid for."""
        return self.n or 1

    @property
    def end_user(self) -> str | None:
        return self.safety_identifier or self.user

    @property
    def image_param(self) -> str | None:
        """Where the first image is, as `param` names it."""
        return image_param(self.messages)

    @property
    def has_images(self) -> bool:
        return image_param(self.messages) is not None

    @property
    def prompt_text(self) -> str:
        """All text that the model reads, for counting: messages, calls of tools, definitions of tools and format."""
        texts = texts_of(self.messages)
        for tool in self.tools or ():
            texts.append(_definition_text(tool.function if isinstance(tool, tooling.FunctionTool) else tool.custom))
        texts += [_definition_text(function) for function in self.functions or ()]
        if type(self.response_format) is JsonSchema:
            texts.append(_definition_text(self.response_format.json_schema))
        return "\n".join(texts)


def read_chat(body: bytes) -> ChatRequest:
    """The body as a request that OpenAI would take. Raises InvalidRequest with `param` in OpenAI's words."""
    request = _READER.read(body)
    _check(request)
    return request


def _check(request: ChatRequest) -> None:
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    check_stream_options(request.stream_options, request.stream_asked)
    if request.top_logprobs is not None and not request.logprobs:
        raise InvalidRequest(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs"
        )
    if request.tools is None:
        _refuse_without("tool_choice", request.tool_choice, "tools")
        _refuse_without("parallel_tool_calls", request.parallel_tool_calls, "tools")
    else:
        tooling.check_tools(request.tools)
        tooling.check_choice(request.tool_choice, request.tools)
    if request.functions is None:
        _refuse_without("function_call", request.function_call, "functions")
    else:
        tooling.check_functions(request.functions, request.function_call)
    if request.modalities is not None and "audio" in request.modalities and request.audio is None:
        raise InvalidRequest("Missing required parameter: 'audio'.", param="audio", code="missing_required_parameter")
    if request.response_format is not None:
        _check_format(request)
    check_turns(request.messages)


def _refuse_without(name: str, value: Any, needed: str) -> None:
    if value is not None:
        raise InvalidRequest(
            f"Invalid value for '{name}': '{name}' is only allowed when '{needed}' are specified.", param=name
        )


def _check_format(request: ChatRequest) -> None:
    if type(request.response_format) is JsonSchema:
        tooling.check_schema_format(request.response_format.json_schema)
    # Without the word, models tend to write white space until their limit: OpenAI's rule, and a good one.
    elif type(request.response_format) is JsonObject and not _says_json(request.messages):
        raise InvalidRequest(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )


def _says_json(messages: list[Any]) -> bool:
    return any("json" in text.lower() for text in texts_of(messages))


def _definition_text(definition: Any) -> str:
    """What of a tool or a format is written into the prompt: its name, what it is for and its schema as it came."""
    schema = getattr(definition, "parameters", None) or getattr(definition, "schema", None)
    return f"{definition.name} {definition.description or ''} {bytes(schema).decode() if schema else ''}".rstrip()


_READER = Reader(ChatRequest)
