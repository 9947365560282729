"""Small rules of how a call is read and its answer told."""

import pytest

from waystation.http.calls import nano
from waystation.http.unpack import unpack


@pytest.mark.parametrize(
    ("amount_nano", "text"),
    [
        (0, b"0"),
        (1, b"0.000000001"),
        (1_520_000, b"0.00152"),
        (1_507_500_000, b"1.5075"),
        (3_000_000_000, b"3"),
        (12_345_678_901_234, b"12345.678901234"),
    ],
)
def test_money_is_written_exactly(amount_nano: int, text: bytes) -> None:
    assert nano(amount_nano) == text


def test_identity_is_no_packing() -> None:
    assert unpack(b"{}", b" Identity ", 10) == b"{}"
