"""Usage as Anthropic tells it: there `input_tokens` are those that the prompt cache had no part in, with us they are all.

What an upstream says is not to be trusted: a count that is none makes no usage, never a free call.
"""

from typing import Annotated, Any

import msgspec

from waystation.terms import Usage

TOKENS_MAX = 2**53
"""Of one count; their sums fit any column of a database."""
TIERS = frozenset(("priority", "batch"))
"""Service tiers that may have prices of their own."""

_Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class _OutputDetails(msgspec.Struct):
    thinking_tokens: _Tokens | None = None


class Told(msgspec.Struct):
    """A `usage` object. Its counts are cumulative: what comes later in a stream replaces what came before."""

    input_tokens: _Tokens | None = None
    output_tokens: _Tokens | None = None
    cache_creation_input_tokens: _Tokens | None = None
    cache_read_input_tokens: _Tokens | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None

    def and_then(self, later: "Told") -> "Told":
        """This, with all that was told later."""
        said = {name: value for name, value in msgspec.structs.asdict(later).items() if value is not None}
        return msgspec.structs.replace(self, **said)

    def usage(self) -> Usage | None:
        """As ours; None when the input or the output was never told."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        read, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        details = self.output_tokens_details
        thought = (details.thinking_tokens or 0) if details is not None else 0
        tier = "fast" if self.speed == "fast" else self.service_tier if self.service_tier in TIERS else None
        return Usage(
            self.input_tokens + read + written,
            self.output_tokens,
            read,
            min(thought, self.output_tokens),
            cache_write_tokens=written,
            tier=tier,
        )


_told = msgspec.json.Decoder(Told)


def read_told(raw: bytes) -> Told:
    """A `usage` member; one that can't be read tells nothing."""
    try:
        return _told.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return Told()


def usage_object(usage: Usage) -> dict[str, Any]:
    """Ours as Anthropic tells it."""
    told: dict[str, Any] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return told
