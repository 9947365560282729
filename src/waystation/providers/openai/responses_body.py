"""The body of a response that goes to an upstream which speaks the Responses API: the caller's own, with the model's name there,
nothing kept there, no more output and no more tool calls than can be paid."""

import re
from typing import Any

import msgspec

from waystation.errors import InvalidRequest, PriceMissing, Unsupported
from waystation.gateway.call import Call
from waystation.providers.openai.body import UNRULED, Rules
from waystation.terms import Model
from waystation.wire.hosted_tools import hosted, with_fee
from waystation.wire.responses import ResponsesRequest
from waystation.wire.splice import take_apart

GUARDED = frozenset(
    (
        "background",
        "conversation",
        "include",
        "input",
        "max_output_tokens",
        "max_tool_calls",
        "model",
        "previous_response_id",
        "service_tier",
        "store",
        "stream",
        "tools",
    )
)
"""What a call's price hangs on, and where its answer is kept."""
ENCRYPTED = "reasoning.encrypted_content"
_OURS_TO_KEEP = ("background", "conversation", "previous_response_id")
_RULED = ("parallel_tool_calls", "temperature", "top_p")
"""Parameters that a chat has under the same name, with the same meaning."""
_REASONS = re.compile(r"(?:.*/)?(?:o\d|gpt-[5-9](?!.*chat)|.*codex)")
"""OpenAI's models that reason. Others refuse to be asked for encrypted reasoning."""
_encode = msgspec.json.encode


def outgoing_response(
    call: Call,
    model: Model,
    upstream_model: str,
    rules: Rules = UNRULED,
    *,
    tools: frozenset[str] = frozenset(),
    encrypts: bool = False,
) -> bytes:
    """The bytes for the upstream. Says on the call what was ignored and mapped.

    `tools`: those that it has itself. `encrypts`: it hands out its reasoning encrypted; that is asked for where the answer is
    kept here, since the upstream keeps nothing that a later turn could refer to.
    Raises InvalidRequest; Unsupported for a tool that it does not have, PriceMissing for one without a fee.
    """
    request: ResponsesRequest = call.request
    _check_tools(request, tools)
    _check_fees(request, model)
    _check_files(request)
    try:
        members = take_apart(call.body, GUARDED)
    except ValueError as error:
        raise InvalidRequest("The request's body is not valid JSON.", detail=str(error)) from error
    for name in _OURS_TO_KEEP:
        members.pop(name, None)
    members |= {"model": upstream_model, "store": False}
    if (most := call.output_tokens_max) is not None:
        asked = request.max_output_tokens
        members["max_output_tokens"] = most if asked is None or asked > most else asked
    if call.tool_calls_max is not None:
        members["max_tool_calls"] = call.tool_calls_max
    if call.answer_id and encrypts and _REASONS.match(upstream_model) and ENCRYPTED not in (request.include or ()):
        members["include"] = [*(request.include or ()), ENCRYPTED]
    if any(_is_forgotten(item) for item in request.items):
        members["input"] = [item for item in request.items if not _is_forgotten(item)]
    call.ignored = call.mapped = ()  # also what an earlier attempt elsewhere said
    _rule(call, rules, members)
    return _encode(members)


def _rule(call: Call, rules: Rules, members: dict[str, Any]) -> None:
    ruled = {name: members[name] for name in _RULED if name in members}
    if rules.affected.isdisjoint(ruled):
        return
    before = tuple(ruled)
    call.ignored, call.mapped = rules.apply(ruled)
    for name in before:
        members.pop(name)
    members |= ruled


def _check_tools(request: ResponsesRequest, tools: frozenset[str]) -> None:
    missing = next((tool for tool in hosted(request) if tool not in tools), None)
    if missing is not None:
        raise Unsupported(
            f"The tool `{missing}` is not supported with this model: its provider does not have it. Use a model of a provider "
            "that does (OpenAI has all built-in tools), or give the model a function and run it yourself.",
            param="tools",
        )


def _check_fees(request: ResponsesRequest, model: Model) -> None:
    """A metered model runs no tool of which nobody has said what a call costs."""
    price = model.price
    unknown = None if price is None else next((tool for tool in with_fee(request) if tool not in price.tools), None)
    if unknown is not None:
        raise PriceMissing(
            f"Nobody has said what a call of the tool `{unknown}` costs with the model `{model.name}`. An administrator adds it "
            f'to the model\'s price: tools = {{ {unknown} = "0.01" }}, or "0". Leave the tool out until then.',
            param="tools",
        )


def _check_files(request: ResponsesRequest) -> None:
    """Files that were uploaded here are unknown there; and what is there belongs to nobody's project."""
    for at, item in enumerate(request.items):
        for place, part in enumerate(_parts(item)):
            if isinstance(part, dict) and part.get("file_id") and part.get("type") in ("input_file", "input_image"):
                raise InvalidRequest(
                    "The provider of this model can't read files of this server by their id. Send the content: 'file_data' or "
                    "'file_url' of an input_file, 'image_url' of an input_image.",
                    param=f"input[{at}].content[{place}].file_id",
                    code="unsupported_file",
                )
    for at, tool in enumerate(request.tools or ()):
        container = tool.get("container")
        if isinstance(container, dict) and container.get("file_ids"):
            raise InvalidRequest(
                "The provider of this model can't read files of this server by their id. Leave out 'file_ids'.",
                param=f"tools[{at}].container.file_ids",
                code="unsupported_file",
            )


def _parts(item: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in ("content", "output"):
        value = item.get(name)
        found += value if isinstance(value, list) else []
    return found


def _is_forgotten(item: dict[str, Any]) -> bool:
    """Reasoning that is only named: an upstream that keeps nothing knows it no more, and refuses the request."""
    return item.get("type") == "reasoning" and not item.get("encrypted_content")
