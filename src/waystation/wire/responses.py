"""The body of POST /v1/responses: every parameter that OpenAI has, and the rules between them.

The items of the input stay as they came: there are many kinds, most are a provider's own, and they are kept and handed back
as they are. Which kinds are known and what each needs is in `response_items.py`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire.messages import Plain
from waystation.wire.parameters import AtLeastOne, Metadata, Temperature, TopP
from waystation.wire.read import Reader
from waystation.wire.response_items import check_calls, check_items, kind_of
from waystation.wire.response_tools import check_choice, check_format, check_tools

Item = dict[str, Any]
Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]
IncludeList = Annotated[list[Include], Meta(max_length=32)]


class ConversationParam(Plain, frozen=True, gc=False):
    id: str


class ReasoningParam(Plain, frozen=True, gc=False):
    mode: Literal["standard", "pro"] | None = None
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class TextParam(Plain, frozen=True, gc=False):
    format: dict[str, Any] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ResponseStreamOptions(Plain, frozen=True, gc=False):
    include_obfuscation: bool | None = None


class ResponsesRequest(Plain, frozen=True, gc=False, kw_only=True, rename={"stream_asked": "stream"}):
    """A response as asked for. Null is the same as leaving a parameter out."""

    model: str = ""
    input: str | list[Item] | None = None
    instructions: str | None = None
    stream_asked: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: str | ConversationParam | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: IncludeList | None = None
    max_output_tokens: AtLeastOne | None = None
    max_tool_calls: AtLeastOne | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextParam | None = None
    reasoning: ReasoningParam | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None = None
    prompt: dict[str, Any] | None = None
    context_management: list[dict[str, Any]] | None = None
    moderation: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: Annotated[str, Meta(max_length=64)] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None

    @property
    def remembers(self) -> bool:
        """Whether the answer is to be kept, or the call refers to what is. OpenAI keeps all that nobody said otherwise of."""
        return (
            self.store is not False
            or self.background is True
            or self.previous_response_id is not None
            or self.conversation is not None
            or self.truncation == "auto"
            or any(kind_of(item) in ("item_reference", "compaction") for item in self.items)
        )

    @property
    def is_complete(self) -> bool:
        """Whether all that the model is to read is in the input: nothing of it is kept here or at a provider."""
        return (
            self.previous_response_id is None
            and self.conversation is None
            and self.prompt is None
            and not any(kind_of(item) in ("item_reference", "compaction") for item in self.items)
        )

    @property
    def items(self) -> list[Item]:
        """The input as items: a text is a user's message."""
        if isinstance(self.input, str):
            return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": self.input}]}]
        return self.input or []

    @property
    def conversation_id(self) -> str | None:
        return self.conversation.id if isinstance(self.conversation, ConversationParam) else self.conversation

    @property
    def stream(self) -> bool:
        return self.stream_asked is True

    @property
    def include_usage(self) -> bool:
        """The last event always tells the usage."""
        return True

    @property
    def output_tokens_asked(self) -> int | None:
        return self.max_output_tokens

    @property
    def choices(self) -> int:
        return 1

    @property
    def end_user(self) -> str | None:
        return self.safety_identifier or self.user

    @property
    def reasoning_effort(self) -> str | None:
        return self.reasoning.effort if self.reasoning is not None else None

    @property
    def image_param(self) -> str | None:
        """Where the first picture is, as `param` names it."""
        for at, item in enumerate(self.items):
            for name in ("content", "output"):
                content = item.get(name)
                for place, part in enumerate(content if isinstance(content, list) else ()):
                    if isinstance(part, dict) and part.get("type") == "input_image":
                        return f"input[{at}].{name}[{place}]"
        return None

    @property
    def has_images(self) -> bool:
        return self.image_param is not None

    @property
    def prompt_text(self) -> str:
        """All text that the model reads, for counting."""
        texts = [self.instructions or ""]
        for item in self.items:
            texts += _texts(item)
        texts += [msgspec.json.encode(tool).decode() for tool in self.tools or ()]
        return "\n".join(text for text in texts if text)


def read_response(body: bytes) -> ResponsesRequest:
    """The body as a request that OpenAI would take. Raises InvalidRequest with `param` in OpenAI's words."""
    request = _READER.read(body)
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    _check(request)
    return request


def _check(request: ResponsesRequest) -> None:
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    _check_kept(request)
    items = request.input if isinstance(request.input, list) else []
    check_items(items)
    if request.is_complete:  # else what is missing here may be in what is kept
        check_calls(items)
    more = any(item.get("type") == "additional_tools" for item in items)
    check_tools(request.tools or [])
    check_choice(request.tool_choice, request.tools or [], more=more)
    form = request.text.format if request.text is not None else None
    check_format(form)
    # Without the word, models tend to write white space until their limit: OpenAI's rule, and a good one.
    if form is not None and form["type"] == "json_object" and request.is_complete and not _says_json(request):
        raise InvalidRequest(
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.",
            param="input",
        )


def _check_kept(request: ResponsesRequest) -> None:
    """The rules of what a call refers to, and of what it wants kept."""
    if request.previous_response_id is not None and request.conversation is not None:
        raise InvalidRequest(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. "
            "Ensure you are only providing one of: 'previous_response_id' or 'conversation'.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    if request.background and request.store is False:
        raise InvalidRequest(
            "Background mode keeps the response to be retrieved later: it is only allowed when 'store' is true.",
            param="background",
        )
    refers = request.previous_response_id or request.conversation or request.prompt
    if not request.input and not refers and request.input != "":
        raise InvalidRequest(
            "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided.",
            param="input",
            code="missing_required_parameter",
        )


def _says_json(request: ResponsesRequest) -> bool:
    return "json" in request.prompt_text.lower()


def _texts(item: Item) -> list[str]:
    found = []
    for name in ("content", "output", "arguments", "input", "summary"):
        value = item.get(name)
        if isinstance(value, str):
            found.append(value)
        parts = value if isinstance(value, list) else ()
        found += [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return found


_READER = Reader(ResponsesRequest)
