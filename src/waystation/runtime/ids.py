"""Ids that nobody can guess and that never meet twice."""

import os
import time
from collections.abc import Callable

_BATCH_BYTES = 4096  # one system call for a few hundred ids
_RANDOM_CHARS = 24  # 96 bits in hex: two of 10⁹ ids are alike once in 10¹¹ tries


class Ids:
    """Makes ids. Not to be shared with a forked child, which would go on with the same random bytes."""

    def __init__(self, now_s: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom) -> None:
        self._now_s = now_s
        self._random = random
        self._hex = ""
        self._next = 0

    def new(self, prefix: str) -> str:
        """`prefix` and 32 hex digits: 8 of the time, 24 of chance.

        The time comes first because requests are stored in the order of their ids: new rows go to the end of the table
        instead of all over it.
        """
        start = self._next
        end = start + _RANDOM_CHARS
        if end > len(self._hex):
            self._hex = self._random(_BATCH_BYTES).hex()
            start, end = 0, _RANDOM_CHARS
        self._next = end
        return f"{prefix}{int(self._now_s()) & 0xFFFFFFFF:08x}{self._hex[start:end]}"

    def request_id(self) -> str:
        return self.new("req_")
