"""Compaction items of ours: a summary in their `encrypted_content`, sealed with the data folder's secret key for one project.

AES-256-GCM with a random nonce of 96 bits; the key comes from secret.key by HKDF-SHA256. The project is authenticated with it,
so that nobody reads another's, or has it read as their own. What a provider has compacted itself passes as it came.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from waystation.errors import InvalidRequest, ServiceUnavailable
from waystation.storage.compaction.words import as_message
from waystation.wire.compaction import SEALED_CHARS_MAX
from waystation.wire.response_items import kind_of
from waystation.wire.responses import Item

PREFIX = "wsc1."
"""Says that the content is ours, and in which version."""
NONCE_BYTES = 12
_PURPOSE = b"waystation: compacted conversations, version 1"


class InvalidEncryptedContent(InvalidRequest):
    """400: it was damaged, or made for another project or with another secret key: nobody can tell these apart."""

    code = "invalid_encrypted_content"


class Compactions:
    """`secret_key` is read when it is first needed; it may raise ServiceUnavailable, in words for administrators."""

    def __init__(self, secret_key: Callable[[], bytes]) -> None:
        self._secret_key = secret_key
        self._cipher: AESGCM | None = None

    def check(self) -> None:
        """Raise ServiceUnavailable where nothing can be sealed: to be asked before a model is paid for it."""
        self._opened()

    def seal(self, project_id: str, text: str) -> str:
        """The `encrypted_content` of a compaction item."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._opened().encrypt(nonce, text.encode("utf-8", "replace"), project_id.encode())
        return PREFIX + urlsafe_b64encode(nonce + sealed).decode()

    def open(self, project_id: str, encrypted_content: str) -> str:
        """The text that was sealed for this project. Raises InvalidEncryptedContent."""
        if not is_ours(encrypted_content) or len(encrypted_content) > SEALED_CHARS_MAX:
            raise _unverified(encrypted_content)
        try:
            sealed = urlsafe_b64decode(encrypted_content.removeprefix(PREFIX))
            return self._opened().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], project_id.encode()).decode()
        except (Error, ValueError, InvalidTag):
            raise _unverified(encrypted_content) from None

    def opened(self, project_id: str, items: Sequence[Item]) -> list[Item]:
        """The items, those of ours as messages that any model can read. Raises InvalidEncryptedContent."""
        return [
            as_message(self.open(project_id, item["encrypted_content"])) if is_compaction_of_ours(item) else item
            for item in items
        ]

    def _opened(self) -> AESGCM:
        if self._cipher is None:
            try:
                key = self._secret_key()
            except ServiceUnavailable as error:
                raise ServiceUnavailable(
                    "Conversations can't be compacted now: the server can't read its secret key. Its administrator finds in the "
                    "log what is wrong with it.",
                    detail=error.message,
                ) from None
            self._cipher = AESGCM(HKDF(SHA256(), 32, None, _PURPOSE).derive(key))
        return self._cipher


def is_ours(encrypted_content: object) -> bool:
    return isinstance(encrypted_content, str) and encrypted_content.startswith(PREFIX)


def is_compaction_of_ours(item: Item) -> bool:
    return kind_of(item) == "compaction" and is_ours(item.get("encrypted_content"))


def _unverified(content: str) -> InvalidEncryptedContent:
    shown = content if len(content) <= 16 else f"{content[:8]}...{content[-4:]}"
    return InvalidEncryptedContent(
        f"The encrypted content {shown} could not be verified. Reason: Encrypted content could not be decrypted or parsed. "
        "A compaction item can only be used in the project that it was made in, unchanged.",
        param="input",
    )
