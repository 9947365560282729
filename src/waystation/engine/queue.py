"""The queue in front of a model: fair between projects, bounded, left by those who leave.

A place is a slot of the model and room in the cache that its slots share. Projects take turns, so that one with a
thousand calls delays another's only call by no more than one.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from waystation.errors import RateLimitExceeded
from waystation.terms import Blame

WAITING_MAX = 512  # of all projects
RETRY_AFTER_MS_PER_WAITING = 250  # a guess at how soon a place in the queue is free
RETRY_AFTER_MS_MAX = 20_000


class _Waiting:
    __slots__ = ("granted", "tokens")

    def __init__(self, tokens: int, granted: "asyncio.Future[None]") -> None:
        self.tokens = tokens
        self.granted = granted


class FairQueue:
    """Places at one model. `slots` answers at a time, which together may use `tokens` of cache."""

    def __init__(self, slots: int, tokens: int, waiting_max: int = WAITING_MAX, per_project: int = WAITING_MAX) -> None:
        self._free_slots = slots
        self._free_tokens = self._tokens = tokens
        self._waiting_max = waiting_max
        self._per_project = per_project
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()  # the first project's turn is next
        self.waiting = 0
        self.running = 0

    @asynccontextmanager
    async def place(self, project: str, tokens: int) -> AsyncIterator[None]:
        """Wait for a place and hold it. Raises RateLimitExceeded when too many wait."""
        tokens = min(tokens, self._tokens)  # a lower bound is a guess: the child itself refuses what is too long
        if self._lines or not self._fits(tokens):
            await self._wait(project, tokens)
        else:
            self._take(tokens)
        try:
            yield
        finally:
            self._give_back(tokens)

    async def _wait(self, project: str, tokens: int) -> None:
        line = self._lines.get(project)
        if self.waiting >= self._waiting_max or (line is not None and len(line) >= self._per_project):
            full = RateLimitExceeded(
                "Too many requests are waiting for this model.",
                retry_after_ms=min(RETRY_AFTER_MS_MAX, 1000 + RETRY_AFTER_MS_PER_WAITING * self.waiting),
            )
            full.blame = Blame.BUSY
            raise full
        if line is None:
            line = self._lines[project] = deque()
        turn = _Waiting(tokens, asyncio.get_running_loop().create_future())
        line.append(turn)
        self.waiting += 1
        try:
            await turn.granted
        except asyncio.CancelledError:
            if turn.granted.done() and not turn.granted.cancelled():  # granted and left in the same moment
                self._give_back(tokens)
            else:
                self._leave(project, turn)
            raise

    def _leave(self, project: str, turn: _Waiting) -> None:
        line = self._lines.get(project)
        if line is None or turn not in line:  # its turn came while it was leaving
            return
        line.remove(turn)
        self.waiting -= 1
        if not line:
            del self._lines[project]
        self._grant()  # who left may have been the one who did not fit

    def _grant(self) -> None:
        """Give places to those whose turn it is, as long as the next one fits."""
        while self._lines:
            project, line = next(iter(self._lines.items()))
            turn = line[0]
            left = turn.granted.cancelled()  # cancelled in this moment; its task does not know yet
            if not left and not self._fits(turn.tokens):
                return
            line.popleft()
            self.waiting -= 1
            if not left:
                self._lines.move_to_end(project)
                self._take(turn.tokens)
                turn.granted.set_result(None)
            if not line:
                del self._lines[project]

    def _fits(self, tokens: int) -> bool:
        return self._free_slots > 0 and self._free_tokens >= tokens

    def _take(self, tokens: int) -> None:
        self._free_slots -= 1
        self._free_tokens -= tokens
        self.running += 1

    def _give_back(self, tokens: int) -> None:
        self._free_slots += 1
        self._free_tokens += tokens
        self.running -= 1
        self._grant()
