"""The body that goes to the upstream from a caller of the same dialect: their own, with the model's name there and no more
output than can be paid."""

from typing import Any

import msgspec

from waystation.errors import InvalidRequest, Unsupported
from waystation.gateway.call import Call
from waystation.terms import Target
from waystation.wire.anthropic import MessagesRequest
from waystation.wire.splice import splice

GUARDED = frozenset(("max_tokens", "model", "service_tier", "speed", "stream", "thinking"))
"""What a call's price hangs on."""
BUDGET_TOKENS_MIN = 1024


class _Talk(msgspec.Struct):
    messages: list[dict[str, Any]]


_talk = msgspec.json.Decoder(_Talk)


def outgoing(call: Call, target: Target) -> bytes:
    """The bytes for the upstream. Members are always joined anew: of a name that occurs twice we read the last.

    Raises InvalidRequest; Unsupported for fast mode where nobody has said what that costs.
    """
    request: MessagesRequest = call.request
    price = target.model.price
    if request.speed == "fast" and price is not None and "fast" not in price.tiers:
        raise Unsupported(
            f"The model `{target.model.name}` has no price for fast mode. Leave out 'speed', or have an administrator add "
            "the tier `fast` to its price.",
            param="speed",
        )
    changes: dict[str, Any] = {"model": target.deployment.upstream_model}
    if call.output_tokens_max is not None and call.output_tokens_max < request.max_tokens:
        changes |= _clamped(request, call.output_tokens_max)
    try:
        if b'"thinking"' in call.body and has_unsigned_thoughts(request):
            changes["messages"] = signed_only(_talk.decode(call.body).messages)
        return splice(call.body, changes, GUARDED)
    except ValueError as error:
        raise InvalidRequest("The request's body is not valid JSON.", detail=str(error)) from error


def _clamped(request: MessagesRequest, most: int) -> dict[str, Any]:
    """The lower limit, and a budget for thinking that is below it, as it has to be; without room for one there is none."""
    thinking = request.thinking
    if thinking is None or thinking.budget_tokens is None or thinking.budget_tokens < most:
        return {"max_tokens": most}
    if most <= BUDGET_TOKENS_MIN:
        return {"max_tokens": most, "thinking": {"type": "disabled"}}
    return {"max_tokens": most, "thinking": {"type": "enabled", "budget_tokens": most - 1}}


def has_unsigned_thoughts(request: MessagesRequest) -> bool:
    """Whether an earlier answer came from a model that signs nothing: Anthropic refuses its thoughts."""
    return any(
        block.type == "thinking" and not block.signature
        for message in request.messages
        if type(message.content) is list
        for block in message.content
    )


def signed_only(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages without thoughts that nobody has signed, and without messages that were nothing else."""
    kept = []
    for message in messages:
        content = message["content"]
        if isinstance(content, list):
            content = [block for block in content if block.get("type") != "thinking" or block.get("signature")]
        if content:
            kept.append({**message, "content": content})
    return kept
