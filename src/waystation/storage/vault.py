"""Contents at rest: as they are, or encrypted where a key for that is configured. Each is bound to where it belongs.

AES-256-GCM with a random nonce of 96 bits; the key comes from the configured one by HKDF-SHA256. What was kept before a key
was configured stays readable.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waystation.errors import ServiceUnavailable
from waystation.storage.sealed_stream import Sealing, Unsealing
from waystation.terms import Secret

PLAIN, SEALED = b"\x00", b"\x01"
NONCE_BYTES = 12
_PURPOSE = b"waystation: contents at rest, version 1"
_STREAMS = b"waystation: streams at rest, version 1"


class ContentUnreadable(ServiceUnavailable):
    """It was encrypted with a key that isn't configured any more, or was damaged."""

    code = "content_unreadable"


class Vault:
    """Seals and unseals what `storage/` keeps. Without a key, what it keeps is plain."""

    def __init__(self, key: Secret | None = None) -> None:
        self._cipher = None if key is None else AESGCM(_derived(key, _PURPOSE))
        self._streams = None if key is None else _derived(key, _STREAMS)

    @property
    def encrypts(self) -> bool:
        return self._cipher is not None

    def sealing(self, belongs_to: str) -> Sealing:
        """For contents that come piece by piece."""
        return Sealing(self._streams, belongs_to)

    def unsealing(self, belongs_to: str) -> Unsealing:
        return Unsealing(self._streams, belongs_to)

    def seal(self, belongs_to: str, content: bytes) -> bytes:
        """`belongs_to`: the id of its row, and which column where there are several."""
        if self._cipher is None:
            return PLAIN + content
        nonce = os.urandom(NONCE_BYTES)
        return SEALED + nonce + self._cipher.encrypt(nonce, content, belongs_to.encode())

    def unseal(self, belongs_to: str, sealed: bytes) -> bytes:
        """Raises ContentUnreadable."""
        if sealed[:1] == PLAIN:
            return sealed[1:]
        nonce, content = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        if sealed[:1] == SEALED and self._cipher is not None:
            try:
                return self._cipher.decrypt(nonce, content, belongs_to.encode())
            except InvalidTag:
                pass
        raise unreadable(belongs_to)


def unreadable(belongs_to: str) -> ContentUnreadable:
    return ContentUnreadable(
        f"The content of {belongs_to} can't be read: it was encrypted with another key than storage.encryption_key is "
        "now. An administrator puts the old key back.",
    )


def _derived(key: Secret, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(key.reveal().encode())
