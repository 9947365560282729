"""What a caller is told whose call does not fit: OpenAI's own sentences, since clients read them."""

from waystation.errors import RateLimitExceeded, RequestBeyondLimit
from waystation.ledger.rates.admission import Plan
from waystation.ledger.rates.bucket import Bucket
from waystation.ledger.rates.model import TOKENS, Amounts, RateLimit, duration


def owner(limit: RateLimit) -> str:
    """Whose limit it is, as OpenAI says it: of a project it is "project … organization …"."""
    whole = f"organization {limit.organization_id}"
    return whole if limit.scope == "organization" else f"{limit.scope} {limit.subject} {whole}"


def refusal(plan: Plan, amounts: Amounts, model_name: str, now_ms: int) -> RateLimitExceeded:
    """The error for a call that `plan` has no room for; it says of the limit that makes it wait longest."""
    longest, told = -1, plan.buckets[0]
    for bucket in plan.buckets:
        amount = amounts[bucket.counts]
        wait_ms = bucket.wait_ms(amount, now_ms) if amount else 0
        if wait_ms is None:
            return _beyond(plan, bucket, amount, model_name)
        if wait_ms > longest:
            longest, told = wait_ms, bucket
    where = f"Rate limit reached for {model_name} in {told.name} on {told.unit.words}"
    asked = -(-amounts[told.counts] // told.unit.scale)
    return RateLimitExceeded(
        f"{where}: Limit {told.limit}, Used {told.units_used()}, Requested {asked}. "
        f"Please try again in {duration(longest)}.",
        type=told.unit.type,
        retry_after_ms=longest,
        headers=_headers(plan),
    )


def _beyond(plan: Plan, bucket: Bucket, amount: int, model_name: str) -> RateLimitExceeded:
    """No waiting helps. Source: OpenAI answers 429 with this sentence and the same code."""
    less = (
        " The input or output tokens must be reduced in order to run successfully." if bucket.counts == TOKENS else ""
    )
    return RequestBeyondLimit(
        f"Request too large for {model_name} in {bucket.name} on {bucket.unit.words}: "
        f"Limit {bucket.limit}, Requested {-(-amount // bucket.unit.scale)}.{less}",
        type=bucket.unit.type,
        headers=(*_headers(plan), ("x-should-retry", "false")),
    )


def _headers(plan: Plan) -> tuple[tuple[str, str], ...]:
    lines = plan.headers().decode().split("\r\n")[:-1]
    return tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
