"""The job that comes again and again: each round tidies up what has expired, a bounded part of it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from sqlalchemy import Connection

from waystation.errors import ServiceUnavailable
from waystation.jobs.model import Job
from waystation.jobs.worker import Lease

SWEEP, SWEEP_ID = "sweep", "job_sweep"
EVERY_S = 60
ROWS_MAX = 500  # of each sweep in a round
ROWS_AT_ONCE = 50  # of these in one transaction: calls that are settled wait for it
ROUND_AGAIN_S = 1  # when there was more than that

Sweep = Callable[[int], Awaitable[int]]
"""(at most so many) → how many were dealt with."""

log = logging.getLogger("waystation.jobs")


class Clock(Protocol):
    def now_s(self) -> int: ...


class SweepAll:
    """`sweeps` by what they are of. One that fails holds up no other; it is told, and comes again with the next round."""

    attempts_max = 1_000_000_000

    def __init__(self, sweeps: Mapping[str, Sweep]) -> None:
        self._sweeps = sweeps

    async def run(self, lease: Lease) -> None:
        more = False
        for name, sweep in self._sweeps.items():
            try:
                more |= await _swept(sweep)
            except ServiceUnavailable as error:
                log.warning("%s are not swept: %s", name, error.detail or error.message)
            except Exception:
                log.exception("%s are not swept", name)
        await lease.put_back(ROUND_AGAIN_S if more else EVERY_S, counts=False)

    def give_up(self, connection: Connection, job: Job) -> None:
        """It never does."""


async def _swept(sweep: Sweep) -> bool:
    """A round of one sweep; whether there may be more."""
    for _ in range(ROWS_MAX // ROWS_AT_ONCE):
        if await sweep(ROWS_AT_ONCE) < ROWS_AT_ONCE:
            return False
    return True


def sweep_job(now: int) -> Job:
    return Job(id=SWEEP_ID, kind=SWEEP, subject=SWEEP, run_at=now, created_at=now)
