"""What of files is a stream: a file or a part of an upload that comes in, and a content that goes out.

Memory stays bounded whatever the size: the form is read at the pace at which the store takes it (`http/multipart.py`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from waystation.errors import InvalidRequest, UnsupportedMediaType
from waystation.http.multipart import FORM_BYTES_MAX, Field, Opened, boundary_of, read_form
from waystation.http.plain import json_response
from waystation.http.v1.files import file_object
from waystation.http.v1.uploads import upload_id_of
from waystation.storage.files.model import StoredFile, checked_name, checked_purpose, no_such_file, wanted_of
from waystation.storage.files.service import Files, IncomingFile
from waystation.storage.files.uploads import IncomingPart, Uploads
from waystation.wire.complaint import unknown_parameter
from waystation.wire.files import UploadPartObject
from waystation.wire.listing import is_id

_FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
Page = Callable[[Request, str], Awaitable[Response]]


def pages(files: Files, uploads: Uploads) -> dict[str, Page]:
    """By method and path, as `http/access.py` has them; each is given the project whose key was shown."""

    async def create(request: Request, project_id: str) -> Response:
        try:
            return json_response(file_object(await _receive_file(request, project_id, files)))
        except ClientDisconnect:
            return _nobody()

    async def add_part(request: Request, project_id: str) -> Response:
        try:
            return json_response(await _receive_part(request, project_id, uploads))
        except ClientDisconnect:
            return _nobody()

    async def content(request: Request, project_id: str) -> Response:
        file_id = request.path_params["file_id"]
        if not is_id(file_id):
            raise no_such_file(file_id)
        file = await files.get(project_id, file_id)
        return await _send(file, files)

    return {
        "POST /files": create,
        "GET /files/{file_id}/content": content,
        "POST /uploads/{upload_id}/parts": add_part,
    }


def _nobody() -> Response:
    """The client left: nobody reads this."""
    return Response(status_code=400)


# -- in


async def _receive_file(request: Request, project_id: str, files: Files) -> StoredFile:
    fields: dict[str, str] = {}
    filename = ""
    incoming: IncomingFile | None = None
    declared = _declared(request)
    try:
        async with aclosing(_form(request, "file")) as events:
            async for event in events:
                if isinstance(event, bytes):
                    assert incoming is not None
                    await incoming.content.feed(event)
                elif isinstance(event, Field):
                    if event.name not in _FIELDS:
                        raise unknown_parameter(event.name)
                    fields[event.name] = event.value
                    if event.name == "purpose":
                        checked_purpose(event.value)
                else:
                    filename = checked_name(event.filename)
                    incoming = await files.begin(project_id, declared, fields.get("purpose"))
        if "purpose" not in fields:
            raise InvalidRequest(
                "Missing required parameter: 'purpose'.", param="purpose", code="missing_required_parameter"
            )
        if incoming is None:
            raise InvalidRequest("Missing required parameter: 'file'.", param="file", code="missing_required_parameter")
        return await files.keep(incoming, wanted_of(fields, filename))
    except BaseException:
        if incoming is not None:
            await files.abandon(incoming)
        raise


async def _receive_part(request: Request, project_id: str, uploads: Uploads) -> UploadPartObject:
    upload_id = upload_id_of(request.path_params)
    incoming: IncomingPart | None = None
    declared = _declared(request)
    try:
        async with aclosing(_form(request, "data")) as events:
            async for event in events:
                if isinstance(event, bytes):
                    assert incoming is not None
                    await incoming.content.feed(event)
                elif isinstance(event, Opened):
                    incoming = await uploads.begin_part(project_id, upload_id, declared)
                else:
                    raise unknown_parameter(event.name)
        if incoming is None:
            raise InvalidRequest("Missing required parameter: 'data'.", param="data", code="missing_required_parameter")
        part = await uploads.keep_part(project_id, incoming)
        return UploadPartObject(id=part.id, created_at=part.created_at, upload_id=part.upload_id)
    except BaseException:
        if incoming is not None:
            await uploads.abandon_part(incoming)
        raise


def _form(request: Request, file_field: str) -> Any:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType("A form with a file is sent as it is, without a content-encoding.")
    return read_form(request.stream(), boundary_of(request.headers.get("content-type", "")), file_field)


def _declared(request: Request) -> int:
    """About how large the file will be; 0 where the request does not say."""
    length = request.headers.get("content-length", "")
    return max(0, int(length) - FORM_BYTES_MAX) if length.isascii() and length.isdigit() else 0


# -- out


async def _send(file: StoredFile, files: Files) -> Response:
    content = files.read(file)
    # The first piece is read before the head is sent: a store that is away can still be told as an error.
    first = await anext(content, b"")

    async def pieces() -> AsyncIterator[bytes]:
        async with aclosing(content):
            yield first
            async for piece in content:
                yield piece

    headers = {
        "content-disposition": disposition(file.filename),
        "content-length": str(file.size_bytes),
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
    }
    return StreamingResponse(pieces(), headers=headers, media_type="application/octet-stream")


def disposition(filename: str) -> str:
    """A name in a header (RFC 6266): a plain one for old clients, and all of it percent-encoded."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
