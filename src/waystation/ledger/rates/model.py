"""What can be limited, what a limit is, and how limits are told: units, names, checks, durations. Pure."""

import difflib
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from waystation.errors import InvalidRequest

MINUTE_MS, DAY_MS = 60_000, 86_400_000
LIMIT_MAX = 10**10  # of any limit: a day's parts of it fit into 64 bits
DURATIONS_MAX = 8_192  # remembered as text, about 150 bytes each: every answer says two
SCOPES = ("organization", "project", "key")
REQUESTS, TOKENS, IMAGES, AUDIO, STREAMS = range(5)  # what of a call counts: the places in an `Amounts`

Amounts = tuple[int, int, int, int, int]  # requests, tokens, images, kilobytes of audio, streams


class Unit(msgspec.Struct, frozen=True):
    """One kind of limit. `scale`: how many of what calls count are one of what the limit says."""

    name: str  # in the tables
    field: str  # in JSON: OpenAI's project rate limit object, and max_concurrent_streams
    counts: int
    window_ms: int  # 0: nothing comes back by itself
    type: str  # of the error, as OpenAI has it
    words: str
    scale: int = 1


UNITS = (
    Unit("requests", "max_requests_per_1_minute", REQUESTS, MINUTE_MS, "requests", "requests per min (RPM)"),
    Unit("requests_day", "max_requests_per_1_day", REQUESTS, DAY_MS, "requests", "requests per day (RPD)"),
    Unit("tokens", "max_tokens_per_1_minute", TOKENS, MINUTE_MS, "tokens", "tokens per min (TPM)"),
    Unit("images", "max_images_per_1_minute", IMAGES, MINUTE_MS, "images", "images per min (IPM)"),
    Unit("audio", "max_audio_megabytes_per_1_minute", AUDIO, MINUTE_MS, "audio", "audio megabytes per min", 1_000),
    Unit("streams", "max_concurrent_streams", STREAMS, 0, "requests", "concurrent streams"),
)
UNIT_OF_FIELD = {unit.field: unit for unit in UNITS}


class RateLimit(msgspec.Struct, frozen=True):
    """The limits of one subject, for one model or for all of them together."""

    id: str
    organization_id: str
    scope: str  # "organization" | "project" | "key"
    subject: str  # the id of that
    model: str | None  # None: all models together
    limits: dict[str, int]  # by field; one that is not named does not limit
    created_at: int
    updated_at: int


def check_limits(limits: object) -> dict[str, int]:
    """What an administrator asked for. 0 is a limit too: nothing of that kind passes. Raises InvalidRequest with `param`."""
    if not isinstance(limits, Mapping) or not limits:
        raise InvalidRequest(f"Name at least one limit: {', '.join(UNIT_OF_FIELD)}.", param="limits")
    if len(limits) > len(UNITS):
        raise InvalidRequest(
            f"There are only {len(UNITS)} kinds of limits: {', '.join(UNIT_OF_FIELD)}.", param="limits"
        )
    return {_known(field): _checked(field, value) for field, value in limits.items()}


def _known(field: object) -> str:
    if isinstance(field, str) and field in UNIT_OF_FIELD:
        return field
    name = str(field)[:80]
    near = difflib.get_close_matches(name, UNIT_OF_FIELD, n=1, cutoff=0.6)
    raise InvalidRequest(
        f"Unknown limit: '{name}'. " + (f"Did you mean '{near[0]}'?" if near else f"Use {', '.join(UNIT_OF_FIELD)}."),
        param=name,
        code="unknown_parameter",
    )


def _checked(field: str, value: object) -> int:
    if type(value) is not int:
        raise InvalidRequest(f"Invalid type for '{field}': expected an integer.", param=field, code="invalid_type")
    if not 0 <= value <= LIMIT_MAX:
        raise InvalidRequest(
            f"Invalid '{field}': expected an integer from 0 to {LIMIT_MAX}; 0 lets nothing pass.",
            param=field,
            code="integer_below_min_value" if value < 0 else "integer_above_max_value",
        )
    return value


@lru_cache(DURATIONS_MAX)
def duration(ms: int) -> str:
    """A time as OpenAI's headers and sentences have it (Go's durations): 0s, 20ms, 1.5s, 6m0s, 23h18m29.144s."""
    if ms < 1_000:
        return f"{ms}ms" if ms > 0 else "0s"
    seconds, rest = divmod(ms, 1_000)
    tail = f".{rest:03d}".rstrip("0") + "s" if rest else "s"
    if seconds < 60:
        return f"{seconds}{tail}"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds}{tail}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{seconds}{tail}"
