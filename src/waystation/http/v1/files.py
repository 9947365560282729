"""OpenAI's files, as far as they are no streams: those are `http/files.py`."""

from msgspec import UNSET

from waystation.errors import InvalidRequest
from waystation.http.v1.control import Asked, Control, Query, Resource
from waystation.storage.files.model import MADE_HERE, PURPOSES, StoredFile, no_such_file
from waystation.wire.files import FILES_ON_A_PAGE_MAX, FileDeleted, FileList, FileObject
from waystation.wire.listing import is_id, read_id, read_limit


async def list_(control: Control, asked: Asked) -> FileList:
    limit = read_limit(asked.query, FILES_ON_A_PAGE_MAX, FILES_ON_A_PAGE_MAX)
    order = asked.query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("Invalid 'order': it is 'asc' or 'desc'.", param="order")
    purpose = asked.query.get("purpose")
    if purpose is not None and purpose not in (*PURPOSES, *MADE_HERE):
        raise InvalidRequest(f"{purpose[:64]!r} is not one of {[*PURPOSES, *MADE_HERE]} - 'purpose'", param="purpose")
    after = read_id(asked.query, "after")
    found = await control.files.page(asked.project_id, after, limit + 1, ascending=order == "asc", purpose=purpose)
    shown = [file_object(file) for file in found[:limit]]
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return FileList(data=shown, first_id=ends[0], last_id=ends[1], has_more=len(found) > limit)


async def retrieve(control: Control, asked: Asked) -> FileObject:
    return file_object(await control.files.get(asked.project_id, file_id_of(asked)))


async def delete(control: Control, asked: Asked) -> FileDeleted:
    return FileDeleted(id=(await control.files.delete(asked.project_id, file_id_of(asked))).id)


def file_id_of(asked: Asked) -> str:
    """Raises NotFound for what can't be an id."""
    file_id = asked.path["file_id"]
    if not is_id(file_id):
        raise no_such_file(file_id)
    return file_id


def file_object(file: StoredFile) -> FileObject:
    return FileObject(
        id=file.id,
        bytes=file.size_bytes,
        created_at=file.created_at,
        expires_at=UNSET if file.expires_at is None else file.expires_at,
        filename=file.filename,
        purpose=file.purpose,
        status=file.status,
        status_details=UNSET if file.status_details is None else file.status_details,
    )


_QUERY = (
    Query("purpose", {"type": "string"}, "Only files of this purpose."),
    Query("after", {"type": "string"}, "The id after which the page begins."),
    Query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": FILES_ON_A_PAGE_MAX, "default": FILES_ON_A_PAGE_MAX},
        "Files on the page.",
    ),
    Query("order", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}, "By when they were made."),
)
RESOURCES: tuple[Resource, ...] = (
    Resource("GET", "/files", list_, "listFiles", "The project's files.", FileList, query=_QUERY),
    Resource("GET", "/files/{file_id}", retrieve, "retrieveFile", "A file.", FileObject),
    Resource("DELETE", "/files/{file_id}", delete, "deleteFile", "Delete a file and its content.", FileDeleted),
)
