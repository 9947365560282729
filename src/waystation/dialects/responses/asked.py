"""Reads a request for a response into what is asked, for a model whose provider is told it in other words."""

from typing import Any

from waystation.dialects.ask import Ask, Format
from waystation.dialects.chat_ask import smaller
from waystation.dialects.responses.tools import choice_of, tools_of
from waystation.dialects.responses.turns import turns_of
from waystation.errors import Unsupported
from waystation.wire.read import unknown_parameters
from waystation.wire.responses import ResponsesRequest

_ONLY_THERE = (
    "max_tool_calls",
    "context_management",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "top_logprobs",
)
"""What only a provider of this dialect can do something with."""
_ANSWERED_HERE = frozenset(("reasoning.encrypted_content", "message.input_image.image_url"))
"""Of `include`: what needs no provider's help."""


def ask_of_response(body: bytes, request: ResponsesRequest, output_tokens_max: int | None) -> Ask:
    """What a request asks. `output_tokens_max` is what can be paid, None: all of it.

    Raises Unsupported for what the model's provider can't be told, InvalidRequest for a picture that is no data.
    """
    if request.prompt is not None:
        raise Unsupported(
            "Prompt templates are kept in OpenAI's dashboard, and the provider of this model can't look them up. Send the "
            "template's text as 'instructions' and 'input'.",
            param="prompt",
        )
    tools, choice = choice_of(request.tool_choice, tools_of(request.tools or []))
    text = request.text
    return Ask(
        stream=request.stream,
        turns=turns_of(request.instructions, request.items),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=request.parallel_tool_calls,
        format=None if text is None else _format(text.format),
        output_tokens_max=smaller(request.max_output_tokens, output_tokens_max),
        temperature=request.temperature,
        top_p=request.top_p,
        reasoning_effort=request.reasoning_effort,  # type: ignore[arg-type]
        verbosity=None if text is None else text.verbosity,
        end_user=request.end_user,
        service_tier=request.service_tier,
        metadata=request.metadata,
        extra=_extra(body, request),
    )


def _format(given: dict[str, Any] | None) -> Format | None:
    kind = None if given is None else given.get("type")
    if given is None or kind == "text":
        return None
    if kind == "json_object":
        return Format()
    return Format(given.get("schema") or {}, given["name"], given.get("description"), given.get("strict"))


def _extra(body: bytes, request: ResponsesRequest) -> dict[str, Any]:
    """What is named as ignored, in the caller's words."""
    extra: dict[str, Any] = {name: value for name in _ONLY_THERE if (value := getattr(request, name)) is not None}
    if extra.get("top_logprobs") == 0:
        del extra["top_logprobs"]
    for name in request.include or ():
        if name not in _ANSWERED_HERE:
            extra[f"include:{name}"] = True
    for at, tool in enumerate(request.tools or ()):
        form = tool.get("format")
        if tool.get("type") == "custom" and isinstance(form, dict) and form.get("type") == "grammar":
            extra[f"tools[{at}].format"] = True  # told in words, and not enforced
    return extra | dict.fromkeys(unknown_parameters(body, type(request)), True)
