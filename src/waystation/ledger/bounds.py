"""The most that a call may use: what its hold is made of. Pure; reads a call and says nothing about who pays."""

from collections.abc import Callable

import msgspec

from waystation.gateway.call import Call
from waystation.metering.cost import hold_nano
from waystation.terms import WITHOUT_OUTPUT, Dialect, Model, Operation, Price, Usage
from waystation.wire.hosted_tools import hosted, with_fee

# To look up a member of an enum costs as much as ten attributes.
_CHAT, _EMBEDDINGS = Operation.CHAT, Operation.EMBEDDINGS

_RESPONSES = Dialect.RESPONSES

TEMPLATE_TOKENS_MAX = 512  # what a chat template adds: roles, a default system prompt, the rules of tool calls
EMBEDDING_TOKENS_PER_BYTE = 2  # each input of a list has its own prefix and end marks, and may be one letter long
ROLE_TOKENS, ANSWER_ROLE_TOKENS = 4, 8  # what a template adds to each message, and to open the answer
STEP_TOKENS = 4_096  # of output: a stream is held for so much at first, and for so much more whenever that is used up
TOOL_CALLS_HELD = 16  # of tools that the provider runs, where the request doesn't say `max_tool_calls`
LEAST_TOKENS = 16  # an answer that is made shorter has at least this, or what was asked for if that is less


class Bounds(msgspec.Struct, frozen=True):
    """What a call may use at most. Output counts all choices together."""

    input_tokens: int
    output_tokens: int
    choices: int = 1
    fees_nano: int = 0  # of tools that the provider runs

    @property
    def first_step(self) -> int:
        return STEP_TOKENS * self.choices

    @property
    def least_output(self) -> int:
        return min(self.output_tokens, LEAST_TOKENS * self.choices)

    def with_output(self, output_tokens: int) -> "Bounds":
        return Bounds(self.input_tokens, output_tokens, self.choices, self.fees_nano)


class Excess(msgspec.Struct, frozen=True):
    """What a deployment was seen to use beyond a call's bounds: hidden tokens, or a limit that it ignores."""

    input_tokens: int = 0
    output_tokens: int = 0

    def and_also(self, usage: Usage, bounds: Bounds) -> "Excess":
        return Excess(
            max(self.input_tokens, self.input_tokens + usage.input_tokens - bounds.input_tokens),
            max(self.output_tokens, self.output_tokens + usage.output_tokens - bounds.output_tokens),
        )


def bounds_of(call: Call, model: Model, excess: Excess | None = None) -> Bounds:
    """Bounds that cost nothing to find."""
    request = call.request
    choices = int(request.choices)
    fees_nano = tool_fees_bound(call, model) if call.dialect is _RESPONSES else 0
    bounds = Bounds(input_tokens_bound(call, model), output_tokens_bound(call, model), choices, fees_nano)
    if excess is None:
        return bounds
    given, made = bounds.input_tokens + excess.input_tokens, bounds.output_tokens + excess.output_tokens
    return Bounds(given, made, choices, fees_nano)


def tool_fees_bound(call: Call, model: Model) -> int:
    """The most that tools may cost which the provider runs: as many calls of the dearest as the request allows.

    Where it says nothing about that, the ledger does (`call.tool_calls_max`). A tool without a fee is refused by who would be
    asked to run it: others refuse it for another reason.
    """
    price = model.price
    tools = with_fee(call.request) if price is not None else ()
    if price is None or not tools:
        return 0
    dearest = max(price.tools.get(tool, 0) for tool in tools)
    asked: int | None = call.request.max_tool_calls
    if asked is None and dearest:
        asked = call.tool_calls_max = TOOL_CALLS_HELD
    return dearest * (asked or 0)


def asked_tier(call: Call) -> str | None:
    """The service tier that the caller asked for; None when they left it to the provider."""
    tier: str | None = call.request.service_tier if call.operation is _CHAT else None
    return None if tier == "auto" else tier


def input_tokens_bound(call: Call, model: Model) -> int:
    """No token is shorter than a byte, so the body bounds its words; a picture may be worth the whole context."""
    size_bytes = len(call.body)
    if call.operation is _EMBEDDINGS:
        return size_bytes * EMBEDDING_TOKENS_PER_BYTE
    if call.request.has_images or (call.dialect is _RESPONSES and hosted(call.request)):
        return max(size_bytes, model.abilities.context_tokens_max)
    return size_bytes + TEMPLATE_TOKENS_MAX


def output_tokens_bound(call: Call, model: Model) -> int:
    """What the caller asked for or the model can do, whichever is less, for each choice."""
    if call.operation in WITHOUT_OUTPUT:
        return 0
    request = call.request
    most = model.abilities.output_tokens_max
    asked: int | None = request.output_tokens_asked
    return (most if asked is None or asked > most else asked) * int(request.choices)


def tighter(bounds: Bounds, call: Call, given_tokens: Callable[[], int]) -> Bounds:
    """Bounds for when money is short: the input is counted, with room for a tokenizer that differs from ours and for the
    template. Pictures can't be counted, nor what tools of the provider will find.
    """
    if call.request.has_images:
        return bounds
    if call.dialect is _RESPONSES and hosted(call.request):
        return bounds
    counted = given_tokens()
    allowed = counted + counted // 8 + ROLE_TOKENS * call.body.count(b'"role"') + ANSWER_ROLE_TOKENS
    return msgspec.structs.replace(bounds, input_tokens=min(bounds.input_tokens, allowed))


def answer_tokens_max(held_nano: int, bounds: Bounds, price: Price, tier: str | None) -> int:
    """How many tokens of output an amount pays, after the input."""
    low, high = 0, bounds.output_tokens
    while low < high:
        middle = (low + high + 1) // 2
        if hold_nano(bounds.input_tokens, middle, price, tier) + bounds.fees_nano <= held_nano:
            low = middle
        else:
            high = middle - 1
    return low
