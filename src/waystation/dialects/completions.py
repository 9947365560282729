"""A completion as it is asked for, in both directions: read into the vocabulary, and written for an upstream."""

from typing import Any

from waystation.dialects.ask import Ask
from waystation.dialects.chat_ask import biases_of, extra_of, smaller, stops_of
from waystation.errors import Unsupported
from waystation.wire.completions import CompletionRequest

NO_PLACE = ("suffix", "echo", "best_of")


def ask_of_completion(body: bytes, request: CompletionRequest, output_tokens_max: int | None) -> Ask:
    """The request in the vocabulary. Raises Unsupported for token ids and for several prompts at once."""
    return Ask(
        stream=request.stream,
        prompt=_prompt(request.prompt),
        output_tokens_max=smaller(request.output_tokens_asked, output_tokens_max),
        temperature=request.temperature,
        top_p=request.top_p,
        stops=stops_of(request.stop),
        seed=request.seed,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        logit_bias=biases_of(request.logit_bias),
        logprobs=request.logprobs,
        choices=request.n or 1,
        end_user=request.end_user,
        extra=extra_of(body, request, NO_PLACE),
    )


def _prompt(given: Any) -> str:
    if isinstance(given, list):
        if not isinstance(given[0], str):
            raise Unsupported(
                "The model that answers has other tokens. Send the prompt as a string instead of token ids.",
                param="prompt",
            )
        if len(given) > 1:
            raise Unsupported("The model that answers takes one prompt at a time.", param="prompt")
        return str(given[0])
    return given or ""


def completion_body(ask: Ask, upstream_model: str) -> dict[str, Any]:
    """What is sent to an upstream that completes prompts. What was said already is simply the prompt's end."""
    members: dict[str, Any] = {
        "model": upstream_model,
        "prompt": (ask.prompt or "") + ask.said,
        "max_tokens": ask.output_tokens_max,
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "n": ask.choices if ask.choices > 1 else None,
        "stop": list(ask.stops) or None,
        "seed": ask.seed,
        "frequency_penalty": ask.frequency_penalty,
        "presence_penalty": ask.presence_penalty,
        "logit_bias": ask.logit_bias,
        "logprobs": ask.logprobs,
        "user": ask.end_user,
        **ask.extra,
    }
    if ask.stream:
        members |= {"stream": True, "stream_options": {"include_usage": True}}
    return {name: value for name, value in members.items() if value is not None}
