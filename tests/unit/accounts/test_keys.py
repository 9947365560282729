"""How a key looks, and what of it is kept."""

import re
from hashlib import sha256

import pytest

from waystation.accounts.model import digest, make_secret, redact


@pytest.mark.parametrize(("admin", "form"), [(False, r"sk-[A-Za-z0-9]{48}"), (True, r"sk-admin-[A-Za-z0-9]{42}")])
def test_a_key_has_its_form_and_51_characters(admin: bool, form: str) -> None:
    made = {make_secret(admin=admin) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(form, secret) and len(secret) == 51 for secret in made)


def test_every_letter_is_as_likely_as_any_other() -> None:
    secret = make_secret(admin=False, random=lambda size: bytes(range(192, 192 + size)))
    assert secret == make_secret(admin=False, random=lambda size: bytes(b for b in range(192, 192 + size) if b < 248))


def test_only_the_digest_and_the_ends_are_kept() -> None:
    secret = "sk-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMN"[:51]
    assert digest(secret) == sha256(secret.encode()).digest()
    assert redact(secret) == f"sk-ab...{secret[-4:]}"
    assert redact("sk-admin-" + "x" * 38 + "wxyz") == "sk-admin-xx...wxyz"
