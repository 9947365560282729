"""Runs the proof of the books, one at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from waystation.errors import RateLimitExceeded
from waystation.ledger.model import Problem
from waystation.wire.proof import LedgerProblem, LedgerVerification

PROBLEMS_SHOWN_MAX = 1_000
RETRY_MS = 1_000


class Prover:
    """`prove` reads all of the books, which may take long: who asks meanwhile is told to wait."""

    def __init__(self, prove: Callable[[], Awaitable[Sequence[Problem]]]) -> None:
        self._prove = prove
        self._running: asyncio.Task[LedgerVerification] | None = None

    async def run(self) -> LedgerVerification:
        """Raises RateLimitExceeded while another proof is under way."""
        if self._running is not None and not self._running.done():
            raise RateLimitExceeded("The books are being verified already.", retry_after_ms=RETRY_MS)
        # A client that leaves doesn't stop the reading, so the proof goes on being the one that runs.
        self._running = asyncio.create_task(self._run(), name="waystation-proof")
        return await asyncio.shield(self._running)

    async def _run(self) -> LedgerVerification:
        began_ns = time.monotonic_ns()
        problems = await self._prove()
        return LedgerVerification(
            ok=not problems,
            problems=[
                LedgerProblem(table=each.table, row=each.row, message=each.message)
                for each in problems[:PROBLEMS_SHOWN_MAX]
            ],
            problems_total=len(problems),
            took_ms=(time.monotonic_ns() - began_ns) // 1_000_000,
        )
