"""The SQL of kept answers."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from waystation.errors import ServiceUnavailable
from waystation.idempotency.model import Asked, Row, State
from waystation.tables import idempotent_answers as answers

_CLAIMS_MAX = 10
_ROW = (answers.c.body_digest, answers.c.state, answers.c.epoch, answers.c.request_id, answers.c.stream)


def claim(connection: Connection, asked: Asked, epoch: int, now: int, expires_at: int) -> Row | None:
    """Make the key this worker's own, in one statement, whoever else tries. None: it is; else what was there before.

    Not durable against a power cut, as the journal's holds are not: after one a repeat may run anew.
    Raises ServiceUnavailable.
    """
    values: dict[str, Any] = {
        "body_digest": asked.body_digest,
        "request_id": asked.request_id,
        "epoch": epoch,
        "state": "running",
        "headers": None,
        "body": None,
        "stream": int(asked.stream),
        "created_at": now,
        "expires_at": expires_at,
    }
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(answers)
    taken = insert.values(project_id=asked.project_id, digest=asked.digest, **values).on_conflict_do_update(
        index_elements=[answers.c.project_id, answers.c.digest], set_=values, where=answers.c.expires_at <= now
    )
    for _ in range(_CLAIMS_MAX):
        if connection.execute(taken.returning(answers.c.digest)).first() is not None:
            return None
        row = look(connection, asked, now)
        if row is not None:
            return row
        # PostgreSQL: its call has ended in an error between the two statements. It is free again.
    raise ServiceUnavailable("The server's database is too busy. Try again.", retry_after_ms=1_000)


def look(connection: Connection, asked: Asked, now: int) -> Row | None:
    """What is known of a key; None when nothing is, or not any more."""
    alive = and_(_key(asked), answers.c.expires_at > now)
    row = connection.execute(select(*_ROW, answers.c.headers, answers.c.body).where(alive)).first()
    if row is None:
        return None
    return Row(
        row.body_digest, row.state, row.epoch, row.request_id, bool(row.stream), row.headers or b"", row.body or b""
    )


def keep(connection: Connection, asked: Asked, headers: bytes, body: bytes, expires_at: int) -> None:
    """Keep the answer of the call that has the key."""
    _end(connection, asked, "done", expires_at, headers=headers, body=body)


def give_up(connection: Connection, asked: Asked, state: State, expires_at: int) -> None:
    """Say why there is no answer to keep."""
    _end(connection, asked, state, expires_at)


def _end(connection: Connection, asked: Asked, state: State, expires_at: int, **values: bytes) -> None:
    own = and_(_key(asked), answers.c.request_id == asked.request_id)
    connection.execute(update(answers).where(own).values(state=state, expires_at=expires_at, **values))


def drop(connection: Connection, asked: Asked) -> None:
    """Forget the call that has the key, so that a repeat runs anew."""
    connection.execute(delete(answers).where(_key(asked), answers.c.request_id == asked.request_id))


def mark_lost(connection: Connection, epoch: int) -> int:
    """The worker of this epoch has gone: what it was running is lost. To be called in the transaction that recovers its
    holds, so that both are known together. Returns how many calls that were."""
    running = and_(answers.c.epoch == epoch, answers.c.state == "running")
    return connection.execute(update(answers).where(running).values(state="lost")).rowcount


def delete_expired(connection: Connection, now: int, most: int) -> int:
    """Delete rows whose time has come, no more than so many at once; returns how many that were."""
    key = tuple_(answers.c.project_id, answers.c.digest)
    expired = select(answers.c.project_id, answers.c.digest).where(answers.c.expires_at <= now).limit(most)
    return connection.execute(delete(answers).where(key.in_(expired))).rowcount


def _key(asked: Asked) -> ColumnElement[bool]:
    return and_(answers.c.project_id == asked.project_id, answers.c.digest == asked.digest)
