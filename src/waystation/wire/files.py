"""Files and uploads, as OpenAI has them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from waystation.wire.answers import Shape
from waystation.wire.listing import Deleted
from waystation.wire.messages import Exact

FILES_ON_A_PAGE_MAX = 10_000


class FileObject(Shape, frozen=True, kw_only=True):
    """A file; `expires_at` is left out where it stays until it is deleted."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | UnsetType = UNSET
    filename: str
    purpose: str
    status: str
    status_details: str | UnsetType = UNSET


class FileList(Shape, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Deleted, frozen=True, kw_only=True):
    object: str = "file"


class ExpiresAfter(Exact, frozen=True, gc=False, kw_only=True):
    anchor: str
    seconds: int


class CreateUpload(Exact, frozen=True, gc=False, kw_only=True):
    filename: str
    purpose: str
    bytes: Annotated[int, Meta(ge=1)]
    mime_type: str
    expires_after: ExpiresAfter | None = None


class CompleteUpload(Exact, frozen=True, gc=False, kw_only=True):
    part_ids: Annotated[list[str], Meta(max_length=10_000)]
    md5: str | None = None


class UploadPartObject(Shape, frozen=True, kw_only=True):
    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str


class UploadObject(Shape, frozen=True, kw_only=True):
    """An upload; its `file` once it is completed."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: FileObject | UnsetType = UNSET
