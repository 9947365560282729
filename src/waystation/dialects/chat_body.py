"""A chat as an OpenAI-compatible upstream is asked: the vocabulary written as a request's body."""

from typing import Any, Literal

from waystation.dialects.ask import (
    Ask,
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Turn,
)
from waystation.errors import Unsupported

Prefill = Literal["none", "message", "continue_final_message", "partial", "prefix"]
"""How an upstream is told to go on with the last message, an assistant's: not at all, by that message alone (llama.cpp),
by two switches (vLLM, SGLang), or by a mark on the message (`partial`: DashScope, Moonshot; `prefix`: DeepSeek)."""


def chat_body(
    ask: Ask, upstream_model: str, *, prefill: Prefill = "none", developer: bool = True, reasoning: str | None = None
) -> dict[str, Any]:
    """The body. `developer`: the upstream knows that role, else its messages are the system's. `reasoning`: under this
    name it wants back what it thought. Raises Unsupported for what can't be said in this dialect.

    The limit of the output is `max_completion_tokens` for a model that is asked to reason and `max_tokens` otherwise;
    parameter rules give it the name that the upstream knows.
    """
    members: dict[str, Any] = {
        "model": upstream_model,
        "messages": [message for turn in ask.turns for message in _messages(turn, developer, reasoning)],
        "tools": [_tool(tool) for tool in ask.tools] or None,
        "tool_choice": None if ask.tool_choice is None else _choice(ask.tool_choice, ask.tools),
        "parallel_tool_calls": ask.parallel_tool_calls,
        "response_format": _format(ask),
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "top_k": ask.top_k,
        "stop": list(ask.stops) or None,
        "seed": ask.seed,
        "frequency_penalty": ask.frequency_penalty,
        "presence_penalty": ask.presence_penalty,
        "logit_bias": ask.logit_bias,
        "logprobs": None if ask.logprobs is None else True,
        "top_logprobs": ask.logprobs or None,
        "n": ask.choices if ask.choices > 1 else None,
        "reasoning_effort": _effort(ask),
        "verbosity": ask.verbosity,
        "user": ask.end_user,
        "service_tier": ask.service_tier,
        "metadata": ask.metadata,
        **ask.extra,
    }
    limit = "max_tokens" if members["reasoning_effort"] is None else "max_completion_tokens"
    members[limit] = ask.output_tokens_max
    if ask.stream:
        members |= {"stream": True, "stream_options": {"include_usage": True}}
    if ask.said:
        _go_on(members, ask.said, prefill)
    return {name: value for name, value in members.items() if value is not None}


EFFORT_UP_TO = ((0, "none"), (2048, "low"), (8192, "medium"))
"""So many tokens of thinking are about this effort; more are a high one. Anthropic's least budget is 1024."""


def _effort(ask: Ask) -> str | None:
    """The effort that was asked for, or the one that a budget for thinking comes to."""
    if ask.reasoning_effort is not None or ask.reasoning_tokens_max is None:
        return ask.reasoning_effort
    budget = ask.reasoning_tokens_max
    return next((effort for most, effort in EFFORT_UP_TO if budget <= most), "high")


def _go_on(members: dict[str, Any], said: str, prefill: Prefill) -> None:
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if prefill == "none":
        raise Unsupported("The model that answers can't go on with an answer that has begun.", param="messages")
    if prefill == "continue_final_message":
        members |= {"continue_final_message": True, "add_generation_prompt": False}
    elif prefill != "message":
        message[prefill] = True
    members["messages"].append(message)


def _messages(turn: Turn, developer: bool, reasoning: str | None) -> list[dict[str, Any]]:
    """The messages of a turn: each result of a tool is one, what else a user's turn has is another."""
    if turn.role == "assistant":
        return [_assistant(turn, reasoning)]
    results = [_result(part) for part in turn.parts if isinstance(part, ToolResult)]
    pictures = [more for part in turn.parts if isinstance(part, ToolResult) for more in _pictures(part)]
    others = [part for part in turn.parts if not isinstance(part, ToolResult)] + pictures
    if results and not others:
        return results
    role = "system" if turn.role == "developer" and not developer else turn.role
    return [*results, _named(turn, {"role": role, "content": _content(others)})]


def _assistant(turn: Turn, reasoning: str | None) -> dict[str, Any]:
    texts = [part for part in turn.parts if isinstance(part, Text)]
    calls = [_call(part) for part in turn.parts if isinstance(part, ToolUse)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(part.text for part in texts) or None}
    thought = "".join(part.text for part in turn.parts if isinstance(part, Reasoning))
    if thought and reasoning is not None:
        message[reasoning] = thought
    refusal = "".join(part.text for part in turn.parts if isinstance(part, Refusal))
    if refusal:
        message["refusal"] = refusal
    if calls:
        message["tool_calls"] = calls
    elif not refusal and message["content"] is None:
        message["content"] = ""
    return _named(turn, message)


def _named(turn: Turn, message: dict[str, Any]) -> dict[str, Any]:
    return message if turn.name is None else {**message, "name": turn.name}


def _call(part: ToolUse) -> dict[str, Any]:
    if part.custom:
        return {"id": part.id, "type": "custom", "custom": {"name": part.name, "input": part.arguments}}
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}


def _result(part: ToolResult) -> dict[str, Any]:
    text = "\n".join(each.text for each in part.parts if isinstance(each, Text))
    if part.is_error:
        text = f"Error: {text}" if text else "Error"
    return {"role": "tool", "tool_call_id": part.call_id, "content": text}


def _pictures(part: ToolResult) -> list[Part]:
    """A tool's message has only text here: what else it returned follows as the user's."""
    return [each for each in part.parts if not isinstance(each, Text)]


def _content(parts: list[Part]) -> str | list[dict[str, Any]]:
    if len(parts) < 2 and all(isinstance(part, Text) for part in parts):  # many servers know only strings
        return "".join(part.text for part in parts if isinstance(part, Text))
    return [_part(part) for part in parts]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image):
        url = part.url or f"data:{part.media_type};base64,{part.data}"
        detail = {} if part.detail is None else {"detail": part.detail}
        return {"type": "image_url", "image_url": {"url": url, **detail}}
    if isinstance(part, Audio):
        return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
    if isinstance(part, Document):
        return {"type": "file", "file": _file(part)}
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text}
    raise Unsupported("The model that answers can't read this kind of content.", param="messages")


def _file(part: Document) -> dict[str, Any]:
    if part.url is not None:
        raise Unsupported(
            "The model that answers can't fetch documents. Send the document's content as base64.", param="messages"
        )
    file = {
        "filename": part.name,
        "file_id": part.file_id,
        "file_data": None if part.data is None else f"data:{part.media_type};base64,{part.data}",
    }
    return {name: value for name, value in file.items() if value is not None}


def _tool(tool: Tool) -> dict[str, Any]:
    definition: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        definition["description"] = tool.description
    if tool.custom:
        return {"type": "custom", "custom": definition}
    if tool.schema is not None:
        definition["parameters"] = tool.schema
    if tool.strict is not None:
        definition["strict"] = tool.strict
    return {"type": "function", "function": definition}


def _choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> Any:
    if choice.mode != "named":
        return choice.mode if tools else None
    custom = any(tool.name == choice.name and tool.custom for tool in tools)
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": choice.name}}


def _format(ask: Ask) -> dict[str, Any] | None:
    if ask.format is None:
        return None
    if ask.format.schema is None:
        return {"type": "json_object"}
    schema = {
        "name": ask.format.name,
        "description": ask.format.description,
        "schema": ask.format.schema,
        "strict": ask.format.strict,
    }
    return {"type": "json_schema", "json_schema": {name: value for name, value in schema.items() if value is not None}}
