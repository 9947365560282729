"""The SQL of rate limits: the limits themselves, what is used of them, and what each worker has in hand."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from waystation import tables
from waystation.ledger.rates import share
from waystation.ledger.rates.bucket import Key
from waystation.ledger.rates.model import DAY_MS, STREAMS, UNITS, RateLimit
from waystation.ledger.rates.share import Got, Wish

_IN_MAX = 500
_PARTS_MAX = 2**63 - 1  # what a column takes; nobody who owes as much ever gets through again anyway
_KEPT = [unit.name for unit in UNITS if unit.window_ms >= DAY_MS]
(_STREAMS,) = (unit.name for unit in UNITS if unit.counts == STREAMS)

_limits = tables.rate_limits.c
_COLUMNS = (
    _limits.id,
    _limits.organization_id,
    _limits.scope,
    _limits.subject,
    _limits.model,
    _limits.limits,
    _limits.created_at,
    _limits.updated_at,
)
_decode = msgspec.json.Decoder(dict[str, int]).decode


# -- the limits


def add_limit(connection: Connection, limit: RateLimit) -> None:
    connection.execute(insert(tables.rate_limits).values(**_values(limit)))


def update_limit(connection: Connection, limit: RateLimit) -> None:
    connection.execute(update(tables.rate_limits).where(_limits.id == limit.id).values(**_values(limit)))


def _values(limit: RateLimit) -> dict[str, Any]:
    return msgspec.structs.asdict(limit) | {"limits": msgspec.json.encode(limit.limits).decode()}


def remove_limit(connection: Connection, limit_id: str, at: int) -> None:
    """What is used of it goes with it."""
    connection.execute(update(tables.rate_limits).where(_limits.id == limit_id).values(removed_at=at))
    for table in (tables.rate_buckets, tables.rate_slices):
        connection.execute(delete(table).where(table.c.limit_id == limit_id))


def limit_of(
    connection: Connection, organization_id: str, scope: str, subject: str, model: str | None
) -> RateLimit | None:
    statement = select(*_COLUMNS).where(
        _limits.scope == scope,
        _limits.subject == subject,
        _limits.organization_id == organization_id,
        _limits.model.is_(None) if model is None else _limits.model == model,
        _limits.removed_at.is_(None),
    )
    row = connection.execute(statement).first()
    return None if row is None else _limit(row)


def limit_by_id(connection: Connection, organization_id: str, limit_id: str) -> RateLimit | None:
    found = limits_by_id(connection, [limit_id])
    return found[0] if found and found[0].organization_id == organization_id else None


def count_of_subject(connection: Connection, scope: str, subject: str) -> int:
    statement = select(func.count()).where(
        _limits.scope == scope, _limits.subject == subject, _limits.removed_at.is_(None)
    )
    return int(connection.execute(statement).scalar_one())


def limits(
    connection: Connection,
    organization_id: str,
    which: Mapping[str, str | None],
    after_id: str,
    before_id: str,
    rows_max: int,
    *,
    ascending: bool,
) -> list[RateLimit]:
    """In the order of their ids, which is that of their making. `which`: values of columns; None: any."""
    statement = select(*_COLUMNS).where(_limits.organization_id == organization_id, _limits.removed_at.is_(None))
    for name, value in which.items():
        if value is not None:
            statement = statement.where(_limits[name] == value)
    if after_id:
        statement = statement.where(_limits.id > after_id if ascending else _limits.id < after_id)
    if before_id:
        statement = statement.where(_limits.id < before_id)
    statement = statement.order_by(_limits.id if ascending else _limits.id.desc())
    return [_limit(row) for row in connection.execute(statement.limit(rows_max))]


def limits_by_id(connection: Connection, limit_ids: Sequence[str]) -> list[RateLimit]:
    """Those of them that were not removed."""
    found: list[RateLimit] = []
    for start in range(0, len(limit_ids), _IN_MAX):
        some = limit_ids[start : start + _IN_MAX]
        statement = select(*_COLUMNS).where(_limits.id.in_(some), _limits.removed_at.is_(None))
        found += [_limit(row) for row in connection.execute(statement)]
    return found


def all_limits(connection: Connection) -> list[RateLimit]:
    """Every limit that holds. Plain SQL: 100 k rows through result objects would take twice as long."""
    names = ", ".join(column.name for column in _COLUMNS)
    cursor: Any = connection.exec_driver_sql(f"SELECT {names} FROM rate_limits WHERE removed_at IS NULL").cursor
    return [_limit(row) for row in cursor]


def _limit(row: Any) -> RateLimit:
    id_, organization_id, scope, subject, model, limits, created_at, updated_at = row
    return RateLimit(id_, organization_id, scope, subject, model, _decode(limits), created_at, updated_at)


def subject_exists(connection: Connection, organization_id: str, scope: str, subject: str) -> bool:
    """Whether the organization has such a project or key, or is the subject."""
    if scope == "organization":
        c = tables.organizations.c
        statement = select(c.id).where(c.id == subject, c.id == organization_id)
    else:
        table = tables.projects if scope == "project" else tables.api_keys
        statement = select(table.c.id).where(table.c.id == subject, table.c.organization_id == organization_id)
    return connection.execute(statement).first() is not None


def record_change(connection: Connection, topic: str, limit_id: str, at: int) -> None:
    connection.execute(insert(tables.changes).values(topic=topic, subject=limit_id, at=at))


# -- what is used of them, when there is one worker


def kept_buckets(connection: Connection) -> dict[Key, tuple[int, int]]:
    """What is used of the limits whose windows are long: (parts, at which millisecond)."""
    c = tables.rate_buckets.c
    rows = connection.execute(select(c.limit_id, c.unit, c.used_parts, c.at_ms).where(c.unit.in_(_KEPT)))
    return {(limit_id, unit): (used, at_ms) for limit_id, unit, used, at_ms in rows}


def keep_buckets(connection: Connection, buckets: Mapping[Key, tuple[int, int]]) -> None:
    _write(
        connection,
        "rate_buckets",
        ("limit_id", "unit"),
        ("used_parts", "at_ms"),
        [(*key, min(used, _PARTS_MAX), at_ms) for key, (used, at_ms) in buckets.items()],
    )


# -- what several workers share


def exchange(connection: Connection, epoch: int, wishes: Sequence[Wish], workers: int, now_ms: int) -> list[Got]:
    """What becomes of a worker's wishes, in their order. When one does not fit, none is granted and nothing is written."""
    keys = sorted(wish.key for wish in wishes)  # always in this order, so that no two wait for each other
    buckets = [(*key, 0, now_ms) for key in keys]
    columns = ("limit_id", "unit", "used_parts", "at_ms")
    connection.exec_driver_sql(f"{_insert(connection, 'rate_buckets', columns)} ON CONFLICT DO NOTHING", buckets)
    limit_ids = sorted({limit_id for limit_id, _ in keys})
    rows = _rows(connection, limit_ids, epoch, now_ms)
    got = [share.exchange(rows[wish.key], wish, workers, now_ms) for wish in wishes]
    if not all(answer.fits for answer in got):
        return got
    told = list(zip(wishes, got, strict=True))
    keep_buckets(connection, {wish.key: (answer.used, answer.at_ms) for wish, answer in told})
    slices = [(*wish.key, epoch, answer.mine, now_ms) for wish, answer in told]
    _write(connection, "rate_slices", ("limit_id", "unit", "epoch"), ("parts", "at_ms"), slices)
    return got


def _rows(connection: Connection, limit_ids: Sequence[str], epoch: int, now_ms: int) -> dict[Key, share.Row]:
    """What the tables say of some limits, locked until the transaction ends."""
    b, s = tables.rate_buckets.c, tables.rate_slices.c
    mine: dict[Key, int] = {}
    others: dict[Key, int] = {}
    locked = connection.execute(
        select(b.limit_id, b.unit, b.used_parts, b.at_ms)
        .where(b.limit_id.in_(limit_ids))
        .order_by(b.limit_id, b.unit)
        .with_for_update()
    ).all()
    for limit_id, unit, owner, parts, at_ms in connection.execute(
        select(s.limit_id, s.unit, s.epoch, s.parts, s.at_ms).where(s.limit_id.in_(limit_ids))
    ):
        if unit == _STREAMS or abs(now_ms - at_ms) <= share.EXPIRY_MS:
            slices = mine if owner == epoch else others
            slices[limit_id, unit] = slices.get((limit_id, unit), 0) + parts
    return {
        (limit_id, unit): share.Row(used, at_ms, mine.get((limit_id, unit), 0), others.get((limit_id, unit), 0))
        for limit_id, unit, used, at_ms in locked
    }


def forget_epoch(connection: Connection, epoch: int) -> None:
    """A worker is gone: its open streams are over, and what it had in hand counts as spent."""
    connection.execute(delete(tables.rate_slices).where(tables.rate_slices.c.epoch == epoch))


def _write(
    connection: Connection, table: str, keys: Sequence[str], values: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows, or put them in the place of those with the same key."""
    rows = list(rows)
    if not rows:
        return
    connection.exec_driver_sql(
        f"{_insert(connection, table, [*keys, *values])} "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in values)}",
        rows,
    )


def _insert(connection: Connection, table: str, columns: Sequence[str]) -> str:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"
