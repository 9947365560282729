"""What a worker has at hand: the answers that were used last, up to so many bytes."""

from collections import OrderedDict
from collections.abc import Collection
from itertools import islice

from waystation.providers.cache.model import Kept


class Memory:
    """By digest, in the order of their last use."""

    def __init__(self, size_bytes_max: int) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._size_bytes_max = size_bytes_max
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, digest: bytes) -> Kept | None:
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
        return kept

    def put(self, kept: Kept) -> None:
        """What was used longest ago makes room."""
        self._drop(kept.digest)
        self._kept[kept.digest] = kept
        self.size_bytes += kept.size_bytes
        while self.size_bytes > self._size_bytes_max:
            self._drop(next(iter(self._kept)))

    def forget(self, project_ids: Collection[str]) -> int:
        """Drop what projects have; returns how many that were."""
        theirs = [digest for digest, kept in self._kept.items() if kept.project_id in project_ids]
        for digest in theirs:
            self._drop(digest)
        return len(theirs)

    def expire(self, now: int, most: int) -> int:
        """Drop what has expired among those that were used longest ago; returns how many that were."""
        over = [digest for digest, kept in islice(self._kept.items(), most) if kept.expires_at <= now]
        for digest in over:
            self._drop(digest)
        return len(over)

    def _drop(self, digest: bytes) -> None:
        kept = self._kept.pop(digest, None)
        if kept is not None:
            self.size_bytes -= kept.size_bytes
