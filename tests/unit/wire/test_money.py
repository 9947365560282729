"""Amounts as people and programs write them: exact, or refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.errors import InvalidRequest
from waystation.wire.money import asked_nano, decimal_of, nano_of, required_nano


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("0", 0),
        ("2.50", 2_500_000_000),
        ("10", 10_000_000_000),
        ("0.000000001", 1),
        ("0.1", 100_000_000),
        ("999999999.999999999", 10**18 - 1),
    ],
)
def test_an_amount_is_exact(text: str, nano: int) -> None:
    assert nano_of(text) == nano


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", ".5", "1.", "1,5", "0.0000000001", "NaN", "inf", "1_000", "٣", "1 2", "10000000000"]
)
def test_an_amount_that_is_not_exact_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an amount looks like"):
        nano_of(text)


@given(st.integers(0, 10**18 - 1))
def test_every_amount_comes_back_as_it_was_written(nano: int) -> None:
    assert nano_of(f"{nano // 10**9}.{nano % 10**9:09d}") == nano


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_what_is_shown_is_what_was_meant(nano: int) -> None:
    shown = decimal_of(nano)
    assert nano_of(shown.removeprefix("-")) == abs(nano)
    assert shown.startswith("-") is (nano < 0)
    assert len(shown.partition(".")[2]) >= 2


@pytest.mark.parametrize(
    ("nano", "decimal", "asked"),
    [
        (None, None, None),
        (7, None, 7),
        ("7", None, 7),
        (None, "0.5", 500_000_000),
        (-1, None, -1),
        (10**30, None, 10**30),
    ],
)
def test_an_amount_may_be_said_in_either_way(nano: Any, decimal: str | None, asked: int | None) -> None:
    assert asked_nano(nano, decimal, "cap") == asked


@pytest.mark.parametrize(
    ("nano", "decimal", "param"),
    [
        (1, "1", "cap"),
        ("1.5", None, "cap_nano"),
        ("-1", None, "cap_nano"),
        ("9" * 5000, None, "cap_nano"),
        ("١", None, "cap_nano"),
        (None, "1e3", "cap"),
        (None, None, "cap"),
    ],
)
def test_what_is_said_twice_inexactly_or_not_at_all_is_refused(nano: Any, decimal: str | None, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        required_nano(nano, decimal, "cap")
    assert refused.value.param == param
