"""Secrets at rest: opened by the same key at the same place, by nothing else."""

from pathlib import Path

import pytest

from waystation.errors import ServiceUnavailable
from waystation.fleet.sealing import SECRET_KEY_BYTES, CannotUnseal, Sealer, SecretKeyMissing

TEXT = "sk-upstream-0123456789"


def sealer(folder: Path, fill: bytes = b"k") -> Sealer:
    path = folder / f"{fill.decode()}.key"
    path.write_bytes(fill * SECRET_KEY_BYTES)
    return Sealer(path)


def test_what_is_sealed_is_opened_by_the_same_key_also_after_a_restart(tmp_path: Path) -> None:
    sealed = sealer(tmp_path).seal("credential cred_1 of blue", TEXT)
    assert TEXT.encode() not in sealed
    assert sealer(tmp_path).unseal("credential cred_1 of blue", sealed).reveal() == TEXT


def test_the_same_text_is_never_sealed_alike(tmp_path: Path) -> None:
    one = sealer(tmp_path)
    assert len({one.seal("a", TEXT) for _ in range(50)}) == 50


def test_another_key_another_place_and_damage_are_told_and_named(tmp_path: Path) -> None:
    one, other = sealer(tmp_path), sealer(tmp_path, b"o")
    sealed = one.seal("credential cred_1 of blue", TEXT)
    damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
    told = [
        (other, "credential cred_1 of blue", sealed),
        (one, "credential cred_2 of blue", sealed),
        (one, "credential cred_1 of blue", damaged),
        (one, "credential cred_1 of blue", b"\x02" + sealed[1:]),
        (one, "credential cred_1 of blue", b""),
    ]
    for opener, place, each in told:
        with pytest.raises(CannotUnseal) as caught:
            opener.unseal(place, each)
        assert place in caught.value.message
        assert TEXT not in repr(caught.value)


@pytest.mark.parametrize("key", [None, b"", b"short", b"k" * 33], ids=["none", "empty", "short", "long"])
def test_a_key_that_is_missing_or_damaged_is_no_reason_to_crash(tmp_path: Path, key: bytes | None) -> None:
    path = tmp_path / "secret.key"
    if key is not None:
        path.write_bytes(key)
    with pytest.raises(SecretKeyMissing) as caught:
        Sealer(path).seal("a", TEXT)
    assert isinstance(caught.value, ServiceUnavailable)
    assert str(path) in caught.value.message
