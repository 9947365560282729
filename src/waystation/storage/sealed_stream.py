"""Contents that are too large to be held at once, sealed and unsealed piece by piece.

Plain: a byte PLAIN, then the content. Sealed: a byte STREAMED, 16 bytes of salt, then chunks of 64 KiB, each with its own tag.
The key is made of the vault's, of the salt and of what the content belongs to; the nonce counts the chunks and says which is the
last, so that none can be left out, put elsewhere or cut off unnoticed (the STREAM construction of Hoang, Reyhanitabar, Rogaway
and Vizár, 2015).
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PLAIN, STREAMED = b"\x00", b"\x02"
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
SALT_BYTES = 16


class Damaged(Exception):
    """It was sealed with another key or for another place, or is not whole."""


def _cipher(root: bytes, salt: bytes, belongs_to: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, belongs_to.encode()).derive(root))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class Sealing:
    """`feed` pieces of any size, then `finish`; both give what is to be written."""

    def __init__(self, root: bytes | None, belongs_to: str) -> None:
        salt = os.urandom(SALT_BYTES)
        self._cipher = None if root is None else _cipher(root, salt, belongs_to)
        self._head = PLAIN if root is None else STREAMED + salt
        self._waiting = bytearray()
        self._number = 0

    def feed(self, content: bytes) -> bytes:
        head, self._head = self._head, b""
        if self._cipher is None:
            return head + content
        self._waiting += content
        sealed = [head]
        while len(self._waiting) > CHUNK_BYTES:  # the last chunk is told by `finish`, so a full one is kept back
            sealed.append(self._chunk(last=False))
        return b"".join(sealed)

    def finish(self) -> bytes:
        return self.feed(b"") + (b"" if self._cipher is None else self._chunk(last=True))

    def _chunk(self, *, last: bool) -> bytes:
        assert self._cipher is not None
        content = bytes(self._waiting[:CHUNK_BYTES])
        del self._waiting[:CHUNK_BYTES]
        nonce = _nonce(self._number, last=last)
        self._number += 1
        return self._cipher.encrypt(nonce, content, None)


class Unsealing:
    """The other way round. Both raise Damaged; what `feed` has given is authentic, but whole only once `finish` is done."""

    def __init__(self, root: bytes | None, belongs_to: str) -> None:
        self._root = root
        self._belongs_to = belongs_to
        self._plain = False
        self._cipher: AESGCM | None = None
        self._waiting = bytearray()
        self._number = 0

    def feed(self, sealed: bytes) -> bytes:
        if self._plain:
            return sealed
        self._waiting += sealed
        if self._cipher is None:
            begun = self._begin()
            if begun is not None:
                return begun
        opened = []
        while len(self._waiting) > CHUNK_BYTES + TAG_BYTES:
            opened.append(self._chunk(last=False))
        return b"".join(opened)

    def finish(self) -> bytes:
        if self._plain:
            return b""
        if self._cipher is None:
            raise Damaged
        return self._chunk(last=True)

    def _begin(self) -> bytes | None:
        """Read the head. What is to be handed on at once: nothing while the head isn't whole, all of it where it is plain."""
        kind = bytes(self._waiting[:1])
        if kind == PLAIN:
            self._plain = True
            content = bytes(self._waiting[1:])
            self._waiting.clear()
            return content
        if kind and (kind != STREAMED or self._root is None):
            raise Damaged
        if len(self._waiting) < 1 + SALT_BYTES:
            return b""
        assert self._root is not None
        salt = bytes(self._waiting[1 : 1 + SALT_BYTES])
        del self._waiting[: 1 + SALT_BYTES]
        self._cipher = _cipher(self._root, salt, self._belongs_to)
        return None

    def _chunk(self, *, last: bool) -> bytes:
        assert self._cipher is not None
        sealed = bytes(self._waiting[: CHUNK_BYTES + TAG_BYTES])
        del self._waiting[: CHUNK_BYTES + TAG_BYTES]
        nonce = _nonce(self._number, last=last)
        self._number += 1
        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Damaged from None
