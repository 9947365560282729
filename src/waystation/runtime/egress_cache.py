"""What was fetched a moment ago: a conversation sends the same URLs again with every turn."""

from collections import OrderedDict
from typing import NamedTuple

Fetched = tuple[str, bytes]
"""(media type, bytes)"""


class _Kept(NamedTuple):
    until: float
    fetched: Fetched


class Recent:
    """Bounded by count, bytes and age; what was used longest ago goes first."""

    def __init__(self, *, entries_max: int, bytes_max: int, keep_s: float) -> None:
        self._bytes_max = bytes_max
        self._entries_max = entries_max
        self._keep_s = keep_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self.size_bytes = 0

    def get(self, url: str, now: float) -> Fetched | None:
        kept = self._kept.get(url)
        if kept is None:
            return None
        if kept.until <= now:
            self._drop(url)
            return None
        self._kept.move_to_end(url)
        return kept.fetched

    def put(self, url: str, fetched: Fetched, now: float) -> None:
        if url in self._kept:
            self._drop(url)
        while self._kept and self._kept[next(iter(self._kept))].until <= now:
            self._drop(next(iter(self._kept)))
        size = len(fetched[1])
        if size > self._bytes_max:
            return
        while self._kept and (len(self._kept) >= self._entries_max or self.size_bytes + size > self._bytes_max):
            self._drop(next(iter(self._kept)))
        self._kept[url] = _Kept(now + self._keep_s, fetched)
        self.size_bytes += size

    def _drop(self, url: str) -> None:
        self.size_bytes -= len(self._kept.pop(url).fetched[1])
