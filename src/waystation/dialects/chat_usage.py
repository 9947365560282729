"""What an OpenAI-compatible upstream says that it used. Not to be trusted: a count that is none makes no usage, never
a free call."""

from typing import Annotated, Any

import msgspec

from waystation.terms import Usage

TOKENS_MAX = 2**63 - 1
"""What a database column takes."""

_Tokens = Annotated[int, msgspec.Meta(ge=0, le=TOKENS_MAX)]


class _InputDetails(msgspec.Struct):
    cached_tokens: _Tokens = 0
    audio_tokens: _Tokens = 0
    cache_write_tokens: _Tokens = 0  # OpenRouter, and OpenAI's newer models
    cache_creation_tokens: _Tokens = 0  # LiteLLM
    cache_creation_input_tokens: _Tokens = 0  # DashScope


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: _Tokens = 0
    audio_tokens: _Tokens = 0


class _Plain(msgspec.Struct):
    """The usual form, in which every count is one; four times as fast to read as any other."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: _Tokens = 0  # DeepSeek
    cached_tokens: _Tokens = 0  # Moonshot
    cache_creation_input_tokens: _Tokens = 0  # Anthropic's name, as compatible servers pass it on


class _Usage(msgspec.Struct):
    """OpenAI's usage object with anything in it."""

    prompt_tokens: Any = None
    completion_tokens: Any = None
    total_tokens: Any = None
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
    prompt_cache_hit_tokens: Any = None
    cached_tokens: Any = None
    cache_creation_input_tokens: Any = None


_plain = msgspec.json.Decoder(_Plain)
_usage = msgspec.json.Decoder(_Usage)


def read_usage(raw: bytes) -> Usage | None:
    """Usage from the JSON of a `usage` member; None when there is none, or its counts make no sense.

    Output that is left out (embeddings have none) is what the total leaves. Cached, cache-write and audio tokens are part
    of the input, reasoning and audio tokens of the output: more than that is cut.
    """
    if raw == b"null" or not raw:
        return None
    try:
        plain = _plain.decode(raw)
    except msgspec.DecodeError:
        return _read_odd(raw)
    input_tokens, output_tokens = plain.prompt_tokens, plain.completion_tokens
    cached_tokens = plain.prompt_cache_hit_tokens or plain.cached_tokens
    written_tokens = plain.cache_creation_input_tokens
    heard_tokens = spoken_tokens = reasoning_tokens = 0
    if (given := plain.prompt_tokens_details) is not None:
        cached_tokens = given.cached_tokens or cached_tokens
        written_tokens = (
            given.cache_write_tokens
            or given.cache_creation_input_tokens
            or given.cache_creation_tokens
            or written_tokens
        )
        heard_tokens = given.audio_tokens
    if (made := plain.completion_tokens_details) is not None:
        reasoning_tokens, spoken_tokens = made.reasoning_tokens, made.audio_tokens
    if cached_tokens > input_tokens:
        cached_tokens = input_tokens
    if reasoning_tokens > output_tokens:
        reasoning_tokens = output_tokens
    if not (written_tokens or heard_tokens or spoken_tokens):
        return Usage(input_tokens, output_tokens, cached_tokens, reasoning_tokens)
    return Usage(
        input_tokens,
        output_tokens,
        cached_tokens,
        reasoning_tokens,
        cache_write_tokens=min(written_tokens, input_tokens - cached_tokens),
        audio_input_tokens=min(heard_tokens, input_tokens),
        audio_output_tokens=min(spoken_tokens, output_tokens),
    )


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
    given, made = said.prompt_tokens_details, said.completion_tokens_details
    cached_tokens = min(
        _detail(given, "cached_tokens") or _count(said.prompt_cache_hit_tokens) or _count(said.cached_tokens) or 0,
        input_tokens,
    )
    written_tokens = (
        _detail(given, "cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens")
        or _count(said.cache_creation_input_tokens)
        or 0
    )
    return Usage(
        input_tokens,
        output_tokens,
        cached_tokens,
        min(_detail(made, "reasoning_tokens"), output_tokens),
        cache_write_tokens=min(written_tokens, input_tokens - cached_tokens),
        audio_input_tokens=min(_detail(given, "audio_tokens"), input_tokens),
        audio_output_tokens=min(_detail(made, "audio_tokens"), output_tokens),
    )


def _detail(details: Any, *names: str) -> int:
    """The first of these counts that is one and is not zero."""
    if not isinstance(details, dict):
        return 0
    return next((count for name in names if (count := _count(details.get(name)))), 0)


def _count(value: Any) -> int | None:
    """A whole number of tokens, or None. Some count in floats; `True` is no number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return None
    return min(value, TOKENS_MAX)
