"""Files that a chat or a response names by our id: their contents are put into the request before it goes anywhere.

Ids that aren't of our form are left alone, since a provider may know them. What is kept of the call still names the file.
"""

import base64
import mimetypes
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from waystation.errors import RequestTooLarge
from waystation.gateway.call import Call
from waystation.storage.files.model import StoredFile
from waystation.storage.files.service import is_ours
from waystation.terms import Dialect
from waystation.wire.bounds import decode_any
from waystation.wire.chat import read_chat

INLINE_BYTES_MAX = 32 * 1024 * 1024  # all files of a request together
FILES_MAX = 32
MARK = b'"file_id"'  # without it a body is not looked at: a search of the bytes costs next to nothing
_HOLDERS = ("messages", "input")


class Source(Protocol):
    async def content(self, project_id: str, file_id: str, bytes_max: int) -> tuple[StoredFile, bytes]: ...


class Inliner:
    def __init__(self, files: Source) -> None:
        self._files = files

    async def put_in(self, call: Call, project_id: str) -> None:
        """Change the call's body and request. Raises NotFound, RequestTooLarge, ServiceUnavailable, InvalidRequest."""
        if MARK not in call.body or call.dialect is Dialect.ANTHROPIC:
            return
        body = decode_any(call.body)
        if not isinstance(body, dict):
            return
        found = [part for name in _HOLDERS for part in _parts(body.get(name)) if _names_ours(part)]
        if not found:
            return
        if len(found) > FILES_MAX:
            raise RequestTooLarge(f"A request may name {FILES_MAX} files; this one names {len(found)}.")
        room, known = INLINE_BYTES_MAX, dict[str, tuple[str, str]]()
        for part in found:
            holder = part["file"] if part["type"] == "file" else part
            file_id = holder.pop("file_id")
            if file_id not in known:
                file, content = await self._files.content(project_id, file_id, room)
                known[file_id] = (file.filename, data_url(file.filename, content))
            room -= len(known[file_id][1]) * 3 // 4
            if room < 0:
                raise RequestTooLarge(f"The files of a request may have {INLINE_BYTES_MAX} bytes together.")
            _fill(part["type"], holder, *known[file_id])
        call.body = msgspec.json.encode(body)
        if call.dialect is Dialect.RESPONSES:
            call.request = replace(call.request, input=body["input"])
        else:
            call.request = read_chat(call.body)


def _parts(messages: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for message in messages if isinstance(messages, list) else ():
        for name in ("content", "output"):
            content = message.get(name) if isinstance(message, dict) else None
            found += [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return found


def _names_ours(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    holder = part.get("file") if kind == "file" else part if kind in ("input_file", "input_image") else None
    file_id = holder.get("file_id") if isinstance(holder, dict) else None
    return isinstance(file_id, str) and is_ours(file_id)


def _fill(kind: str, holder: dict[str, Any], filename: str, url: str) -> None:
    if kind == "input_image":
        holder["image_url"] = url
    else:
        holder["file_data"] = url
        if not holder.get("filename"):
            holder["filename"] = filename


def data_url(filename: str, content: bytes) -> str:
    media_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
