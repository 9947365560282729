"""The last events of a stream where the gateway makes them itself: of one that is cut, because no more of it can be paid,
and the usage. OpenAI's chunks, made of the stream's own. When a stream is cut is decided elsewhere."""

from collections.abc import Iterable
from typing import Any

import msgspec

from waystation.terms import Done, Usage

DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.encode
_members = msgspec.json.Decoder(dict[str, Any])
_COMMON = ("id", "object", "created", "model", "service_tier", "system_fingerprint")


def cut_short(chunk: bytes, choices: Iterable[int], *, completion: bool, usage_asked: bool) -> Done:
    """The end of a stream of which nothing more is passed on: each of these choices ends for its length, and says why.

    `chunk` is the JSON of any chunk of the stream: its id, time and model are those of the last ones too. What was used
    nobody has said, so the ledger counts it, and the chunk with the usage is made when that is done.
    """
    head = _head(chunk)

    def tail(usage: Usage) -> bytes:
        return usage_event(chunk, usage) + DONE

    last = head | {"usage": None} if usage_asked else head
    chunks = b"".join(
        _event(last | {"choices": [_ended(index, completion)], "waystation": {"budget_clamped": True}})
        for index in sorted(choices)
    )
    return Done(chunks, None, tail=tail) if usage_asked else Done(chunks + DONE, None)


def usage_event(chunk: bytes, usage: Usage) -> bytes:
    """The event that tells the usage of a stream, of which `chunk` is the JSON of any chunk."""
    return _event(_head(chunk) | {"choices": [], "usage": usage_object(usage)})


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI tells it."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": usage.audio_input_tokens},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_output_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _head(chunk: bytes) -> dict[str, Any]:
    """The members of a chunk that all chunks of its stream have."""
    return {name: value for name, value in _members.decode(chunk).items() if name in _COMMON}


def _ended(index: int, completion: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"text": ""} if completion else {"delta": {}}
    return {"index": index, **said, "logprobs": None, "finish_reason": "length"}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % _encode(chunk)
