"""The breaker of one deployment: it is shut while it only fails, and opened again by one call that proves it well.

Closed, open, half-open are the usual words; so that nobody mistakes one for the other the methods say what they mean:
`shut_s` is how long nobody is to ask. Time is given, in seconds of a monotonic clock. Pure.
"""

from typing import Literal

FAILURES_IN_A_ROW = 10
"""More than one call may have attempts, so that a single unlucky one shuts nothing (of many at 30 % faults none does)."""
FAILED_SHARE = 0.6
"""Of the window's calls: at 30 % faults a deployment is still worth asking, at 60 % it is not."""
SAMPLES_MIN = 30
"""Fewer calls than this in the window say nothing about a share (but failures in a row do)."""
WINDOW_S = 10
SHUT_S = 1.0
"""The first time. It doubles with each time that the proof fails, up to SHUT_S_MAX: so well again is seen within that."""
SHUT_S_MAX = 8.0
MISSING_S = 30.0
"""So long a deployment that does not have its model is left alone."""
QUICK_S = 0.5
"""A failure that took less costs nobody time."""

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Tell it what happened; ask it `shut_s`."""

    __slots__ = ("_bad", "_good", "_last", "_missing", "_proving", "_slots", "_until", "in_a_row", "openings", "quick")

    def __init__(self) -> None:
        self.in_a_row = 0  # failures
        self.openings = 0  # since it was last well: the next time is longer
        self.quick = True  # the last failure was
        self._until = 0.0  # shut until then; 0: closed
        self._missing = False  # shut because it has not its model
        self._proving = False  # the one call that proves it is under way
        self._good = [0] * WINDOW_S  # by second
        self._bad = [0] * WINDOW_S
        self._slots = [-1] * WINDOW_S  # which second is in a place
        self._last = -1

    @property
    def closed(self) -> bool:
        return self._until == 0.0

    def state(self, now_s: float) -> State:
        if self._until == 0.0:
            return "closed"
        return "open" if now_s < self._until else "half_open"

    def shut_s(self, now_s: float) -> float:
        """So long nobody is to ask. 0: who asks now is welcome, as the one call that proves it where it was shut."""
        if self._until == 0.0:
            return 0.0
        if now_s < self._until:
            return self._until - now_s
        return SHUT_S if self._proving else 0.0

    def asked(self, now_s: float) -> bool:
        """A call goes there. True: it is the one that proves it well or not, and has to say `answered`, failed or `left`."""
        if self._until == 0.0 or now_s < self._until or self._proving:
            return False
        self._proving = True
        return True

    def left(self) -> None:
        """The proving call ended without saying anything about the deployment."""
        self._proving = False

    def answered(self) -> None:
        """An answer has begun: whoever was shut is closed again. That it ends well is said by `succeeded`."""
        self._until = 0.0
        self._missing = self._proving = False
        self.in_a_row = 0

    def succeeded(self, now_s: float) -> None:
        self.in_a_row = 0
        self.openings = 0
        if self._until != 0.0:
            self.answered()
        second = int(now_s)
        if second != self._last:
            self._turn(second)
        self._good[second % WINDOW_S] += 1

    def failed(self, now_s: float, took_s: float = 0.0, in_flight: int = 0) -> None:
        """A call failed. `in_flight`: others that are under way there, and may yet succeed: failing is the quicker way."""
        self.in_a_row += 1
        self.quick = took_s < QUICK_S
        second = int(now_s)
        if second != self._last:
            self._turn(second)
        self._bad[second % WINDOW_S] += 1
        if self._until != 0.0:
            if self._proving or now_s >= self._until:
                self._shut(now_s)
        elif self._is_bad(second, in_flight if self.quick else 0):
            self._shut(now_s)

    def missing(self, now_s: float) -> None:
        """It does not have its model: no use to ask for a while."""
        self._until = now_s + MISSING_S
        self._missing = True
        self._proving = False
        self.quick = True

    def reachable(self, now_s: float) -> None:
        """A probe that costs nothing went well: the next call may prove it."""
        if self._until > now_s and not self._missing:
            self._until = now_s

    def counts(self, now_s: float) -> tuple[int, int]:
        """Calls that succeeded and failed within the window."""
        since = int(now_s) - WINDOW_S
        places = [place for place in range(WINDOW_S) if self._slots[place] > since]
        return sum(self._good[place] for place in places), sum(self._bad[place] for place in places)

    def _is_bad(self, second: int, in_flight: int) -> bool:
        good, bad = self.counts(second)
        good += in_flight
        enough = self.in_a_row >= FAILURES_IN_A_ROW or good + bad >= SAMPLES_MIN
        return enough and bad >= FAILED_SHARE * (good + bad)

    def _shut(self, now_s: float) -> None:
        self._until = now_s + min(SHUT_S_MAX, SHUT_S * 2.0**self.openings)
        self._proving = False
        self.openings = min(self.openings + 1, 16)

    def _turn(self, second: int) -> None:
        """A new second begins: its place in the ring is emptied."""
        self._last = second
        place = second % WINDOW_S
        if self._slots[place] != second:
            self._slots[place] = second
            self._good[place] = self._bad[place] = 0
