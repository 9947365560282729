"""Reads a request for a message into what is asked, for a model whose provider speaks another dialect."""

from typing import Any

import msgspec

from waystation.dialects.ask import (
    Ask,
    Document,
    Format,
    Image,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.errors import Unsupported
from waystation.wire.anthropic import Block, MessagesRequest, Source

_CHOICES = {"auto": "auto", "any": "required", "tool": "named", "none": "none"}
# What only Anthropic's own servers do something with.
_ONLY_THERE = (
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "user_profile_id",
    "workspace_id",
)


def ask_of_messages(body: bytes, request: MessagesRequest, output_tokens_max: int | None) -> Ask:
    """What a request asks. `output_tokens_max` is what can be paid, None: all of it. Raises Unsupported.

    The body is not read again: the request has all that others can use.
    """
    if request.max_tokens == 0:
        raise Unsupported(
            "This model's provider can't fill a prompt cache only: max_tokens is 1 at least.", param="max_tokens"
        )
    most = request.max_tokens if output_tokens_max is None else min(request.max_tokens, output_tokens_max)
    choice, config = request.tool_choice, request.output_config
    effort, budget = _thinking(request)
    return Ask(
        stream=request.stream,
        turns=tuple(_turns(request)),
        tools=tuple(_tools(request)),
        tool_choice=None if choice is None else ToolChoice(_CHOICES[choice.type], choice.name),  # type: ignore[arg-type]
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        format=Format(config.format.schema, strict=True) if config is not None and config.format is not None else None,
        output_tokens_max=most,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stops=tuple(request.stop_sequences or ()),
        reasoning_effort=effort,
        reasoning_tokens_max=budget,
        end_user=request.end_user,
        service_tier=request.service_tier,
        extra={name: value for name in _ONLY_THERE if (value := getattr(request, name)) is not None},
    )


def _thinking(request: MessagesRequest) -> tuple[Any, int | None]:
    """The effort and the budget that the request's `thinking` and `output_config` come to."""
    effort, thinking = request.reasoning_effort, request.thinking
    if thinking is None:
        return effort, None
    if thinking.type in ("disabled", "between_tools"):
        return "none", None
    budget = thinking.budget_tokens
    if effort is None and budget is not None:  # those who know no budgets know how much that is
        effort = "low" if budget <= 4096 else "medium" if budget <= 16_384 else "high"
    return effort, budget


def _turns(request: MessagesRequest) -> list[Turn]:
    turns: list[Turn] = []
    if request.system:
        turns.append(Turn("system", _parts(request.system, {})))
    names: dict[str, str] = {}  # of tools, by the id of their calls
    for message in request.messages:
        parts = _parts(message.content, names)
        if parts:
            turns.append(Turn(message.role, parts))
    return turns


def _parts(content: str | list[Block], names: dict[str, str]) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(part for block in content for part in _part(block, names))


def _part(block: Block, names: dict[str, str]) -> list[Part]:
    """A block as parts. Steps of tools that Anthropic ran itself are left out: the words about them follow anyway."""
    if block.type == "text":
        return [Text(block.text or "", block.cache_control is not None)]
    if block.type == "image":
        source = _source(block)
        return [Image(source.url, source.data, source.media_type)]
    if block.type == "document":
        return _document(block, _source(block))
    if block.type == "tool_use":
        names[block.id or ""] = block.name or ""
        return [ToolUse(block.id or "", block.name or "", msgspec.json.encode(block.input or {}).decode())]
    if block.type == "tool_result":
        call = block.tool_use_id or ""
        content = block.content if isinstance(block.content, str | list) else ""
        parts: Any = _parts(content, names) if content else ()
        return [ToolResult(call, names.get(call, ""), parts, block.is_error is True)]
    if block.type == "thinking":
        return [Reasoning(block.thinking or "", block.signature or None)]
    if block.type == "redacted_thinking":
        return [Reasoning(redacted=block.data)]
    if block.type == "search_result" and isinstance(block.content, list):
        head = f"{block.title or ''} {block.source if isinstance(block.source, str) else ''}".strip()
        return [Text(head), *_parts(block.content, names)]
    if block.type == "container_upload":
        raise Unsupported("Containers are Anthropic's: this model's provider has none.", param="messages")
    return []


def _document(block: Block, source: Source) -> list[Part]:
    if source.type == "text":
        return [Text(source.data or "")]
    if source.type == "content":
        return list(_parts(source.content or "", {}))
    return [Document(source.url, source.data, source.media_type, source.file_id, block.title)]


def _source(block: Block) -> Source:
    if not isinstance(block.source, Source):
        raise Unsupported(f"The source of a block of type '{block.type}' is an object.", param="messages")
    if block.type == "image" and block.source.type == "file":
        raise Unsupported("Files at Anthropic can't be seen by this model: send the image itself.", param="messages")
    return block.source


def _tools(request: MessagesRequest) -> list[Tool]:
    tools = []
    for at, tool in enumerate(request.tools or ()):
        if tool.type not in (None, "custom"):
            raise Unsupported(
                f"Tools of the type '{tool.type}' are run by Anthropic: this model's provider has none. Describe a tool of "
                "your own with an input_schema.",
                param=f"tools[{at}].type",
            )
        tools.append(Tool(tool.name or "", tool.description, tool.input_schema, tool.strict))
    return tools
