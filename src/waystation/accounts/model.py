"""Organizations, projects, keys and local models as plain data, and how a key looks; no database."""

import os
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from waystation.errors import InvalidRequest
from waystation.terms import Price

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PREFIX, _ADMIN_PREFIX = "sk-", "sk-admin-"
KEY_CHARS = 51  # in all, with the prefix
NAME_CHARS_MAX = 200
CACHE_S_MAX = 30 * 86_400
CURRENCIES = ("USD", "CNY")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}\Z")

Kind = Literal["chat", "embedding"]
OnDisconnect = Literal["cancel", "drain"]


class Organization(msgspec.Struct, frozen=True):
    id: str
    name: str
    currency: str
    postpaid: bool
    time_zone: str
    created_at: int
    overdraft_nano: int = 0  # how far below zero the credit of a prepaid one may go


class Project(msgspec.Struct, frozen=True):
    id: str
    organization_id: str
    name: str
    created_at: int
    archived_at: int | None = None  # its keys are refused from then on; its books stay
    on_disconnect: OnDisconnect = "cancel"  # or "drain": what becomes of an answer whose client leaves
    cache_s: int = 0  # how long answers are kept for repeats of the same request; 0: not at all


class Key(msgspec.Struct, frozen=True):
    """A key as it may be shown. The secret itself is in no table."""

    id: str
    redacted: str
    name: str
    organization_id: str
    project_id: str | None
    admin: bool
    created_at: int
    expires_at: int | None
    revoked_at: int | None


class NewKey(msgspec.Struct, frozen=True):
    """A key just made: the only time that its secret can be seen."""

    key: Key
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.redacted})"


class LocalModel(msgspec.Struct, frozen=True):
    """A model file that somebody added by hand. `price` None: unmetered, by an administrator's word."""

    name: str
    path: str
    kind: Kind
    price: Price | None
    created_at: int


def make_secret(*, admin: bool, random: Callable[[int], bytes] = os.urandom) -> str:
    """A new key: 285 bits of chance (250 for an admin key), in letters and digits."""
    prefix = _ADMIN_PREFIX if admin else _PREFIX
    letters = ""
    while len(letters) < KEY_CHARS - len(prefix):
        # Bytes of 248 and above are thrown away: with them some letters would be likelier than others.
        letters += "".join(_ALPHABET[byte % 62] for byte in random(64) if byte < 248)
    return prefix + letters[: KEY_CHARS - len(prefix)]


def digest(secret: str) -> bytes:
    """What is kept of a key. A plain hash will do: the key is pure chance, no dictionary has it."""
    return sha256(secret.encode()).digest()


def redact(secret: str) -> str:
    """A key as lists show it: sk-ab...wxyz."""
    prefix = _ADMIN_PREFIX if secret.startswith(_ADMIN_PREFIX) else _PREFIX
    return f"{secret[: len(prefix) + 2]}...{secret[-4:]}"


def check_name(name: str) -> str:
    """A name that a person chose. Raises InvalidRequest."""
    name = name.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise InvalidRequest(f"A name has 1 to {NAME_CHARS_MAX} printable characters.", param="name")
    return name


def check_model_name(name: str) -> str:
    """The name of a model. Raises InvalidRequest."""
    if not _MODEL_NAME.match(name):
        raise InvalidRequest(
            f"{name[:80]!r} is no model name. It has letters, digits and . _ : / @ + - (200 at most) "
            "and begins with a letter or a digit.",
            param="name",
        )
    return name


def check_currency(currency: str) -> str:
    if currency not in CURRENCIES:
        raise InvalidRequest(
            f"The currency {currency[:20]!r} is unknown. Use {' or '.join(CURRENCIES)}.", param="currency"
        )
    return currency


def check_on_disconnect(word: str) -> OnDisconnect:
    if word == "cancel":
        return "cancel"
    if word == "drain":
        return "drain"
    raise InvalidRequest("'on_disconnect' is 'cancel' or 'drain'.", param="on_disconnect")


def check_cache_s(seconds: int) -> int:
    if not 0 <= seconds <= CACHE_S_MAX:
        raise InvalidRequest(f"'cache_s' is 0 (no cache) to {CACHE_S_MAX} seconds.", param="cache_s")
    return seconds


def check_time_zone(name: str) -> str:
    """A zone that reports are cut in, such as Asia/Shanghai. Raises InvalidRequest."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequest(
            f"The time zone {name[:80]!r} is unknown. Use a name such as Asia/Shanghai.", param="time_zone"
        ) from None
    return name
