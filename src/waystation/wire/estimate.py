"""The body of POST /v1/waystation/estimate and its answer: what a call may cost, before it is made.

The body is the call's own (`messages`, `prompt` or `input`, with `max_tokens`), or says the numbers of tokens itself.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from waystation.errors import InvalidRequest
from waystation.wire.messages import AudioPart, FilePart, ImagePart, Messages, Plain
from waystation.wire.prompts import TokenOrText, check_items
from waystation.wire.read import Reader
from waystation.wire.tools import Tools

TOKENS_MAX = 100_000_000  # of a kind in one call
ITEMS_MAX = 2048

Tokens = Annotated[int, Meta(ge=0, le=TOKENS_MAX)]
Given = str | Annotated[list[TokenOrText], Meta(min_length=1, max_length=ITEMS_MAX)]
Tier = Annotated[str, Meta(min_length=1, max_length=32)]


class EstimateRequest(Plain, frozen=True, gc=False, kw_only=True):
    """Either the words of a call or its numbers of tokens. `tier` and `service_tier` mean the same."""

    model: str
    messages: Messages | None = None
    prompt: Given | None = None
    input: Given | None = None
    tools: Tools | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None
    tier: Tier | None = None
    service_tier: Tier | None = None

    @property
    def output_tokens_asked(self) -> int | None:
        """The most tokens that each choice may have; the smaller one where both names are used."""
        if self.max_tokens is None or self.max_completion_tokens is None:
            return self.max_completion_tokens or self.max_tokens
        return min(self.max_tokens, self.max_completion_tokens)


class Estimation(msgspec.Struct, frozen=True, kw_only=True):
    """Money comes twice: as a decimal number in the currency, and as an integer of 10⁻⁹ of it; both are texts."""

    object: Literal["estimate"] = "estimate"
    model: str
    currency: str
    unmetered: bool
    input_tokens: int
    output_tokens_max: int
    cost_min: str  # its input alone
    cost_min_nano: str
    cost_max: str  # the longest answer that it may have
    cost_max_nano: str
    cost: str | UnsetType = UNSET  # of so many output tokens as were asked about
    cost_nano: str | UnsetType = UNSET
    price: Any
    price_source: str | None
    price_effective_at: int | None  # UTC seconds; null when it comes from the model itself


def read_estimate(body: bytes) -> EstimateRequest:
    """The body as a request. Raises InvalidRequest with `param`."""
    request = _READER.read(body)
    if not request.model:
        raise InvalidRequest("you must provide a model parameter")  # in OpenAI's words, which name no `param`
    given = [name for name in ("messages", "prompt", "input", "input_tokens") if getattr(request, name) is not None]
    if not given:
        raise InvalidRequest(
            "Missing required parameter: 'messages'. Send what the call would send, or 'input_tokens'.",
            param="messages",
            code="missing_required_parameter",
        )
    if len(given) > 1:
        raise InvalidRequest(
            f"Send either '{given[0]}' or '{given[1]}', not both.", param=given[1], code="invalid_value"
        )
    check_items(request.prompt, "prompt")
    check_items(request.input, "input")
    return request


def uncountable(request: EstimateRequest) -> bool:
    """Whether a message has pictures, sound or files: what they cost shows only when they have been read."""
    contents = [getattr(message, "content", None) for message in request.messages or ()]
    return any(
        isinstance(part, ImagePart | AudioPart | FilePart)
        for content in contents
        if isinstance(content, list)
        for part in content
    )


_READER = Reader(EstimateRequest)
