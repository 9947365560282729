"""The SQL of stored completions. Each function runs in the transaction that it is given."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, exists, func, insert, select, update

from waystation import tables
from waystation.storage.completions.model import StoredCompletion

_IN_MAX = 500
_COUNTED_MAX = 1_000  # entries of an index, to see which is the rarest
_t, _m = tables.stored_completions, tables.stored_completion_metadata
_metadata = msgspec.json.Decoder(dict[str, str]).decode


def add(connection: Connection, made: StoredCompletion) -> None:
    row = {**msgspec.structs.asdict(made), "metadata": msgspec.json.encode(made.metadata).decode()}
    connection.execute(insert(_t).values(**row))
    _add_metadata(connection, made.project_id, made.id, made.metadata)


def find(connection: Connection, project_id: str, completion_id: str, now: int) -> StoredCompletion | None:
    query = select(_t).where(_t.c.id == completion_id, _t.c.project_id == project_id, _t.c.expires_at > now)
    row = connection.execute(query).first()
    return None if row is None else _completion(row)


def page(
    connection: Connection,
    project_id: str,
    now: int,
    rows_max: int,
    *,
    model: str | None,
    metadata: Mapping[str, str],
    cursor: str,
    ascending: bool,
) -> list[StoredCompletion]:
    """In the order of their ids, which is that of time. Of several pairs of metadata all have to be there."""
    query: Any = select(_t)
    if metadata:
        ids = _ids_with(connection, project_id, now, rows_max, model, metadata, cursor, ascending)
        query = query.where(_t.c.id.in_(ids))
    else:
        query = query.where(_t.c.project_id == project_id, _t.c.expires_at > now).limit(rows_max)
        if model is not None:
            query = query.where(_t.c.model == model)
        if cursor:
            query = query.where(_beyond(_t.c.id, cursor, ascending))
    return [_completion(row) for row in connection.execute(query.order_by(_ordered(_t.c.id, ascending)))]


class _Way(NamedTuple):
    """An index whose entries for one thing that is asked for are in the order of ids."""

    column: Any
    conditions: tuple[Any, ...]


def _ids_with(
    connection: Connection,
    project_id: str,
    now: int,
    rows_max: int,
    model: str | None,
    metadata: Mapping[str, str],
    cursor: str,
    ascending: bool,
) -> list[str]:
    """Along the index of what is rarest of all that is asked for; the rest is looked up in theirs. Databases that know
    nothing of how often a value is there would read along the first that comes, or sort all."""
    ways = [_pair(project_id, name, value) for name, value in metadata.items()]
    if model is not None:
        of_model = _t.alias()
        ways.append(_Way(of_model.c.id, (of_model.c.project_id == project_id, of_model.c.model == model)))
    reads = []
    for way in ways:
        read = select(way.column).where(*way.conditions)
        reads.append(read.where(_beyond(way.column, cursor, ascending)) if cursor else read)
    rarest = 0
    if len(ways) > 1:
        counts = [select(func.count()).select_from(read.limit(_COUNTED_MAX).subquery()) for read in reads]
        entries = [connection.execute(count).scalar_one() for count in counts]
        rarest = entries.index(min(entries))
    query, column = reads[rarest], ways[rarest].column
    for at, way in enumerate(ways):
        if at != rarest:
            query = query.where(exists().where(*way.conditions, way.column == column))
    whole = _t.alias()
    query = query.where(exists().where(whole.c.id == column, whole.c.expires_at > now))
    return list(connection.execute(query.order_by(_ordered(column, ascending)).limit(rows_max)).scalars())


def _pair(project_id: str, name: str, value: str) -> _Way:
    pair = _m.alias()
    return _Way(pair.c.completion_id, (pair.c.project_id == project_id, pair.c.name == name, pair.c.value == value))


def _beyond(column: Any, cursor: str, ascending: bool) -> Any:
    return column > cursor if ascending else column < cursor


def _ordered(column: Any, ascending: bool) -> Any:
    return column if ascending else column.desc()


def set_metadata(connection: Connection, project_id: str, completion_id: str, metadata: dict[str, str]) -> None:
    values = {"metadata": msgspec.json.encode(metadata).decode()}
    connection.execute(update(_t).where(_t.c.id == completion_id).values(**values))
    connection.execute(delete(_m).where(_m.c.completion_id == completion_id))
    _add_metadata(connection, project_id, completion_id, metadata)


def remove(connection: Connection, ids: list[str]) -> None:
    for start in range(0, len(ids), _IN_MAX):
        some = ids[start : start + _IN_MAX]
        connection.execute(delete(_m).where(_m.c.completion_id.in_(some)))
        connection.execute(delete(_t).where(_t.c.id.in_(some)))


def expired(connection: Connection, now: int, most: int) -> list[str]:
    query = select(_t.c.id).where(_t.c.expires_at <= now).order_by(_t.c.expires_at).limit(most)
    return list(connection.execute(query).scalars())


def _add_metadata(connection: Connection, project_id: str, completion_id: str, metadata: Mapping[str, str]) -> None:
    if metadata:
        rows = [
            {"project_id": project_id, "name": name, "value": value, "completion_id": completion_id}
            for name, value in metadata.items()
        ]
        connection.execute(insert(_m), rows)


def _completion(row: Any) -> StoredCompletion:
    values = dict(row._mapping)
    return StoredCompletion(**{**values, "metadata": _metadata(values["metadata"])})
