"""Names that do no harm are kept as they are; the rest is refused in words."""

import pytest

from waystation.errors import InvalidRequest
from waystation.http.files import disposition
from waystation.storage.files.model import checked_expiry, checked_name, checked_purpose, place_of


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("data.jsonl", "data.jsonl"),
        ("../../etc/passwd", "passwd"),
        ("C:\\work\\a.txt", "a.txt"),
        ("报告 2026.pdf", "报告 2026.pdf"),
        ("مرحبا\u200f.txt", "مرحبا\u200f.txt"),
        ('say "hi"; x=1.txt', 'say "hi"; x=1.txt'),
        ("x" * 255, "x" * 255),
    ],
)
def test_a_harmless_name_is_kept(said: str, kept: str) -> None:
    assert checked_name(said) == kept
    header = disposition(kept)
    header.encode("ascii")
    assert "\n" not in header


@pytest.mark.parametrize(
    "said", ["", " ", ".", "..", "a/", "a\0b", "a\nb", "a\x7fb", "cod\u202egpj.exe", "\ud800", "x" * 256], ids=ascii
)
def test_a_harmful_name_is_refused(said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_name(said)
    assert (refused.value.code, refused.value.param) == ("invalid_filename", "file")


def test_what_the_platform_makes_nobody_uploads() -> None:
    with pytest.raises(InvalidRequest, match="made by the platform"):
        checked_purpose("batch_output")
    with pytest.raises(InvalidRequest, match="is not one of"):
        checked_purpose("answers")


@pytest.mark.parametrize(
    ("anchor", "seconds", "purpose", "life_s"),
    [(None, None, "user_data", None), (None, None, "batch", 2_592_000), ("created_at", "3600", "batch", 3600)],
)
def test_how_long_a_file_lives(anchor: str | None, seconds: str | None, purpose: str, life_s: int | None) -> None:
    assert checked_expiry(anchor, seconds, purpose) == life_s


@pytest.mark.parametrize(
    ("anchor", "seconds"),
    [("now", "3600"), ("created_at", None), ("created_at", "3599"), ("created_at", "1e9"), (None, 9)],
)
def test_an_expiry_that_is_none_is_refused(anchor: str | None, seconds: str | None) -> None:
    with pytest.raises(InvalidRequest):
        checked_expiry(anchor, seconds, "user_data")


def test_a_place_is_made_of_an_id_alone() -> None:
    assert place_of("files", "file-00ab") == "files/ab/file-00ab"
