"""What has failed of a call, and which error its caller is told in the end. Pure."""

import math
from collections.abc import Sequence

import msgspec

from waystation.errors import ApiError, RateLimitExceeded, ServiceUnavailable
from waystation.terms import Blame, Target

HELPS = (Blame.LIMIT, Blame.BUSY)
"""Of several errors these are told first: whoever waits as told gets past them."""
FULL_RETRY_AFTER_MS = 1000
"""When all of our own bounds are reached: a guess at how soon a place is free."""
_UNSAID_MS = 1 << 40


class Failed(msgspec.Struct, frozen=True):
    """An attempt that failed, or would have (`drilled`, or our own bound is reached: then nothing was dispatched)."""

    target: Target
    blame: Blame | None
    error: ApiError
    fallback: bool = False
    dispatched: bool = True
    drilled: bool = False


def told(so_far: Sequence[Failed]) -> ApiError | None:
    """The error for the caller: of limits and full queues first, then of what failed. None: nothing has failed."""
    limited = [failed.error for failed in so_far if failed.blame in HELPS]
    if limited:
        return min(limited, key=lambda error: _UNSAID_MS if error.retry_after_ms is None else error.retry_after_ms)
    for blame in (Blame.DEPLOYMENT, Blame.CREDENTIAL, Blame.MODEL, Blame.UNABLE, Blame.CALLER):
        for failed in reversed(so_far):
            if failed.blame is blame:
                return failed.error
    return None


def unasked(model: str, *, full: bool, rests_s: float | None, shut_s: float | None) -> ApiError:
    """Nobody was even asked: our bounds are reached, all credentials rest, all deployments are shut or out of use."""
    if full:
        return RateLimitExceeded(
            f"Too many requests to the model `{model}` are under way.",
            detail=f"{model}: concurrency_max of every provider is reached",
            retry_after_ms=FULL_RETRY_AFTER_MS,
        )
    if rests_s is not None:
        return RateLimitExceeded(
            f"The providers of the model `{model}` are at their rate limits.",
            detail=f"{model}: all credentials rest",
            retry_after_ms=_ms(rests_s),
        )
    if shut_s is not None:
        return ServiceUnavailable(
            f"Nothing that serves the model `{model}` answers at the moment. Try again in a moment.",
            detail=f"{model}: all deployments are shut",
            retry_after_ms=_ms(shut_s),
        )
    return ServiceUnavailable(
        f"Nothing that serves the model `{model}` is in use at the moment. An administrator can see why.",
        detail=f"{model}: no deployment with a credential that may be used",
    )


def _ms(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
