"""Where the buckets of a report begin and end in a time zone, as integers and as SQL. Pure."""

from bisect import bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from waystation.errors import InvalidRequest
from waystation.ledger.budgets.model import Window, period
from waystation.ledger.reading.model import Bucket

BUCKETS_MAX = 3_000  # of one report: a month of quarters of an hour has 2 976
_STEPS_S: dict[Bucket, int] = {"minute": 60, "quarter": 900}
_WINDOWS: dict[Bucket, Window] = {"day": "day", "week": "week", "month": "month"}
_HOUR_S = 3_600


class Buckets(msgspec.Struct, frozen=True):
    """`edges`: where each bucket begins, and in the end where the last one ends. The first and the last are cut to the
    range that was asked for."""

    edges: list[int]

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def from_at(self) -> int:
        return self.edges[0]

    @property
    def until_at(self) -> int:
        return self.edges[-1]

    def number(self, at: int) -> int | None:
        """The bucket that a time is in; None when it is outside."""
        return bisect_right(self.edges, at) - 1 if self.edges[0] <= at < self.edges[-1] else None

    def sql(self, column: str) -> str:
        """The bucket's number as an expression of the time in a column that is inside: a search by halves, in integers
        of ours. So months and odd zones cost what minutes cost, in every database."""
        return _halves(column, self.edges, 0, len(self))


def _halves(column: str, edges: list[int], first: int, end: int) -> str:
    if end - first == 1:
        return str(first)
    middle = (first + end) // 2
    before, after = _halves(column, edges, first, middle), _halves(column, edges, middle, end)
    return f"CASE WHEN {column} < {edges[middle]} THEN {before} ELSE {after} END"


def buckets(bucket: Bucket | None, time_zone: str, from_at: int, until_at: int) -> Buckets:
    """Cut a range. Raises InvalidRequest when that gives too many."""
    edges = [from_at]
    if bucket is not None:
        while (edge := _end(bucket, time_zone, edges[-1])) < until_at:
            edges.append(edge)
            if len(edges) > BUCKETS_MAX:
                raise InvalidRequest(
                    f"The range has more than {BUCKETS_MAX} buckets. Ask for a shorter range or for longer buckets.",
                    param="bucket",
                )
    return Buckets([*edges, until_at])


def _end(bucket: Bucket, time_zone: str, at: int) -> int:
    """Where the bucket ends that a time is in."""
    if bucket in _STEPS_S:
        step = _STEPS_S[bucket]
        return at - at % step + step
    if bucket == "hour":
        # The zone's own: some are half an hour off.
        hour, gone_s = divmod(at + _offset_s(time_zone, at), _HOUR_S)
        end = at - gone_s + _HOUR_S
        hour_then, gone_then_s = divmod(end + _offset_s(time_zone, end), _HOUR_S)
        # Where clocks are put back by half an hour, the same hour goes on.
        return end - gone_then_s + _HOUR_S if hour_then == hour and gone_then_s else end
    end_of_window = period(_WINDOWS[bucket], time_zone, at)[1]
    assert end_of_window is not None  # only a total has none
    return end_of_window


def _offset_s(time_zone: str, at: int) -> int:
    offset = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(time_zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
