"""Files and uploads: the nouns, and the rules for names, purposes and how long they live. Pure."""

import unicodedata
from collections.abc import Mapping

import msgspec

from waystation.errors import InvalidRequest, NotFound

MIB = 1024 * 1024
NAME_CHARS_MAX = 255
PART_BYTES_MAX = 64 * MIB
PARTS_MAX = 10_000
UPLOAD_LIFE_S = 3600
UPLOAD_KNOWN_S = 86_400  # so long after its end it is still told what became of it
INCOMING_LIFE_S = 86_400  # a file that isn't whole by then was left by a process that died
EXPIRES_S_LEAST, EXPIRES_S_MOST = 3600, 2_592_000
BATCH_LIFE_S = 2_592_000  # OpenAI: files with purpose=batch expire after 30 days by default
BATCH_BYTES_MAX = 200 * 1000 * 1000
MEDIA_TYPE_CHARS_MAX = 255

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
MADE_HERE = ("assistants_output", "batch_output", "fine-tune-results")  # nobody uploads these
READY = "processed"
INCOMING, DELETED = "incoming", "deleted"  # statuses of rows that nobody is shown
SHOWN = ("uploaded", "processed", "error")
# They turn the direction of what follows: a name with one is read as another than it is.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class FileBounds(msgspec.Struct, frozen=True):
    """How much may be kept, in bytes."""

    file_bytes_max: int  # sent in one request
    upload_bytes_max: int  # sent in parts
    project_bytes_max: int  # all files of a project together


class StoredFile(msgspec.Struct, frozen=True):
    """A file as its row has it."""

    id: str
    project_id: str
    purpose: str
    filename: str
    size_bytes: int
    sha256: bytes
    status: str
    status_details: str | None
    place: str
    created_at: int
    expires_at: int | None


class Upload(msgspec.Struct, frozen=True):
    """A file that comes in parts."""

    id: str
    project_id: str
    purpose: str
    filename: str
    mime_type: str
    size_bytes: int  # that it will have
    status: str  # "pending" | "completed" | "cancelled" | "expired"
    file_id: str | None
    file_expires_s: int | None
    created_at: int
    expires_at: int

    def state_at(self, now: int) -> str:
        return "expired" if self.status == "pending" and self.expires_at <= now else self.status


class Part(msgspec.Struct, frozen=True):
    """A part of an upload; `size_bytes` is -1 while it is not whole."""

    id: str
    upload_id: str
    size_bytes: int
    place: str
    created_at: int


class FileWanted(msgspec.Struct, frozen=True):
    """What is said of a file that is to be kept."""

    purpose: str
    filename: str
    expires_s: int | None  # after it was made; None: never


def no_such_file(file_id: str) -> NotFound:
    """OpenAI's words."""
    return NotFound(f"No such File object: {file_id[:80]}", param="id")


def no_such_upload(upload_id: str) -> NotFound:
    return NotFound(f"No such Upload object: {upload_id[:80]}", param="upload_id")


def place_of(kind: str, id_: str) -> str:
    """Where content is in the store: made of our ids alone. The folder in between keeps folders small."""
    return f"{kind}/{id_[-2:]}/{id_}"


def checked_purpose(purpose: str) -> str:
    """Raises InvalidRequest, in OpenAI's words."""
    if purpose in PURPOSES:
        return purpose
    if purpose in MADE_HERE:
        raise InvalidRequest(
            f"Files of purpose '{purpose}' are made by the platform; nobody uploads them.", param="purpose"
        )
    raise InvalidRequest(f"{purpose[:64]!r} is not one of {list(PURPOSES)} - 'purpose'", param="purpose")


def checked_name(name: str, param: str = "file") -> str:
    """A file's name without the folders before it. Raises InvalidRequest for one that would mislead or break something."""
    name = name.replace("\\", "/").rpartition("/")[2]
    if not name.strip() or name in (".", ".."):
        raise InvalidRequest("The file needs a name.", param=param, code="invalid_filename")
    if len(name) > NAME_CHARS_MAX:
        raise InvalidRequest(
            f"The file's name has {len(name)} characters; it may have {NAME_CHARS_MAX}.",
            param=param,
            code="invalid_filename",
        )
    for character in name:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _TURNING:
            raise InvalidRequest(
                f"The file's name has the character U+{ord(character):04X} in it, which isn't allowed. Rename the file.",
                param=param,
                code="invalid_filename",
            )
    return name


def checked_expiry(anchor: str | None, seconds: int | str | None, purpose: str) -> int | None:
    """How long a file lives, in seconds. Raises InvalidRequest."""
    if anchor is None and seconds is None:
        return BATCH_LIFE_S if purpose == "batch" else None
    if anchor != "created_at":
        raise InvalidRequest("Invalid 'expires_after[anchor]': it is 'created_at'.", param="expires_after[anchor]")
    if isinstance(seconds, str):
        seconds = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else None
    if seconds is None or not EXPIRES_S_LEAST <= seconds <= EXPIRES_S_MOST:
        raise InvalidRequest(
            f"Invalid 'expires_after[seconds]': it is a whole number from {EXPIRES_S_LEAST} to {EXPIRES_S_MOST}.",
            param="expires_after[seconds]",
        )
    return seconds


def wanted_of(fields: Mapping[str, str], filename: str) -> FileWanted:
    """What a form says of its file. Raises InvalidRequest."""
    purpose = checked_purpose(fields.get("purpose", ""))
    expires_s = checked_expiry(fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]"), purpose)
    return FileWanted(purpose, checked_name(filename), expires_s)


def checked_media_type(text: str) -> str:
    if not text.isascii() or not text.isprintable() or "/" not in text or len(text) > MEDIA_TYPE_CHARS_MAX:
        raise InvalidRequest("Invalid 'mime_type': it is a media type such as 'text/jsonl'.", param="mime_type")
    return text


def check_parts(upload: Upload, part_ids: list[str], parts: Mapping[str, Part]) -> None:
    """Whether these parts, in this order, make the whole. Raises InvalidRequest."""
    seen: set[str] = set()
    for part_id in part_ids:
        part = parts.get(part_id)
        if part is None or part.size_bytes < 0:
            raise InvalidRequest(
                f"The upload {upload.id} has no part {part_id[:80]!r}. Add it, or name the parts that were added.",
                param="part_ids",
            )
        if part_id in seen:
            raise InvalidRequest(f"The part {part_id!r} is named twice.", param="part_ids")
        seen.add(part_id)
    total = sum(parts[part_id].size_bytes for part_id in part_ids)
    if total != upload.size_bytes:
        raise InvalidRequest(
            f"The parts have {total} bytes together; the upload was created for {upload.size_bytes}.", param="part_ids"
        )


def storage_full(bounds: FileBounds) -> InvalidRequest:
    return InvalidRequest(
        f"The files of this project would be more than {bounds.project_bytes_max} bytes. Delete some, or have an "
        "administrator raise storage.project_bytes_max.",
        param="file",
        code="storage_limit_exceeded",
    )
