"""OpenAI's uploads, as far as they are no streams: their parts come in by `http/files.py`."""

from collections.abc import Mapping

from msgspec import UNSET

from waystation.http.v1.control import Asked, Control, Resource
from waystation.http.v1.files import file_object
from waystation.storage.files.model import (
    FileWanted,
    StoredFile,
    Upload,
    checked_expiry,
    checked_media_type,
    checked_name,
    checked_purpose,
    no_such_upload,
)
from waystation.wire.files import CompleteUpload, CreateUpload, UploadObject
from waystation.wire.listing import is_id
from waystation.wire.read import Reader

_read_create, _read_complete = Reader(CreateUpload).read, Reader(CompleteUpload).read
_COMPLETE_BYTES_MAX = 1024 * 1024  # 10 000 ids of parts


async def create(control: Control, asked: Asked) -> UploadObject:
    said = _read_create(asked.body)
    purpose = checked_purpose(said.purpose)
    expires = said.expires_after
    anchor, seconds = (None, None) if expires is None else (expires.anchor, expires.seconds)
    expires_s = checked_expiry(anchor, seconds, purpose)
    wanted = FileWanted(purpose, checked_name(said.filename, "filename"), expires_s)
    made = await control.uploads.create(asked.project_id, wanted, checked_media_type(said.mime_type), said.bytes)
    return upload_object(made)


async def complete(control: Control, asked: Asked) -> UploadObject:
    said = _read_complete(asked.body)
    return upload_object(
        *await control.uploads.complete(asked.project_id, upload_id_of(asked.path), said.part_ids, said.md5)
    )


async def cancel(control: Control, asked: Asked) -> UploadObject:
    return upload_object(await control.uploads.cancel(asked.project_id, upload_id_of(asked.path)))


def upload_id_of(path: Mapping[str, str]) -> str:
    """Raises NotFound for what can't be an id."""
    upload_id = path["upload_id"]
    if not is_id(upload_id):
        raise no_such_upload(upload_id)
    return upload_id


def upload_object(upload: Upload, file: StoredFile | None = None) -> UploadObject:
    return UploadObject(
        id=upload.id,
        bytes=upload.size_bytes,
        created_at=upload.created_at,
        expires_at=upload.expires_at,
        filename=upload.filename,
        purpose=upload.purpose,
        status=upload.status,  # type: ignore[arg-type]
        file=UNSET if file is None else file_object(file),
    )


_ONE = "/uploads/{upload_id}"
RESOURCES: tuple[Resource, ...] = (
    Resource(
        "POST", "/uploads", create, "createUpload", "Begin a file that comes in parts.", UploadObject, CreateUpload
    ),
    Resource(
        "POST",
        f"{_ONE}/complete",
        complete,
        "completeUpload",
        "Make the file of its parts.",
        UploadObject,
        CompleteUpload,
        body_bytes_max=_COMPLETE_BYTES_MAX,
    ),
    Resource("POST", f"{_ONE}/cancel", cancel, "cancelUpload", "Give it up.", UploadObject),
)
