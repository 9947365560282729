"""Contents for who awaits: written, read and removed in threads of their own, sealed on the way, in bounded pieces."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TypeVar

from waystation.errors import InvalidRequest, RequestTooLarge
from waystation.storage.files.json_lines import JsonLines
from waystation.storage.files.places import Places, Sink
from waystation.storage.sealed_stream import Damaged, Sealing
from waystation.storage.vault import Vault, unreadable

T = TypeVar("T")

THREADS_MAX = 8  # a store that hangs holds these up, nothing else
PIECE_BYTES = 1024 * 1024  # for which a thread is woken


class Contents:
    """What is in the store. `place` is also what a content is sealed for: moved to another name it can't be opened."""

    def __init__(self, places: Places, vault: Vault) -> None:
        self._places = places
        self._vault = vault
        self._threads = ThreadPoolExecutor(THREADS_MAX, "waystation-files")

    async def begin(self, place: str, size_bytes_max: int, check: JsonLines | None = None) -> "Incoming":
        """A content that will come in pieces. Raises ServiceUnavailable."""
        sink = await self.run(lambda: self._places.create(place))
        return Incoming(self, place, sink, size_bytes_max, check)

    async def read(self, place: str) -> AsyncGenerator[bytes]:
        """The content, piece by piece. Raises ServiceUnavailable, ContentUnreadable."""
        pieces, unsealing = self._places.read(place), self._vault.unsealing(place)
        try:
            while (sealed := await self.run(lambda: next(pieces, None))) is not None:
                if content := await self.run(partial(unsealing.feed, sealed)):
                    yield content
            if content := unsealing.finish():
                yield content
        except Damaged:
            raise unreadable(place.rpartition("/")[2]) from None

    async def remove(self, place: str) -> None:
        """Raises ServiceUnavailable."""
        await self.run(lambda: self._places.remove(place))

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def sealing(self, place: str) -> Sealing:
        return self._vault.sealing(place)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Incoming:
    """A content on its way into the store. Each `feed` waits until the store has taken what is due: its pace is the sender's."""

    def __init__(
        self, contents: Contents, place: str, sink: Sink, size_bytes_max: int, check: JsonLines | None
    ) -> None:
        self.place = place
        self.size_bytes = 0
        self.check = check
        self._contents = contents
        self._sink = sink
        self._size_bytes_max = size_bytes_max
        self._sealing = contents.sealing(place)
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._waiting = bytearray()
        self._ended = False
        self._lock = Lock()  # a write whose request was cancelled still runs when the rest is thrown away

    async def feed(self, content: bytes) -> None:
        """Raises RequestTooLarge, ServiceUnavailable."""
        self.size_bytes += len(content)
        if self.size_bytes > self._size_bytes_max:
            raise too_large(self._size_bytes_max)
        self._waiting += content
        if len(self._waiting) >= PIECE_BYTES:
            await self._pass_on()

    async def finish(self, md5: str | None = None) -> None:
        """All of it has come: have it stay, if it has this sum. Raises InvalidRequest, also of the check, ServiceUnavailable."""
        await self._pass_on()
        if md5 is not None and md5.lower() != self._md5.hexdigest():
            raise InvalidRequest(f"The content's md5 is {self._md5.hexdigest()}, not {md5[:64]!r}.", param="md5")
        if self.check is not None:
            await self._contents.run(self.check.finish)
        await self._contents.run(self._commit)

    async def abandon(self) -> None:
        """Nothing of it stays, unless it is finished."""
        if not self._ended:
            await self._contents.run(self._discard)

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest()

    async def _pass_on(self) -> None:
        piece, self._waiting = bytes(self._waiting), bytearray()
        await self._contents.run(lambda: self._take(piece))

    def _take(self, piece: bytes) -> None:
        with self._lock:
            if self._ended:
                return
            self._sha256.update(piece)
            self._md5.update(piece)
            if self.check is not None:
                self.check.feed(piece)
            self._sink.write(self._sealing.feed(piece))

    def _commit(self) -> None:
        with self._lock:
            self._sink.write(self._sealing.finish())
            self._sink.commit()
            self._ended = True

    def _discard(self) -> None:
        with self._lock:
            self._ended = True
            self._sink.discard()


def too_large(size_bytes_max: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The file is larger than {size_bytes_max} bytes. Send it in parts as an upload, or send less."
    )
