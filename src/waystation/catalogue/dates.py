"""Dates as people write them in the configuration: a day, a moment, or the text of one."""

from datetime import UTC, date, datetime, time
from typing import Any


def seconds_of(begins: Any) -> int:
    """UTC seconds of a date (its midnight in UTC), a date-time, or the text of one. Raises ValueError."""
    if isinstance(begins, str):
        try:
            begins = datetime.fromisoformat(begins)
        except ValueError:
            raise ValueError(f"has a date {begins[:40]!r}; write 2026-12-01 or 2026-12-01T08:00+08:00") from None
    if isinstance(begins, date) and not isinstance(begins, datetime):
        begins = datetime.combine(begins, time())
    if not isinstance(begins, datetime):
        raise ValueError("has a `from` that is no date: write from = 2026-12-01")
    return int((begins if begins.tzinfo else begins.replace(tzinfo=UTC)).timestamp())


def day_of(at: int) -> str:
    """The day in UTC of a moment, as 2026-12-01."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()
