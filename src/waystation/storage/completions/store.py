"""The SQL of stored completions. Each function runs in the transaction that it is given."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, exists, insert, select, update

from waystation import tables
from waystation.storage.completions.model import StoredCompletion

_IN_MAX = 500
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
    query: Any = select(_t).where(_t.c.project_id == project_id, _t.c.expires_at > now).limit(rows_max)
    column: Any = _t.c.id
    if model is not None:
        query = query.where(_t.c.model == model)
    for at, (name, value) in enumerate(metadata.items()):
        pair = _m.alias()
        same = (pair.c.project_id == project_id, pair.c.name == name, pair.c.value == value)
        if at == 0:  # it is read along the first pair's own index, in the order of ids there
            query = query.select_from(pair.join(_t, _t.c.id == pair.c.completion_id)).where(*same)
            column = pair.c.completion_id
        else:
            query = query.where(exists().where(*same, pair.c.completion_id == _t.c.id))
    if cursor:
        query = query.where(column > cursor if ascending else column < cursor)
    return [_completion(row) for row in connection.execute(query.order_by(column if ascending else column.desc()))]


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
