"""The table of jobs. A worker's name is the number of its journal as a text, so that what it had is free when that is finished."""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, or_, select, update

from waystation.jobs.model import DONE, DUE_SEEN_MAX, LEASE_MS, QUEUED, RUNNING, Counts, Due, Job, chosen
from waystation.tables import jobs

_JOB = (
    jobs.c.id,
    jobs.c.kind,
    jobs.c.subject,
    jobs.c.project_id,
    jobs.c.key_id,
    jobs.c.payload,
    jobs.c.attempts,
    jobs.c.run_at,
    jobs.c.created_at,
)


def enqueue(connection: Connection, job: Job) -> None:
    connection.execute(
        insert(jobs).values(**{name: getattr(job, name) for name in job.__struct_fields__}, state=QUEUED)
    )


def ensure(connection: Connection, job: Job) -> None:
    """A job that is always there, as one that comes again and again is: made when it is missing."""
    if connection.execute(select(jobs.c.id).where(jobs.c.id == job.id)).first() is None:
        enqueue(connection, job)


def waiting(connection: Connection, project_id: str, at_most: int) -> int:
    """How many jobs of a project wait; it is counted no further than `at_most`."""
    some = select(jobs.c.id).where(jobs.c.state == QUEUED, jobs.c.project_id == project_id).limit(at_most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def is_due(connection: Connection, kinds: Collection[str], now_ms: int) -> bool:
    """Whether there is anything to take: a look that takes no lock."""
    return connection.execute(select(jobs.c.id).where(*_free(kinds, now_ms)).limit(1)).first() is not None


def lease(connection: Connection, worker: str, kinds: Collection[str], room: int, now_ms: int) -> list[Job]:
    """Take at most `room` jobs. To be run in a transaction that writes; each is given to one worker only."""
    looked = (
        select(jobs.c.id, jobs.c.project_id)
        .where(*_free(kinds, now_ms))
        .order_by(jobs.c.run_at, jobs.c.created_at, jobs.c.id)
        .limit(DUE_SEEN_MAX)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite's transaction has the whole database
    )
    due = [Due(*row) for row in connection.execute(looked)]
    if not due:
        return []
    count = select(jobs.c.project_id, func.count()).where(jobs.c.state == RUNNING, jobs.c.leased_until_ms > now_ms)
    running: dict[str, int] = {row[0]: row[1] for row in connection.execute(count.group_by(jobs.c.project_id))}
    ids = chosen(due, running, room)
    connection.execute(
        update(jobs)
        .where(jobs.c.id.in_(ids))
        .values(state=RUNNING, worker=worker, leased_until_ms=now_ms + LEASE_MS, attempts=jobs.c.attempts + 1)
    )
    found = {row.id: Job(**row._mapping) for row in connection.execute(select(*_JOB).where(jobs.c.id.in_(ids)))}
    return [found[each] for each in ids]


def renew(connection: Connection, worker: str, now_ms: int) -> set[str]:
    """Renew all leases of a worker; the jobs that it still has."""
    mine = and_(jobs.c.state == RUNNING, jobs.c.worker == worker)
    connection.execute(update(jobs).where(mine).values(leased_until_ms=now_ms + LEASE_MS))
    return held(connection, worker)


def held(connection: Connection, worker: str) -> set[str]:
    """The jobs that a worker has."""
    mine = select(jobs.c.id).where(jobs.c.state == RUNNING, jobs.c.worker == worker)
    return set(connection.execute(mine).scalars())


def is_held(connection: Connection, worker: str, job_id: str) -> bool:
    """Whether the job is this worker's; asked at the start of each transaction that it writes about it."""
    mine = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.state == RUNNING, jobs.c.worker == worker)
    return connection.execute(mine.with_for_update()).first() is not None


def finish(connection: Connection, job_id: str) -> None:
    """It is done. What it carried goes at once; that it was there is remembered for a while."""
    connection.execute(
        update(jobs).where(jobs.c.id == job_id).values(state=DONE, worker=None, leased_until_ms=None, payload=b"")
    )


def put_back(connection: Connection, job_id: str, run_at: int, *, counts: bool) -> None:
    """It waits again. `counts`: whether this was an attempt."""
    attempts = jobs.c.attempts if counts else case((jobs.c.attempts > 0, jobs.c.attempts - 1), else_=0)
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .values(state=QUEUED, worker=None, leased_until_ms=None, run_at=run_at, attempts=attempts)
    )


def end(connection: Connection, kind: str, subject: str) -> bool:
    """Nobody wants it any more, wherever it is: a worker that has it finds that out, and leaves it. False: it was over."""
    ended = connection.execute(
        update(jobs)
        .where(jobs.c.subject == subject, jobs.c.kind == kind, jobs.c.state != DONE)
        .values(state=DONE, worker=None, leased_until_ms=None, payload=b"")
    )
    return ended.rowcount > 0


def release(connection: Connection, worker: str) -> None:
    """A worker is gone for good: what it had is anybody's at once."""
    connection.execute(update(jobs).where(jobs.c.state == RUNNING, jobs.c.worker == worker).values(leased_until_ms=0))


def counts(connection: Connection) -> Counts:
    """Of what projects asked for."""
    rows = connection.execute(
        select(jobs.c.state, func.count())
        .where(jobs.c.state.in_((QUEUED, RUNNING)), jobs.c.project_id != "")
        .group_by(jobs.c.state)
    )
    found: dict[str, int] = {row[0]: row[1] for row in rows}
    return Counts(found.get(QUEUED, 0), found.get(RUNNING, 0))


def forget_done(connection: Connection, before: int, rows_max: int) -> int:
    """Delete jobs that are done and were due before then; how many."""
    old: Sequence[str] = (
        connection.execute(
            select(jobs.c.id)
            .where(jobs.c.state == DONE, jobs.c.run_at < before)
            .order_by(jobs.c.run_at)
            .limit(rows_max)
        )
        .scalars()
        .all()
    )
    if old:
        connection.execute(delete(jobs).where(jobs.c.id.in_(old)))
    return len(old)


def _free(kinds: Collection[str], now_ms: int) -> tuple[ColumnElement[bool], ...]:
    """Those that anybody may take: they wait and their time has come, or who had them did not renew the lease."""
    waits = and_(jobs.c.state == QUEUED, jobs.c.run_at <= now_ms // 1_000)
    lost = and_(jobs.c.state == RUNNING, or_(jobs.c.leased_until_ms.is_(None), jobs.c.leased_until_ms <= now_ms))
    return (or_(waits, lost), jobs.c.kind.in_(sorted(kinds)))
