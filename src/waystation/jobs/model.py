"""What a job is, and the rules of the queue: how long a lease holds, when a job is tried again, whose turn is next. Pure.

A lease is a worker's word that it is at a job. It renews the lease while it works; one that isn't renewed ends by itself, and
the job is anybody's. Whatever a worker writes about a job it writes only while the lease is its own, in the same transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

QUEUED, RUNNING, DONE = "queued", "running", "done"

LEASE_MS = 15_000
RENEW_EVERY_S = 4.0  # three tries within a lease
LEASE_MARGIN_MS = 3_000  # so long before its lease ends a worker that could not renew it leaves the job alone
BACK_OFF_FIRST_S, BACK_OFF_MOST_S = 2, 300
DUE_SEEN_MAX = 2_000  # of the jobs that wait, so many of the oldest are looked at when one is chosen
JOB_DAYS = 1  # so long a job is remembered that is done


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work. `attempts` counts those that have begun, the one under way too."""

    id: str
    kind: str
    subject: str  # the id of what it is about
    project_id: str = ""  # "": the server's own
    key_id: str = ""
    payload: bytes = b""
    attempts: int = 0
    run_at: int  # UTC seconds: not before
    created_at: int


class Due(NamedTuple):
    """A job that might be taken now."""

    id: str
    project_id: str


class Counts(NamedTuple):
    queued: int
    running: int


def back_off_s(attempts: int) -> int:
    """How long to wait after so many attempts that failed."""
    return min(BACK_OFF_FIRST_S << min(max(attempts, 1) - 1, 16), BACK_OFF_MOST_S)


def chosen(due: Sequence[Due], running: Mapping[str, int], room: int) -> list[str]:
    """Which jobs to take, of those that are due in the order of their age: projects with fewer under way come first.

    So a project with a thousand of them delays another's only one by no more than those that run already.
    """
    have = Counter(running)
    lines: dict[str, list[str]] = {}
    for job in due:
        lines.setdefault(job.project_id, []).append(job.id)
    taken: list[str] = []
    while len(taken) < room and lines:
        project = min(lines, key=lambda each: have[each])  # of equals the one whose oldest job is the oldest
        taken.append(lines[project].pop(0))
        have[project] += 1
        if not lines[project]:
            del lines[project]
    return taken
