"""How a caller's parameters steer llama.cpp: what the caller says wins, where they are silent the model's makers do."""

from collections.abc import Callable, Mapping
from typing import Any

from waystation.errors import InvalidRequest

# Source: generation_config.json of Qwen2.5. No repetition penalty: it breaks JSON and code.
TEMPERATURE, TOP_P, TOP_K = 0.7, 0.8, 20

Translate = Callable[[int], int | None]  # a token id as the caller knows it → the local model's


def sampling(body: Mapping[str, Any], translate: Translate) -> dict[str, Any]:
    """The part of a completion's request that says how to choose tokens. Raises InvalidRequest for a logit_bias."""
    temperature = _given(body, "temperature", TEMPERATURE)
    asked: dict[str, Any] = {
        "cache_prompt": True,
        "lora": [],  # every request names every adapter: else one's state stays in the cache of the next
        "samplers": ["penalties", "top_k", "top_p", "temperature"],
        "temperature": temperature,
        "top_p": _given(body, "top_p", TOP_P),
        "top_k": 1 if temperature == 0 else TOP_K,
        "min_p": 0,
    }
    presence, frequency = _given(body, "presence_penalty", 0), _given(body, "frequency_penalty", 0)
    if presence or frequency:
        asked |= {"presence_penalty": presence, "frequency_penalty": frequency, "repeat_last_n": -1}
    if body.get("seed") is not None:
        asked["seed"] = body["seed"] % (2**32 - 1)  # 2³²-1 means "any" there
    if body.get("logit_bias"):
        asked["logit_bias"] = _bias(body["logit_bias"], translate)
    return asked


def stops(body: Mapping[str, Any]) -> list[str]:
    """The caller's stop texts; empty ones stop nothing."""
    stop = body.get("stop")
    found = [stop] if isinstance(stop, str) else stop or []
    return [text for text in found if text]


def output_limit(asked: int | None, model_max: int, payable: int | None) -> int:
    """The most tokens that each choice may have: of what was asked, what the model gives and what can be paid."""
    return min(limit for limit in (asked, model_max, payable) if limit is not None)


def _given(body: Mapping[str, Any], key: str, default: float) -> float:
    value: float | None = body.get(key)
    return default if value is None else value


def _bias(wanted: Mapping[str, float], translate: Translate) -> list[list[float]]:
    bias = []
    for token, value in wanted.items():
        local = translate(int(token)) if token.isdecimal() else None
        if local is None:
            raise InvalidRequest(
                f"Invalid key in 'logit_bias': {token[:20]}. This model has no single token for it; "
                "POST /v1/waystation/tokenize shows the model's own tokens.",
                param="logit_bias",
            )
        bias.append([local, value])
    return bias
