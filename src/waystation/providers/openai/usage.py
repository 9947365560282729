"""What an upstream says that it used. Not to be trusted: a count that is none makes no usage, never a free call."""

from typing import Annotated, Any

import msgspec

from waystation.terms import Usage

TOKENS_MAX = 2**63 - 1
"""What a database column takes."""

_Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class _InputDetails(msgspec.Struct):
    cached_tokens: _Tokens = 0


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: _Tokens = 0


class _Plain(msgspec.Struct):
    """The usual form, in which every count is one; four times as fast to read as any other."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: _Tokens = 0  # DeepSeek
    cached_tokens: _Tokens = 0  # Moonshot


class _Usage(msgspec.Struct):
    """OpenAI's usage object with anything in it."""

    prompt_tokens: Any = None
    completion_tokens: Any = None
    total_tokens: Any = None
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
    prompt_cache_hit_tokens: Any = None
    cached_tokens: Any = None


_plain = msgspec.json.Decoder(_Plain)
_usage = msgspec.json.Decoder(_Usage)


def read_usage(raw: bytes) -> Usage | None:
    """Usage from the JSON of a `usage` member; None when there is none, or its counts make no sense.

    Output that is left out (embeddings have none) is what the total leaves. Cached tokens are part of the input and
    reasoning tokens of the output: more than that is cut.
    """
    if raw == b"null" or not raw:
        return None
    try:
        plain = _plain.decode(raw)
    except msgspec.DecodeError:
        return _read_odd(raw)
    cached_tokens = plain.prompt_cache_hit_tokens or plain.cached_tokens
    if plain.prompt_tokens_details is not None:
        cached_tokens = plain.prompt_tokens_details.cached_tokens or cached_tokens
    reasoning_tokens = 0
    if plain.completion_tokens_details is not None:
        reasoning_tokens = plain.completion_tokens_details.reasoning_tokens
    input_tokens, output_tokens = plain.prompt_tokens, plain.completion_tokens
    return Usage(input_tokens, output_tokens, min(cached_tokens, input_tokens), min(reasoning_tokens, output_tokens))


def _read_odd(raw: bytes) -> Usage | None:
    try:
        said = _usage.decode(raw)
    except msgspec.DecodeError:
        return None
    input_tokens = _count(said.prompt_tokens)
    if input_tokens is None:
        return None
    output_tokens = _count(said.completion_tokens)
    if output_tokens is None:
        total_tokens = _count(said.total_tokens)
        if said.completion_tokens is not None or total_tokens is None or total_tokens < input_tokens:
            return None
        output_tokens = total_tokens - input_tokens
    cached_tokens = (
        _detail(said.prompt_tokens_details, "cached_tokens")
        or _count(said.prompt_cache_hit_tokens)
        or _count(said.cached_tokens)
        or 0
    )
    reasoning_tokens = _detail(said.completion_tokens_details, "reasoning_tokens") or 0
    return Usage(input_tokens, output_tokens, min(cached_tokens, input_tokens), min(reasoning_tokens, output_tokens))


def _detail(details: Any, name: str) -> int | None:
    return _count(details.get(name)) if isinstance(details, dict) else None


def _count(value: Any) -> int | None:
    """A whole number of tokens, or None. Some count in floats; `True` is no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, TOKENS_MAX)
