"""When a budget's periods begin and end, whom it is about, and what may be asked for."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.errors import InvalidRequest
from waystation.ledger.budgets.model import (
    CAP_NANO_MAX,
    WINDOWS,
    Budget,
    Window,
    check_amount,
    check_thresholds,
    period,
)


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("window", "zone", "moment", "begins", "ends"),
    [
        ("day", "UTC", "2026-11-24T15:00", "2026-11-24", "2026-11-25"),
        ("day", "Asia/Shanghai", "2026-11-24T00:00", "2026-11-24", "2026-11-25"),
        ("day", "Asia/Kathmandu", "2026-11-24T23:59", "2026-11-24", "2026-11-25"),
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-25", "2026-10-26"),  # 25 hours
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29", "2026-03-30"),  # 23 hours
        ("week", "Asia/Shanghai", "2026-11-29T23:00", "2026-11-23", "2026-11-30"),  # Monday to Sunday
        ("week", "UTC", "2027-01-01T00:00", "2026-12-28", "2027-01-04"),
        ("month", "Asia/Shanghai", "2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        ("month", "America/New_York", "2028-02-29T12:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_periods_are_those_of_the_time_zone(window: Window, zone: str, moment: str, begins: str, ends: str) -> None:
    assert period(window, zone, at(moment, zone)) == (at(begins, zone), at(ends, zone))


def test_a_total_has_no_end() -> None:
    assert period("total", "UTC", 1_000_000) == (0, None)


@given(
    st.sampled_from(WINDOWS),
    st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]),
    st.integers(1_600_000_000, 2_500_000_000),
)
def test_a_moment_is_in_its_period_and_periods_follow_one_another(window: Window, zone: str, moment: int) -> None:
    begins, ends = period(window, zone, moment)
    assert begins <= moment
    if ends is not None:
        assert moment < ends
        assert period(window, zone, ends)[0] == ends
        assert begins % 900 == ends % 900 == 0, "a quarter of an hour lies in one period"


def budget(**given_: Any) -> Budget:
    values = {
        "id": "bdg_1",
        "organization_id": "org-1",
        "scope": "organization",
        "subject": "org-1",
        "project_id": None,
        "model": None,
        "window": "day",
        "currency": "USD",
        "cap_nano": 1,
        "hard": True,
        "thresholds": (),
        "created_at": 1,
        "updated_at": 1,
    }
    return Budget(**(values | given_))


@pytest.mark.parametrize(
    ("given_", "place", "end_user", "whose"),
    [
        ({}, ("organization", "org-1"), "ann", ""),
        ({"scope": "key", "subject": "key_1"}, ("key", "key_1"), None, ""),
        ({"scope": "end_user", "subject": "*"}, ("end_user", "org-1"), "ann", "ann"),
        ({"scope": "end_user", "subject": "*"}, ("end_user", "org-1"), None, None),
        ({"scope": "end_user", "subject": "ann", "project_id": "proj_1"}, ("end_user", "proj_1"), "ann", ""),
        ({"scope": "end_user", "subject": "ann", "project_id": "proj_1"}, ("end_user", "proj_1"), "bob", None),
    ],
)
def test_whose_fund_a_call_draws_on(
    given_: dict[str, Any], place: tuple[str, str], end_user: str | None, whose: str | None
) -> None:
    made = budget(**given_)
    assert (made.place, made.fund_subject(end_user)) == (place, whose)


@pytest.mark.parametrize("amount", [-1, CAP_NANO_MAX + 1, 1.5, float("nan"), float("inf"), "5", None, True, 10**30])
def test_an_amount_that_cant_be_one_is_refused(amount: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_amount(amount, "cap_nano")
    assert caught.value.param == "cap_nano"


@pytest.mark.parametrize("thresholds", [5, "80", [0], [-1], [1.5], [1_001], [True], list(range(1, 12)), [float("nan")]])
def test_thresholds_are_whole_percents(thresholds: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_thresholds(thresholds)
    assert caught.value.param == "thresholds"


def test_thresholds_are_kept_once_and_in_order() -> None:
    assert check_thresholds([100, 50, 80, 50]) == (50, 80, 100)
