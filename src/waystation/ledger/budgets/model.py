"""Budgets as plain data: whom one is for, which window it counts in, and what somebody may ask for. No database."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from waystation.errors import InvalidRequest

Scope = Literal["organization", "project", "key", "end_user"]
Window = Literal["day", "week", "month", "total"]

SCOPES: tuple[Scope, ...] = ("organization", "project", "key", "end_user")
WINDOWS: tuple[Window, ...] = ("day", "week", "month", "total")
EACH = "*"  # the subject of a budget that each end user has for themselves
CAP_NANO_MAX = 10**18  # a thousand million of the currency; sums of several such still fit 64 bits
THRESHOLDS_MAX = 10
PERCENT_MAX = 1_000
THRESHOLDS_DEFAULT = (50, 80, 100)
SUBJECT_CHARS_MAX = 256
PERIODS_KNOWN_MAX = 1_000


class Budget(msgspec.Struct, frozen=True):
    """Money that may be spent in a window, by one subject. `cap_nano` is of the organization's currency."""

    id: str
    organization_id: str
    scope: Scope
    subject: str  # an id; of end users their name, or EACH
    project_id: str | None  # whose end users; None: those of every project
    model: str | None  # None: all models together
    window: Window
    currency: str
    cap_nano: int
    hard: bool  # False: it warns and lets pass
    thresholds: tuple[int, ...]  # percents that give notice once a period
    created_at: int
    updated_at: int
    removed_at: int | None = None
    time_zone: str = "UTC"  # the organization's

    @property
    def place(self) -> tuple[str, str]:
        """Where a call finds it: by its scope, and the id that a caller has of that kind."""
        if self.scope == "end_user":
            return self.scope, self.project_id or self.organization_id
        return self.scope, self.subject

    def fund_subject(self, end_user: str | None) -> str | None:
        """Whose fund a call draws on: "" where there is one for all; None when the budget is not about this end user."""
        if self.scope != "end_user":
            return ""
        if end_user is None:
            return None
        if self.subject == EACH:
            return end_user
        return "" if self.subject == end_user else None


class Notice(msgspec.Struct, frozen=True):
    """A threshold that was crossed in a period."""

    percent: int
    at: int
    spent_nano: int
    cap_nano: int


class BudgetStanding(msgspec.Struct, frozen=True):
    """How a budget stands in a period; of one for each end user, how it stands for one of them."""

    period_at: int
    ends_at: int | None
    spent_nano: int
    held_nano: int  # the allowances of workers: for calls under way, and what they keep for the next ones
    left_nano: int  # what is neither spent nor held
    notices: tuple[Notice, ...] = ()


@lru_cache(PERIODS_KNOWN_MAX)
def _day_of(time_zone: str, quarter: int) -> tuple[int, int, int, int]:
    day = datetime.fromtimestamp(quarter * 900, ZoneInfo(time_zone))
    return day.year, day.month, day.day, day.weekday()


@lru_cache(PERIODS_KNOWN_MAX)
def _midnight(time_zone: str, year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=ZoneInfo(time_zone)).timestamp())


def period(window: Window, time_zone: str, at: int) -> tuple[int, int | None]:
    """When the window that holds `at` begins and ends, in UTC seconds. A total has begun at 0 and doesn't end.

    Days begin at midnight of the time zone (some have 23 or 25 hours), weeks on Monday, months on the 1st. Zones differ
    from UTC by whole quarters of an hour, so a quarter's usage lies in one period.
    """
    if window == "total":
        return 0, None
    year, month, day, weekday = _day_of(time_zone, at // 900)
    if window == "month":
        after = (year + 1, 1) if month == 12 else (year, month + 1)
        return _midnight(time_zone, year, month, 1), _midnight(time_zone, *after, 1)
    first = date(year, month, day) - timedelta(days=weekday if window == "week" else 0)
    last = first + timedelta(days=7 if window == "week" else 1)
    return _midnight(time_zone, first.year, first.month, first.day), _midnight(
        time_zone, last.year, last.month, last.day
    )


# -- what somebody asks for


def check_amount(amount_nano: object, param: str, *, least: int = 0) -> int:
    """An amount in 10⁻⁹ of a currency. Raises InvalidRequest: no fractions, no floats, nothing that can't be summed up."""
    if isinstance(amount_nano, bool) or not isinstance(amount_nano, int):
        raise InvalidRequest(f"'{param}' must be a whole number of 10⁻⁹ of the currency, no fraction.", param=param)
    if not least <= amount_nano <= CAP_NANO_MAX:
        raise InvalidRequest(f"'{param}' must be between {least} and {CAP_NANO_MAX} (10⁻⁹ units).", param=param)
    return amount_nano


def check_scope(scope: str) -> Scope:
    if scope not in SCOPES:
        raise InvalidRequest(f"'scope' is one of {', '.join(SCOPES)}.", param="scope")
    return scope


def check_window(window: str) -> Window:
    if window not in WINDOWS:
        raise InvalidRequest(f"'window' is one of {', '.join(WINDOWS)}.", param="window")
    return window


def check_name(name: str, param: str) -> str:
    """Of end users and models a name may be anything short; ids are looked up by who asks."""
    if not name or len(name) > SUBJECT_CHARS_MAX or not name.isprintable():
        raise InvalidRequest(f"'{param}' has 1 to {SUBJECT_CHARS_MAX} printable characters.", param=param)
    return name


def check_thresholds(thresholds: object) -> tuple[int, ...]:
    """Percents of the cap, each once, in order. Raises InvalidRequest."""
    if not isinstance(thresholds, list | tuple) or len(thresholds) > THRESHOLDS_MAX:
        raise InvalidRequest(f"'thresholds' is a list of at most {THRESHOLDS_MAX} percents.", param="thresholds")
    for percent in thresholds:
        if isinstance(percent, bool) or not isinstance(percent, int) or not 1 <= percent <= PERCENT_MAX:
            raise InvalidRequest(
                f"'thresholds' are whole percents of the cap between 1 and {PERCENT_MAX}.", param="thresholds"
            )
    return tuple(sorted(set(thresholds)))
