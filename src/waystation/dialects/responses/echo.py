"""A response as an object: what its request asked, said back with every default, and the parts that change as it grows.

Source: the schema `Response` of OpenAI's description. A member that can't be null there is left out while nobody knows it.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from waystation.terms import Usage

Members = dict[str, Any]


class Asked(Protocol):
    """What a response says back of its request (`wire/responses.py:ResponsesRequest`)."""

    @property
    def background(self) -> bool | None: ...
    @property
    def conversation_id(self) -> str | None: ...
    @property
    def include(self) -> Sequence[str] | None: ...
    @property
    def instructions(self) -> str | None: ...
    @property
    def max_output_tokens(self) -> int | None: ...
    @property
    def max_tool_calls(self) -> int | None: ...
    @property
    def metadata(self) -> dict[str, str] | None: ...
    @property
    def parallel_tool_calls(self) -> bool | None: ...
    @property
    def previous_response_id(self) -> str | None: ...
    @property
    def prompt_cache_key(self) -> str | None: ...
    @property
    def prompt_cache_retention(self) -> str | None: ...
    @property
    def reasoning(self) -> Any: ...
    @property
    def safety_identifier(self) -> str | None: ...
    @property
    def service_tier(self) -> str | None: ...
    @property
    def store(self) -> bool | None: ...
    @property
    def temperature(self) -> float | None: ...
    @property
    def text(self) -> Any: ...
    @property
    def tool_choice(self) -> Any: ...
    @property
    def tools(self) -> list[dict[str, Any]] | None: ...
    @property
    def top_logprobs(self) -> int | None: ...
    @property
    def top_p(self) -> float | None: ...
    @property
    def truncation(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...


class Envelope(Protocol):
    """What an answer says of itself (`dialects/table.py`)."""

    @property
    def id(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def created(self) -> int: ...


def begun_response(envelope: Envelope, request: Asked) -> Members:
    """The response as it begins: in progress, without output."""
    members: Members = {
        "id": envelope.id,
        "object": "response",
        "created_at": envelope.created,
        "status": "in_progress",
        "background": request.background is True,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "model": envelope.model,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "prompt_cache_retention": request.prompt_cache_retention,
        "reasoning": _reasoning(request.reasoning),
        "safety_identifier": request.safety_identifier,
        "service_tier": request.service_tier or "auto",
        "store": request.store is not False,
        "temperature": _given(request.temperature, 1.0),
        "text": _text(request.text),
        "tool_choice": _given(request.tool_choice, "auto"),
        "tools": [_tool(tool) for tool in request.tools or ()],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": _given(request.top_p, 1.0),
        "truncation": request.truncation or "disabled",
        "metadata": request.metadata or {},
    }
    if request.conversation_id is not None:
        members["conversation"] = {"id": request.conversation_id}
    if request.user is not None:
        members["user"] = request.user
    return members


def usage_of(usage: Usage) -> Members:
    """The usage in OpenAI's words; cached tokens are part of the input, reasoning tokens of the output."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _given(value: Any, default: Any) -> Any:
    return default if value is None else value


def _reasoning(given: Any) -> Members:
    said: Members = {} if given is None else msgspec.to_builtins(given)
    return {"effort": None, "summary": None} | {name: value for name, value in said.items() if value is not None}


def _text(given: Any) -> Members:
    form = {"type": "text"} if given is None or given.format is None else given.format
    return {"format": form, "verbosity": (None if given is None else given.verbosity) or "medium"}


def _tool(tool: Members) -> Members:
    """A tool as it came. A function says also what was left out: its schema is required to in an answer."""
    if tool.get("type") == "function":
        return {"parameters": None, "strict": None} | tool
    return tool
