"""What stages have to say in headers: each header once, the last word counts, and nothing gets in by a value."""

import pytest

from waystation.gateway.notes import MODEL, noted


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (b"", "big", b"x-waystation-model: big\r\n"),
        (b"x-waystation-model: big\r\n", "small", b"x-waystation-model: small\r\n"),
        (b"x-waystation-model: a\r\nage: 3\r\n", "b", b"age: 3\r\nx-waystation-model: b\r\n"),
        (b"x-waystation-models: a\r\n", "b", b"x-waystation-models: a\r\nx-waystation-model: b\r\n"),
        (b"", "a\r\nset-cookie: b", b"x-waystation-model: a set-cookie: b\r\n"),
        (b"", "驿", b"x-waystation-model: ?\r\n"),
    ],
)
def test_a_header_is_said_once(before: bytes, value: str, after: bytes) -> None:
    assert noted(before, MODEL, value) == after
