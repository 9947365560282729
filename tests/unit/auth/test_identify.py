"""Who calls: each way in which a key can be wrong has words of its own, and none shows the key."""

from hashlib import sha256

import pytest

from waystation.auth.identify import Identify
from waystation.errors import ApiError, Forbidden, InvalidKey, MissingKey
from waystation.http.presented import Presented
from waystation.terms import Caller

NOW = 1_000_000
GOOD, REVOKED, ARCHIVED, EXPIRED, ADMIN = (f"sk-{letter * 48}" for letter in "grvea")
KEYS = {
    GOOD: Caller("key_g", "proj", "org"),
    REVOKED: Caller("key_r", "proj", "org", revoked=True),
    ARCHIVED: Caller("key_v", "proj", "org", archived=True),
    EXPIRED: Caller("key_e", "proj", "org", expires_at=NOW),
    ADMIN: Caller("key_a", "", "org", admin=True),
}
auth = Identify({sha256(key.encode()).digest(): caller for key, caller in KEYS.items()}, lambda: NOW)


@pytest.mark.parametrize("header", [f"Bearer {GOOD}", f"bearer {GOOD}", f"BEARER  {GOOD} "])
def test_a_good_key_is_known(header: str) -> None:
    presented = Presented(header.encode())
    assert auth.identify(presented).key_id == "key_g"
    assert presented.project == "proj"


@pytest.mark.parametrize(
    ("header", "error", "code", "says"),
    [
        (None, MissingKey, None, "didn't provide an API key"),
        ("Bearer ", MissingKey, None, "didn't provide an API key"),
        (GOOD, MissingKey, None, "Authorization: Bearer"),
        ("Basic dXNlcjpwYXNz", MissingKey, None, "Basic authentication"),
        ("Bearer hunter2", InvalidKey, "invalid_api_key", "Malformed"),
        (f"Bearer {GOOD[:-1]}x", InvalidKey, "invalid_api_key", "Incorrect"),
        (f"Bearer {REVOKED}", InvalidKey, "invalid_api_key", "revoked"),
        (f"Bearer {ARCHIVED}", InvalidKey, "invalid_api_key", "archived"),
        (f"Bearer {EXPIRED}", InvalidKey, "invalid_api_key", "expired"),
        (f"Bearer {ADMIN}", Forbidden, "insufficient_permissions", "admin key"),
        ("Bearer sk-\xff\xfe" + "x" * 40, InvalidKey, "invalid_api_key", "Malformed"),
    ],
)
def test_a_bad_key_is_refused_in_its_own_words(
    header: str | None, error: type[ApiError], code: str | None, says: str
) -> None:
    with pytest.raises(error) as caught:
        auth.identify(Presented(None if header is None else header.encode("latin-1")))
    assert caught.value.code == code
    assert says in caught.value.message
    secret = (header or "").rpartition(" ")[2]
    assert not secret or secret not in caught.value.message


def test_only_an_admin_key_opens_the_control_plane() -> None:
    assert auth.identify_admin(Presented(f"Bearer {ADMIN}".encode())).admin
    with pytest.raises(Forbidden):
        auth.identify_admin(Presented(f"Bearer {GOOD}".encode()))
