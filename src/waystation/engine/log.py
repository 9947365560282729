"""A child's log: a file that never grows past its bound."""

import sys
from pathlib import Path

LOG_BYTES_MAX = 1 << 20  # of each of two files


class BoundedLog:
    """Append lines to a file; when it is full it becomes `….1`, in place of the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        if self._size + len(data) > LOG_BYTES_MAX:
            self._file.close()
            self.path.replace(self.path.with_name(self.path.name + ".1"))
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data[-LOG_BYTES_MAX:])
        self._size += len(data)

    def close(self) -> None:
        self._file.close()


def say(line: str) -> None:
    """A line of a child's own, for its log."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
