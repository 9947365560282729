"""Secrets at rest: encrypted with a key that is derived from the data folder's secret key, each bound to where it belongs.

AES-256-GCM with a random nonce of 96 bits; the key comes from secret.key by HKDF-SHA256. What a secret belongs to (a
credential's id) is authenticated with it, so a sealed secret that is moved to another row can't be opened there.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waystation.errors import ServiceUnavailable
from waystation.terms import Secret

SECRET_KEY_FILE = "secret.key"
SECRET_KEY_BYTES = 32
VERSION = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
_PURPOSE = b"waystation: credentials of providers, version 1"


class SecretKeyMissing(ServiceUnavailable):
    """The data folder has no usable secret key."""

    code = "secret_key_missing"


class CannotUnseal(ServiceUnavailable):
    """What is sealed was sealed with another secret key, or was damaged."""

    code = "credential_unreadable"


class Sealer:
    """Seals and unseals. The key file is read when it is first needed, so that a server without secrets needs none."""

    def __init__(self, secret_key: Path) -> None:
        self._secret_key = secret_key
        self._cipher: AESGCM | None = None

    def seal(self, belongs_to: str, text: str) -> bytes:
        """Raises SecretKeyMissing."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._opened().encrypt(nonce, text.encode(), belongs_to.encode())

    def unseal(self, belongs_to: str, sealed: bytes) -> Secret:
        """Raises SecretKeyMissing, CannotUnseal; both name what it belongs to or where the key should be."""
        cipher = self._opened()
        if len(sealed) < len(VERSION) + NONCE_BYTES + TAG_BYTES or sealed[:1] != VERSION:
            raise self._unreadable(belongs_to)
        start = len(VERSION) + NONCE_BYTES
        try:
            return Secret(cipher.decrypt(sealed[len(VERSION) : start], sealed[start:], belongs_to.encode()).decode())
        except (InvalidTag, UnicodeDecodeError):
            raise self._unreadable(belongs_to) from None

    def _unreadable(self, belongs_to: str) -> CannotUnseal:
        return CannotUnseal(
            f"The secret of {belongs_to} can't be read: it was encrypted with another {SECRET_KEY_FILE} than "
            f"{self._secret_key}. Put the old {SECRET_KEY_FILE} back and restart, or set the secret anew."
        )

    def _opened(self) -> AESGCM:
        if self._cipher is None:
            derived = HKDF(SHA256(), SECRET_KEY_BYTES, None, _PURPOSE).derive(read_secret_key(self._secret_key))
            self._cipher = AESGCM(derived)
        return self._cipher


def read_secret_key(path: Path) -> bytes:
    """The data folder's secret key. Who encrypts with it derives a key of their own. Raises SecretKeyMissing."""
    try:
        key = path.read_bytes()
    except OSError as error:
        raise SecretKeyMissing(
            f"{path} can't be read, and secrets are encrypted with it. "
            "`waystation init` makes it for a new data folder; else restore it from a backup.",
            detail=str(error),
        ) from None
    if len(key) != SECRET_KEY_BYTES:
        raise SecretKeyMissing(f"{path} is damaged: it must have {SECRET_KEY_BYTES} bytes. Restore it from a backup.")
    return key
