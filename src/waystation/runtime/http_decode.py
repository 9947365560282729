"""Answers that come compressed although nobody asked: unpacked as they are read, never more at once than a bound."""

import zlib

from waystation.runtime.http_connection import Answer
from waystation.wire.http import BadAnswer, Response

PIECE_BYTES_MAX = 256 * 1024
"""What one `next` unpacks at most: a small answer can't fill the memory."""

_GZIP, _ZLIB, _RAW = 31, 15, -15
_WINDOW_BITS = {b"gzip": _GZIP, b"x-gzip": _GZIP, b"deflate": _ZLIB}


def decoded(answer: Answer) -> Response:
    """The same answer with its body unpacked. Raises BadAnswer for a coding that we don't know."""
    coding = answer.headers[b"content-encoding"].strip().lower()
    if coding in (b"", b"identity"):
        return answer
    window_bits = _WINDOW_BITS.get(coding)
    if window_bits is None:
        answer.close()
        raise BadAnswer(f"content-encoding {coding[:32]!r} was not asked for and can't be read")
    return Decoded(answer, window_bits)


class Decoded:
    """A `Response` around one whose body is zlib or gzip. A body of no bytes stands for itself."""

    def __init__(self, answer: Answer, window_bits: int) -> None:
        self._answer = answer
        self._begun = self._empty = False
        self._packed = b""
        self._unpack = zlib.decompressobj(window_bits)
        self._zlib = window_bits == _ZLIB
        self.headers = {name: value for name, value in answer.headers.items() if name != b"content-encoding"}
        self.status = answer.status

    async def read(self, size_bytes_max: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self.next():
            pieces.append(piece)
            size += len(piece)
            if size > size_bytes_max:
                self.close()
                raise BadAnswer(f"the answer is longer than {size_bytes_max} bytes")
        return b"".join(pieces)

    async def next(self) -> bytes:
        if not self._begun:
            self._begun = True
            self._empty = not await self._begin()
        if self._empty:
            return b""
        unpack = self._unpack
        while not unpack.eof:
            packed = self._packed or await self._answer.next()
            try:
                piece = unpack.decompress(packed, PIECE_BYTES_MAX) if packed else unpack.flush()
            except zlib.error as error:
                self.close()
                raise BadAnswer(f"the answer can't be unpacked: {error}") from error
            self._packed = unpack.unconsumed_tail
            if piece:
                return piece
            if not packed:
                raise BadAnswer("the packed answer ends early")
        if unpack.unused_data or await self._answer.next():
            self.close()
            raise BadAnswer("the packed answer goes on after its end")
        return b""

    async def _begin(self) -> bool:
        """Look at the first two bytes: some servers say deflate and mean it without zlib's header. False: it is empty."""
        packed = await self._answer.next()
        while packed and len(packed) < 2 and (more := await self._answer.next()):
            packed += more
        if self._zlib and len(packed) >= 2 and (packed[0] & 15 != 8 or int.from_bytes(packed[:2], "big") % 31):
            self._unpack = zlib.decompressobj(_RAW)
        self._packed = packed
        return bool(packed)

    def drain(self) -> None:
        self._answer.drain()

    def close(self) -> None:
        self._answer.close()
