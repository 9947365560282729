"""A chat completion as it is asked for, read into the vocabulary. Messages are in `chat_turns.py`."""

from typing import Any

import msgspec

from waystation.dialects.ask import Ask, Format, Tool, ToolChoice
from waystation.dialects.chat_turns import turns_of
from waystation.wire.chat import ChatRequest
from waystation.wire.read import unknown_parameters
from waystation.wire.tools import (
    AllowedToolsChoice,
    CustomChoice,
    FunctionChoice,
    FunctionTool,
    GrammarFormat,
    JsonObject,
    JsonSchema,
    Named,
)

NO_PLACE = (
    "modalities",
    "audio",
    "prediction",
    "web_search_options",
    "store",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
)
"""Parameters of OpenAI's that no other dialect knows."""

_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON = msgspec.json


def ask_of_chat(body: bytes, request: ChatRequest, output_tokens_max: int | None) -> Ask:
    """The request in the vocabulary. `output_tokens_max` is what can be paid for each choice; None: whatever is asked.

    Raises Unsupported for what the vocabulary has no noun for (an answer of before as audio), InvalidRequest for a
    picture that is no data.
    """
    tools, choice = _tools(request)
    return Ask(
        stream=request.stream,
        turns=turns_of(body, request.messages),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=request.parallel_tool_calls,
        format=_format(request.response_format),
        output_tokens_max=smaller(request.output_tokens_asked, output_tokens_max),
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=_top_k(body),
        stops=stops_of(request.stop),
        seed=request.seed,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        logit_bias=biases_of(request.logit_bias),
        logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        choices=request.choices,
        reasoning_effort=request.reasoning_effort,
        verbosity=request.verbosity,
        end_user=request.end_user,
        service_tier=request.service_tier,
        metadata=request.metadata,
        extra=extra_of(body, request, NO_PLACE, known=("top_k",)),
    )


def smaller(asked: int | None, payable: int | None) -> int | None:
    """The smaller of two limits, either of which may be missing."""
    if asked is None or payable is None:
        return payable if asked is None else asked
    return min(asked, payable)


def stops_of(stop: str | list[str] | None) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def biases_of(bias: dict[int, float] | None) -> dict[str, float] | None:
    return None if bias is None else {str(token): value for token, value in bias.items()}


def extra_of(body: bytes, request: Any, no_place: tuple[str, ...], known: tuple[str, ...] = ()) -> dict[str, Any]:
    """What no other dialect knows, as it was sent: `no_place` of the request's own, and all that it doesn't know."""
    names = [name for name in no_place if getattr(request, name) is not None]
    names += [name for name in unknown_parameters(body, type(request)) if name not in known]
    if not names:
        return {}
    members = _members.decode(body)
    return {name: _JSON.decode(members[name]) for name in names}


class _TopK(msgspec.Struct):
    top_k: Any = None


_top_k_decoder = msgspec.json.Decoder(_TopK)


def _top_k(body: bytes) -> int | None:
    """Not OpenAI's, but nearly everybody else's."""
    if b"top_k" not in body:
        return None
    given = _top_k_decoder.decode(body).top_k
    return given if type(given) is int and given > 0 else None


def _tools(request: ChatRequest) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    if request.functions is not None:
        functions = tuple(
            Tool(function.name, function.description, _schema(function.parameters)) for function in request.functions
        )
        legacy = request.function_call
        return functions, ToolChoice("named", legacy.name) if isinstance(legacy, Named) else _mode(legacy)
    tools = tuple(_tool(tool) for tool in request.tools or ())
    choice = request.tool_choice
    if isinstance(choice, FunctionChoice):
        return tools, ToolChoice("named", choice.function.name)
    if isinstance(choice, CustomChoice):
        return tools, ToolChoice("named", choice.custom.name)
    if isinstance(choice, AllowedToolsChoice):
        named = (each.function or each.custom for each in choice.allowed_tools.tools)
        allowed = {name.name for name in named if name is not None}
        return tuple(tool for tool in tools if tool.name in allowed), ToolChoice(choice.allowed_tools.mode)
    return tools, _mode(choice)


def _mode(choice: Any) -> ToolChoice | None:
    return None if choice is None else ToolChoice(choice)


def _tool(tool: Any) -> Tool:
    if isinstance(tool, FunctionTool):
        function = tool.function
        return Tool(function.name, function.description, _schema(function.parameters), function.strict)
    custom = tool.custom
    description = custom.description
    if isinstance(custom.format, GrammarFormat):  # elsewhere a grammar is at least a wish
        grammar = f"The input follows this {custom.format.grammar.syntax} grammar: {custom.format.grammar.definition}"
        description = f"{description}\n{grammar}" if description else grammar
    return Tool(custom.name, description, custom=True)


def _format(given: Any) -> Format | None:
    if isinstance(given, JsonSchema):
        schema = given.json_schema
        return Format(_schema(schema.schema) or {}, schema.name, schema.description, schema.strict)
    return Format() if isinstance(given, JsonObject) else None


def _schema(raw: msgspec.Raw) -> dict[str, Any] | None:
    """A schema that `wire` has checked: an object, null or left out."""
    return _JSON.decode(raw) if raw else None
