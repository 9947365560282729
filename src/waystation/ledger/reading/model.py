"""What somebody may ask about usage, and what they are told. Pure: no database."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from waystation.errors import InvalidRequest

Dimension = Literal["project", "key", "model", "operation", "deployment", "end_user", "tier"]
Bucket = Literal["minute", "quarter", "hour", "day", "week", "month"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)

FILTER_VALUES_MAX = 100
FILTER_CHARS_MAX = 256
AT_MAX = 32_503_680_000  # the year 3000
_YEAR_S = 366 * 86_400
RANGE_S_MAX = 100 * _YEAR_S


class Ask(msgspec.Struct, frozen=True):
    """A checked question: usage of calls that were held in [from_at, until_at), UTC seconds."""

    organization_id: str
    from_at: int
    until_at: int
    bucket: Bucket | None = None  # None: the whole range is one
    by: tuple[Dimension, ...] = ()
    filters: dict[Dimension, tuple[str, ...]] = {}
    time_zone: str = "UTC"  # where days, weeks and months begin

    @property
    def dimensions(self) -> set[Dimension]:
        """What has to be known of a call to answer."""
        return {*self.by, *self.filters}


class UsageRow(msgspec.Struct, frozen=True):
    """What a group of calls used in a bucket. A dimension that was not asked for is None, as is one that a call lacks."""

    from_at: int
    until_at: int
    currency: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int | None  # None: not kept by end user
    reasoning_tokens: int | None
    cost_nano: int  # corrections included
    saved_nano: int | None = None  # what kept answers would have cost; None: not kept by end user
    project: str | None = None
    key: str | None = None
    model: str | None = None
    operation: str | None = None
    deployment: str | None = None
    end_user: str | None = None
    tier: str | None = None


class UsageReport(msgspec.Struct, frozen=True):
    """The answer. The range is what was counted: that of the question, widened to whole quarters of an hour or days where
    usage is kept by those."""

    organization_id: str
    time_zone: str
    from_at: int
    until_at: int
    bucket: Bucket | None
    by: tuple[Dimension, ...]
    rows: list[UsageRow]  # in order of time, then of the dimensions


def check_ask(
    organization_id: str,
    from_at: object,
    until_at: object,
    bucket: str | None,
    by: Sequence[str],
    filters: Mapping[str, Collection[str]] | None,
    time_zone: str,
) -> Ask:
    """Raises InvalidRequest."""
    begin, end = check_range(from_at, until_at)
    return Ask(
        organization_id, begin, end, _bucket(bucket), _by(by), _filters(filters or {}), check_time_zone(time_zone)
    )


def check_range(from_at: object, until_at: object) -> tuple[int, int]:
    """Two times in order. Raises InvalidRequest."""
    begin, end = check_time(from_at, "from"), check_time(until_at, "until")
    if begin >= end:
        raise InvalidRequest("'from' must be before 'until', which is not included.", param="from")
    if end - begin > RANGE_S_MAX:
        raise InvalidRequest("'from' and 'until' are more than 100 years apart.", param="until")
    return begin, end


def check_time(at: object, param: str) -> int:
    if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at <= AT_MAX:
        raise InvalidRequest(f"'{param}' is a time in whole UTC seconds, from 0 on.", param=param)
    return at


def check_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            f"The time zone {name[:80]!r} is unknown. Use a name such as Asia/Shanghai.", param="time_zone"
        ) from None
    return name


def _bucket(bucket: str | None) -> Bucket | None:
    if bucket is not None and bucket not in BUCKETS:
        raise InvalidRequest(f"'bucket' is one of {', '.join(BUCKETS)}.", param="bucket")
    return bucket


def _by(by: Sequence[str]) -> tuple[Dimension, ...]:
    for name in by:
        _dimension(name, "by")
    if len(set(by)) != len(by):
        raise InvalidRequest("'by' names something twice.", param="by")
    return tuple(name for name in DIMENSIONS if name in by)


def _dimension(name: str, param: str) -> Dimension:
    for known in DIMENSIONS:
        if name == known:
            return known
    raise InvalidRequest(f"Usage is known by {', '.join(DIMENSIONS)}; not by {name[:40]!r}.", param=param)


def _filters(filters: Mapping[str, Collection[str]]) -> dict[Dimension, tuple[str, ...]]:
    checked: dict[Dimension, tuple[str, ...]] = {}
    for name, values in filters.items():
        dimension = _dimension(name, "filters")
        if isinstance(values, str) or not 1 <= len(values) <= FILTER_VALUES_MAX:
            raise InvalidRequest(f"A filter has 1 to {FILTER_VALUES_MAX} values.", param=dimension)
        if any(not isinstance(value, str) or len(value) > FILTER_CHARS_MAX for value in values):
            raise InvalidRequest(f"Values are texts of at most {FILTER_CHARS_MAX} characters.", param=dimension)
        checked[dimension] = tuple(sorted(set(values)))
    return checked
