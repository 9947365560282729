"""How many tokens a call is taken to use, before anybody knows. Pure."""

from waystation.gateway.call import Call
from waystation.metering.guess import tokens_of_bytes
from waystation.terms import Model


def tokens_estimated(call: Call, model: Model) -> int:
    """The larger of the output that was asked for and the input by its size; corrected when the call has ended.

    Source: OpenAI's guide to rate limits, "Reduce the max_tokens to match the size of your completions": a rate limit
    counts the maximum of max_tokens and the tokens estimated from the characters of the request. A picture is bytes but no
    characters, so then the input is no more than the model can read.
    """
    request = call.request
    given = tokens_of_bytes(len(call.body))
    if given > model.abilities.context_tokens_max and request.has_images:
        given = model.abilities.context_tokens_max
    asked: int | None = request.output_tokens_asked
    if asked is None:
        return given
    return max(given, min(asked, model.abilities.output_tokens_max) * int(request.choices))
