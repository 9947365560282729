"""The body of POST /v1/messages: Anthropic's parameters, read as far as the gateway decides on them.

Blocks are read leniently, since new kinds come with every beta and a provider that speaks Anthropic's dialect is handed the
caller's own bytes: only what every block of a kind must have is asked for. What a kind means to others is in `dialects/`.
Source: the official description of the Messages API, https://platform.claude.com/docs/en/api/messages/create (November 2026).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from waystation.errors import InvalidRequest
from waystation.wire.messages import Plain
from waystation.wire.parameters import TopP
from waystation.wire.read import Reader

MESSAGES_MAX = 100_000
Effort = Literal["low", "medium", "high", "xhigh", "max"]


class Source(Plain, frozen=True, gc=False):
    """Where an image or a document is: base64, url, file, text or content."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: "str | list[Block] | None" = None


class Block(Plain, frozen=True, gc=False):
    """A content block of any kind."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    title: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: "str | list[Block] | dict[str, Any] | None" = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    cache_control: dict[str, Any] | None = None


class InputMessage(Plain, frozen=True, gc=False):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class UserMetadata(Plain, frozen=True, gc=False):
    user_id: Annotated[str, Meta(max_length=512)] | None = None


class ToolEntry(Plain, frozen=True, gc=False):
    """A tool of the caller's own (`type` is custom or left out), or one that Anthropic runs."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: dict[str, Any] | None = None


class Choice(Plain, frozen=True, gc=False):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Plain, frozen=True, gc=False):
    type: str  # "enabled", "adaptive", "disabled", "between_tools"
    budget_tokens: Annotated[int, Meta(ge=1024)] | None = None


class OutputFormat(Plain, frozen=True, gc=False):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Plain, frozen=True, gc=False):
    effort: Effort | None = None
    format: OutputFormat | None = None


class CountRequest(Plain, frozen=True, gc=False, kw_only=True):
    """What POST /v1/messages/count_tokens reads, and every request for a message has."""

    model: str
    messages: Annotated[list[InputMessage], Meta(min_length=1, max_length=MESSAGES_MAX)]
    system: str | list[Block] | None = None
    tools: list[ToolEntry] | None = None
    tool_choice: Choice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    cache_control: dict[str, Any] | None = None


class MessagesRequest(
    CountRequest, frozen=True, gc=False, kw_only=True, rename={"stream_asked": "stream", "tier_asked": "service_tier"}
):
    """A message as asked for."""

    max_tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)]  # 0 fills the prompt cache and answers nothing
    stream_asked: bool | None = None
    metadata: UserMetadata | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    top_p: TopP | None = None
    tier_asked: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    # What a provider of this dialect reads and others can't use.
    container: Any = None
    context_management: Any = None
    diagnostics: Any = None
    inference_geo: str | None = None
    mcp_servers: Any = None
    user_profile_id: str | None = None
    workspace_id: str | None = None

    # -- what the stages ask of every request

    @property
    def remembers(self) -> bool:
        """Whether the answer is to be kept, or the call refers to what is."""
        return False

    @property
    def stream(self) -> bool:
        return self.stream_asked is True

    @property
    def include_usage(self) -> bool:
        """Every answer of this dialect says what it used."""
        return True

    @property
    def output_tokens_asked(self) -> int:
        return self.max_tokens

    @property
    def choices(self) -> int:
        return 1

    @property
    def end_user(self) -> str | None:
        return self.metadata.user_id if self.metadata is not None else None

    @property
    def service_tier(self) -> str | None:
        """The tier whose price holds, in the words of prices: fast mode is one there."""
        if self.speed == "fast":
            return "fast"
        return "default" if self.tier_asked == "standard_only" else self.tier_asked

    @property
    def reasoning_effort(self) -> str | None:
        return self.output_config.effort if self.output_config is not None else None

    @property
    def image_param(self) -> str | None:
        """Where the first picture or document is, as `param` names it: both are seen, not read."""
        for at, message in enumerate(self.messages):
            if type(message.content) is list:
                for place, block in enumerate(message.content):
                    if _is_seen(block):
                        return f"messages[{at}].content[{place}]"
        return None

    @property
    def has_images(self) -> bool:
        return self.image_param is not None

    @property
    def prompt_text(self) -> str:
        """All text that the model reads, for counting."""
        return "\n".join((*texts_of(self), *(definition_text(tool) for tool in self.tools or ())))


def read_messages(body: bytes) -> MessagesRequest:
    """The body as a request that Anthropic would take. Raises InvalidRequest with `param`."""
    request = _READER.read(body)
    _check(request)
    return request


def read_count(body: bytes) -> CountRequest:
    """The body of a request to count tokens, which may have what a message's has. Raises InvalidRequest with `param`."""
    request = _COUNT_READER.read(body)
    _check(request)
    return request


def countable(request: CountRequest) -> list[dict[str, Any]]:
    """The messages of a request as they are counted: roles and words, the tools in front, as models are told of them."""
    messages = []
    given = [*_texts(request.system or ()), *(definition_text(tool) for tool in request.tools or ())]
    if given:
        messages.append({"role": "system", "content": "\n".join(given)})
    said = [{"role": message.role, "content": "\n".join(_texts(message.content))} for message in request.messages]
    return messages + said


def texts_of(request: CountRequest) -> list[str]:
    """The texts of the system prompt and of all messages, in order; calls of tools as their JSON."""
    texts = list(_texts(request.system or ()))
    for message in request.messages:
        texts += _texts(message.content)
    return texts


def definition_text(tool: ToolEntry) -> str:
    """What of a tool is written into the prompt."""
    schema = msgspec.json.encode(tool.input_schema).decode() if tool.input_schema is not None else ""
    return f"{tool.name or tool.type} {tool.description or ''} {schema}".rstrip()


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    found: list[str] = []
    for block in content if isinstance(content, list) else ():
        if block.text is not None:
            found.append(block.text)
        if block.thinking:
            found.append(block.thinking)
        if block.type == "tool_use":
            found.append(f"{block.name} {msgspec.json.encode(block.input).decode()}")
        if isinstance(block.source, Source) and block.source.type == "text":
            found.append(block.source.data or "")
        elif isinstance(block.source, Source):
            found += _texts(block.source.content)
        found += _texts(block.content)
    return found


def _is_seen(block: Block) -> bool:
    """Whether the model has to look at it. A document of plain text is read as any text."""
    if block.type == "image":
        return True
    if block.type == "document":
        return not (isinstance(block.source, Source) and block.source.type in ("text", "content"))
    return type(block.content) is list and any(_is_seen(part) for part in block.content)


# What every block of a kind has to have; of other kinds nothing is known here.
_NEEDED = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
}
_OF_ASSISTANT = frozenset(("thinking", "redacted_thinking", "tool_use"))


def _check(request: CountRequest) -> None:
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")
    if type(request.system) is list:
        _check_blocks(request.system, "system", "system")
    for at, message in enumerate(request.messages):
        if type(message.content) is list:
            _check_blocks(message.content, f"messages[{at}].content", message.role)
    for at, tool in enumerate(request.tools or ()):
        if tool.type in (None, "custom"):
            for name in ("name", "input_schema"):
                if getattr(tool, name) is None:
                    raise _missing(f"tools[{at}].{name}")
    choice = request.tool_choice
    if choice is not None and choice.type in ("any", "tool") and not request.tools:
        raise InvalidRequest(
            "Invalid value for 'tool_choice': it is only allowed when 'tools' are specified.", param="tool_choice"
        )
    if choice is not None and choice.type == "tool" and not choice.name:
        raise _missing("tool_choice.name")
    thinking = request.thinking
    if thinking is not None and thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise _missing("thinking.budget_tokens")
        if isinstance(request, MessagesRequest) and request.max_tokens <= thinking.budget_tokens:
            raise InvalidRequest(
                "Invalid 'max_tokens': it must be greater than 'thinking.budget_tokens'.", param="max_tokens"
            )


def _check_blocks(blocks: list[Block], where: str, role: str) -> None:
    for at, block in enumerate(blocks):
        for name in _NEEDED.get(block.type, ()):
            if getattr(block, name) is None:
                raise _missing(f"{where}[{at}].{name}")
        if block.type in _OF_ASSISTANT and role != "assistant":
            raise InvalidRequest(
                f"Invalid value for '{where}[{at}].type': '{block.type}' is only allowed in assistant messages.",
                param=f"{where}[{at}].type",
            )
        if block.type == "tool_result" and role != "user":
            raise InvalidRequest(
                f"Invalid value for '{where}[{at}].type': 'tool_result' is only allowed in user messages.",
                param=f"{where}[{at}].type",
            )


def _missing(param: str) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


_READER = Reader(MessagesRequest)
_COUNT_READER = Reader(CountRequest)
