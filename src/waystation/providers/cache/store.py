"""The SQL of kept answers. Sizes and times are read from an index, never from the rows, which are large."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from waystation.errors import ServiceUnavailable
from waystation.providers.cache.model import Kept
from waystation.tables import changes
from waystation.tables import kept_answers as answers
from waystation.terms import Usage

TOPIC = "kept_answers"  # of a change: projects whose answers are to be forgotten


class Sealer(Protocol):
    """What makes contents at rest unreadable where a key for that is set (`storage/vault.py`)."""

    def seal(self, belongs_to: str, content: bytes) -> bytes: ...
    def unseal(self, belongs_to: str, sealed: bytes) -> bytes:
        """Raises ServiceUnavailable."""
        ...


class _Packed(msgspec.Struct, array_like=True):
    """The column `pieces`: what an answer sends."""

    pieces: tuple[bytes, ...]
    ignored: tuple[str, ...] = ()
    mapped: tuple[str, ...] = ()


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Packed).decode
_usage = msgspec.json.Decoder(Usage).decode


def find(connection: Connection, digest: bytes, now: int, sealer: Sealer | None = None) -> Kept | None:
    """None: there is none that has not expired, or it can't be read (another version or another key wrote it)."""
    row = connection.execute(select(answers).where(answers.c.digest == digest, answers.c.expires_at > now)).first()
    if row is None:
        return None
    try:
        pieces = row.pieces if sealer is None else sealer.unseal(_place(digest), row.pieces)
        packed, usage = _unpack(pieces), _usage(row.usage)
    except (msgspec.MsgspecError, ServiceUnavailable):
        return None
    return Kept(
        digest=row.digest,
        project_id=row.project_id,
        model=row.model,
        pieces=packed.pieces,
        usage=usage,
        created_at=row.created_at,
        fresh_until=row.fresh_until,
        expires_at=row.expires_at,
        ignored=packed.ignored,
        mapped=packed.mapped,
    )


def put(connection: Connection, some: Sequence[Kept], sealer: Sealer | None = None) -> None:
    """Keep answers; of two to the same request the younger."""
    insertion = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(answers)
    new = insertion.excluded
    others = [column.name for column in answers.columns if column.name != "digest"]
    statement = insertion.on_conflict_do_update(
        index_elements=[answers.c.digest],
        set_={name: new[name] for name in others},
        where=answers.c.created_at <= new.created_at,
    )
    connection.execute(statement, [_row(kept, sealer) for kept in some])


def _place(digest: bytes) -> str:
    """What an answer at rest is bound to."""
    return f"kept answer {digest.hex()}"


def _row(kept: Kept, sealer: Sealer | None) -> dict[str, Any]:
    pieces = _pack(_Packed(kept.pieces, kept.ignored, kept.mapped))
    return {
        "digest": kept.digest,
        "project_id": kept.project_id,
        "model": kept.model,
        "pieces": pieces if sealer is None else sealer.seal(_place(kept.digest), pieces),
        "size_bytes": kept.size_bytes,
        "usage": msgspec.json.encode(kept.usage).decode(),
        "fresh_until": kept.fresh_until,
        "expires_at": kept.expires_at,
        "created_at": kept.created_at,
    }


def purge(connection: Connection, project_id: str, most: int) -> int:
    """Delete a project's, no more than so many at once; returns how many that were."""
    theirs = select(answers.c.digest).where(answers.c.project_id == project_id).limit(most)
    return connection.execute(delete(answers).where(answers.c.digest.in_(theirs))).rowcount


def tell(connection: Connection, project_id: str, at: int) -> None:
    """Have every worker forget what it has of a project."""
    connection.execute(insert(changes).values(topic=TOPIC, subject=project_id, at=at))


def expire(connection: Connection, now: int, most: int) -> int:
    """Delete those whose time has come, no more than so many at once; returns how many that were."""
    over = select(answers.c.digest).where(answers.c.expires_at <= now).order_by(answers.c.expires_at).limit(most)
    return connection.execute(delete(answers).where(answers.c.digest.in_(over))).rowcount


def shrink(connection: Connection, size_bytes_max: int, most: int) -> int:
    """Where all are larger together than that, delete those that would expire first, no more than so many at once;
    returns how many that were."""
    total = int(connection.execute(select(func.coalesce(func.sum(answers.c.size_bytes), 0))).scalar_one())
    some = select(answers.c.digest, answers.c.size_bytes).order_by(answers.c.expires_at).limit(most)
    doomed: list[bytes] = []
    for digest, size_bytes in connection.execute(some) if total > size_bytes_max else ():
        if total <= size_bytes_max:
            break
        doomed.append(digest)
        total -= size_bytes
    if doomed:
        connection.execute(delete(answers).where(answers.c.digest.in_(doomed)))
    return len(doomed)
