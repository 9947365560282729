"""The SQL of files, uploads and their parts. Each function runs in the transaction that it is given.

A row of `files` whose status is "incoming" or "deleted" is nobody's file: it says which content has to go if the process that was
at it dies, and its `expires_at` says when.
"""

from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, or_, select, update

from waystation import tables
from waystation.storage.files.model import DELETED, INCOMING, SHOWN, Part, StoredFile, Upload

_files, _uploads, _parts = tables.files.c, tables.uploads.c, tables.upload_parts.c
_FILE = [_files[name] for name in StoredFile.__struct_fields__]
_UPLOAD = [_uploads[name] for name in Upload.__struct_fields__]
_PART = [_parts[name] for name in Part.__struct_fields__]
_IN_MAX = 500


# -- files


def add_file(connection: Connection, file: StoredFile) -> None:
    values = {name: getattr(file, name) for name in StoredFile.__struct_fields__}
    connection.execute(insert(tables.files).values(**values))


def publish_file(connection: Connection, file: StoredFile) -> bool:
    """Show a file that was incoming; False when it has been swept away meanwhile."""
    names = ("purpose", "filename", "size_bytes", "sha256", "status", "status_details", "created_at", "expires_at")
    values = {name: getattr(file, name) for name in names}
    incoming = update(tables.files).where(_files.id == file.id, _files.status == INCOMING)
    return connection.execute(incoming.values(**values)).rowcount == 1


def file(connection: Connection, project_id: str, file_id: str, now: int) -> StoredFile | None:
    row = connection.execute(_shown(project_id, now).where(_files.id == file_id)).first()
    return None if row is None else StoredFile(*row)


def files_page(
    connection: Connection,
    project_id: str,
    now: int,
    after_id: str,
    rows_max: int,
    *,
    ascending: bool = False,
    purpose: str | None = None,
) -> list[StoredFile]:
    """A page in the order of their ids, which is that of their making."""
    query = _shown(project_id, now)
    if purpose is not None:
        query = query.where(_files.purpose == purpose)
    if after_id:
        query = query.where(_files.id > after_id if ascending else _files.id < after_id)
    query = query.order_by(_files.id if ascending else _files.id.desc()).limit(rows_max)
    return [StoredFile(*row) for row in connection.execute(query)]


def _shown(project_id: str, now: int) -> Select[Any]:
    return select(*_FILE).where(
        _files.project_id == project_id,
        _files.status.in_(SHOWN),
        or_(_files.expires_at.is_(None), _files.expires_at > now),
    )


def hide_file(connection: Connection, file_id: str, now: int) -> bool:
    """What a delete does first; False when somebody else has."""
    shown = update(tables.files).where(_files.id == file_id, _files.status.in_(SHOWN))
    return connection.execute(shown.values(status=DELETED, expires_at=now)).rowcount == 1


def remove_file(connection: Connection, file_id: str) -> None:
    connection.execute(delete(tables.files).where(_files.id == file_id))


def files_past(connection: Connection, now: int, rows_max: int) -> list[tuple[str, str]]:
    """(id, place) of what has expired, was deleted, or was never finished."""
    past = select(_files.id, _files.place).where(_files.expires_at <= now).order_by(_files.expires_at).limit(rows_max)
    return [(row.id, row.place) for row in connection.execute(past)]


def project_bytes(connection: Connection, project_id: str, now: int) -> int:
    """All that a project has in the store or has been promised room for."""
    kept = select(func.coalesce(func.sum(_files.size_bytes), 0)).where(_files.project_id == project_id)
    coming = select(func.coalesce(func.sum(_uploads.size_bytes), 0)).where(
        _uploads.project_id == project_id, _uploads.status == "pending", _uploads.expires_at > now
    )
    return int(connection.execute(kept).scalar_one()) + int(connection.execute(coming).scalar_one())


# -- uploads


def add_upload(connection: Connection, upload: Upload) -> None:
    values = {name: getattr(upload, name) for name in Upload.__struct_fields__}
    connection.execute(insert(tables.uploads).values(**values))


def upload(connection: Connection, project_id: str, upload_id: str) -> Upload | None:
    query = select(*_UPLOAD).where(_uploads.id == upload_id, _uploads.project_id == project_id)
    row = connection.execute(query).first()
    return None if row is None else Upload(*row)


def end_upload(connection: Connection, upload_id: str, status: str, now: int, file_id: str | None = None) -> bool:
    """Only a pending one ends, and only once: False when it has ended before. One that is late can only expire."""
    pending = update(tables.uploads).where(_uploads.id == upload_id, _uploads.status == "pending")
    if status != "expired":
        pending = pending.where(_uploads.expires_at > now)
    return connection.execute(pending.values(status=status, file_id=file_id)).rowcount == 1


def uploads_late(connection: Connection, now: int, rows_max: int) -> list[str]:
    """Pending ones whose time is over."""
    late = select(_uploads.id).where(_uploads.expires_at <= now, _uploads.status == "pending").limit(rows_max)
    return [row.id for row in connection.execute(late)]


def uploads_old(connection: Connection, before: int, rows_max: int) -> list[str]:
    """Those that ended so long ago that nobody asks any more."""
    old = select(_uploads.id).where(_uploads.expires_at <= before, _uploads.status != "pending").limit(rows_max)
    return [row.id for row in connection.execute(old)]


def remove_upload(connection: Connection, upload_id: str) -> None:
    connection.execute(delete(tables.uploads).where(_uploads.id == upload_id))


# -- parts


def add_part(connection: Connection, part: Part) -> None:
    values = {name: getattr(part, name) for name in Part.__struct_fields__}
    connection.execute(insert(tables.upload_parts).values(**values))


def part_is_whole(connection: Connection, part_id: str, size_bytes: int) -> bool:
    whole = update(tables.upload_parts).where(_parts.id == part_id).values(size_bytes=size_bytes)
    return connection.execute(whole).rowcount == 1


def parts(connection: Connection, upload_id: str, rows_max: int) -> list[Part]:
    query = select(*_PART).where(_parts.upload_id == upload_id).limit(rows_max)
    return [Part(*row) for row in connection.execute(query)]


def parts_sum(connection: Connection, upload_id: str) -> tuple[int, int]:
    """How many parts there are, and their bytes together."""
    query = select(func.count(), func.coalesce(func.sum(_parts.size_bytes), 0)).where(_parts.upload_id == upload_id)
    count, size = connection.execute(query).one()
    return int(count), int(size)


def remove_parts(connection: Connection, part_ids: list[str]) -> None:
    for start in range(0, len(part_ids), _IN_MAX):
        connection.execute(delete(tables.upload_parts).where(_parts.id.in_(part_ids[start : start + _IN_MAX])))
