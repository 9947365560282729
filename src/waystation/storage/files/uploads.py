"""Verbs on uploads: files that come in parts, each a content of its own until `complete` makes one file of them."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace

from waystation.errors import ApiError, InvalidRequest, RequestTooLarge, ServiceUnavailable
from waystation.storage.files import store
from waystation.storage.files.contents import Contents, Incoming
from waystation.storage.files.model import (
    PART_BYTES_MAX,
    PARTS_MAX,
    UPLOAD_KNOWN_S,
    UPLOAD_LIFE_S,
    FileWanted,
    Part,
    StoredFile,
    Upload,
    check_parts,
    no_such_upload,
    place_of,
    storage_full,
)
from waystation.storage.files.service import SWEPT_MAX, Clock, Database, Files

_STATE_WORDS = {
    "completed": "has been completed",
    "cancelled": "was cancelled",
    "expired": "has expired: it lives for an hour",
}


class IncomingPart:
    def __init__(self, row: Part, content: Incoming) -> None:
        self.row = row
        self.content = content


class Uploads:
    """`new_id` is called in the loop's thread alone."""

    def __init__(
        self, clock: Clock, new_id: Callable[[str], str], database: Database, contents: Contents, files: Files
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._database = database
        self._contents = contents
        self._files = files

    async def create(self, project_id: str, wanted: FileWanted, mime_type: str, size_bytes: int) -> Upload:
        """Raises InvalidRequest, RequestTooLarge."""
        bounds = self._files.bounds
        if size_bytes > bounds.upload_bytes_max:
            raise RequestTooLarge(f"An upload may have {bounds.upload_bytes_max} bytes.", param="bytes")
        now, upload_id = self._clock.now_s(), self._new_id("upload_")
        upload = Upload(
            upload_id,
            project_id,
            wanted.purpose,
            wanted.filename,
            mime_type,
            size_bytes,
            "pending",
            None,
            wanted.expires_s,
            now,
            now + UPLOAD_LIFE_S,
        )

        def reserve(connection: Any) -> None:
            if store.project_bytes(connection, project_id, now) + size_bytes > bounds.project_bytes_max:
                raise storage_full(bounds)
            store.add_upload(connection, upload)

        await self._database.write(reserve, durable=True)
        return upload

    async def _get(self, project_id: str, upload_id: str) -> Upload:
        found = await self._database.read(partial(store.upload, project_id=project_id, upload_id=upload_id))
        if found is None:
            raise no_such_upload(upload_id)
        return found

    async def _pending(self, project_id: str, upload_id: str) -> Upload:
        upload = await self._get(project_id, upload_id)
        if (state := upload.state_at(self._clock.now_s())) != "pending":
            raise _not_pending(upload_id, state)
        return upload

    # -- parts

    async def begin_part(self, project_id: str, upload_id: str, size_declared: int) -> IncomingPart:
        """Raises NotFound, InvalidRequest, RequestTooLarge, ServiceUnavailable."""
        if size_declared > PART_BYTES_MAX:
            raise part_too_large()
        upload = await self._pending(project_id, upload_id)
        part_id = self._new_id("part_")
        part = Part(part_id, upload_id, -1, place_of("parts", part_id), self._clock.now_s())
        # A part that was sent again after a broken answer is there twice, so there is room for that.
        room = 2 * upload.size_bytes + PART_BYTES_MAX

        def reserve(connection: Any) -> None:
            count, size = store.parts_sum(connection, upload_id)
            if count >= PARTS_MAX or size >= room:
                raise InvalidRequest(
                    f"The upload {upload_id} has {count} parts of {size} bytes; more can't be added.", param="upload_id"
                )
            store.add_part(connection, part)

        await self._database.write(reserve)
        return IncomingPart(part, await self._contents.begin(part.place, PART_BYTES_MAX))

    async def keep_part(self, project_id: str, incoming: IncomingPart) -> Part:
        """Raises InvalidRequest where the upload has ended meanwhile, ServiceUnavailable."""
        content, part = incoming.content, incoming.row
        if content.size_bytes == 0:
            raise InvalidRequest("The part is empty.", param="data")
        await content.finish()
        now = self._clock.now_s()

        def publish(connection: Any) -> None:
            upload = store.upload(connection, project_id, part.upload_id)
            if upload is None or upload.state_at(now) != "pending":
                raise _not_pending(part.upload_id, "expired" if upload is None else upload.state_at(now))
            if not store.part_is_whole(connection, part.id, content.size_bytes):
                raise _not_pending(part.upload_id, "expired")

        await self._database.write(publish, durable=True)
        return replace(part, size_bytes=content.size_bytes)

    async def abandon_part(self, incoming: IncomingPart) -> None:
        """Nothing of it stays. What can't be removed now goes with the upload."""
        with suppress(ApiError):
            await incoming.content.abandon()
            await self._contents.remove(incoming.row.place)
            await self._database.write(partial(store.remove_parts, part_ids=[incoming.row.id]))

    # -- the end

    async def complete(
        self, project_id: str, upload_id: str, part_ids: list[str], md5: str | None
    ) -> tuple[Upload, StoredFile]:
        """One file of the parts, in this order. Raises NotFound, InvalidRequest, ServiceUnavailable: then it is pending still.

        Of several who complete it at once, one does; the others are told that it has been.
        """
        upload = await self._pending(project_id, upload_id)
        found = await self._database.read(partial(store.parts, upload_id=upload_id, rows_max=PARTS_MAX))
        parts = {part.id: part for part in found}
        check_parts(upload, part_ids, parts)
        incoming = await self._files.begin(project_id, 0, upload.purpose, upload.size_bytes)
        try:
            for part_id in part_ids:
                async for piece in self._contents.read(parts[part_id].place):
                    await incoming.content.feed(piece)
            if incoming.content.size_bytes != upload.size_bytes:
                raise ServiceUnavailable("The store gave less than it had taken. Try again.", retry_after_ms=1000)
            wanted = FileWanted(upload.purpose, upload.filename, upload.file_expires_s)
            file = await self._files.keep(incoming, wanted, md5=md5, also=partial(self._end, upload_id))
        except BaseException:
            await self._files.abandon(incoming)
            raise
        with suppress(ApiError):
            await self._forget_parts(upload_id)
        return replace(upload, status="completed", file_id=file.id), file

    def _end(self, upload_id: str, connection: Any, file: StoredFile) -> None:
        now = self._clock.now_s()
        if not store.end_upload(connection, upload_id, "completed", now, file.id):
            upload = store.upload(connection, file.project_id, upload_id)
            raise _not_pending(upload_id, "expired" if upload is None else upload.state_at(now))

    async def cancel(self, project_id: str, upload_id: str) -> Upload:
        """Raises NotFound, InvalidRequest."""
        upload = await self._pending(project_id, upload_id)
        end = partial(store.end_upload, upload_id=upload_id, status="cancelled", now=self._clock.now_s())
        if not await self._database.write(end, durable=True):
            raise _not_pending(upload_id, (await self._get(project_id, upload_id)).state_at(self._clock.now_s()))
        with suppress(ApiError):
            await self._forget_parts(upload_id)
        return replace(upload, status="cancelled")

    async def sweep(self, uploads_max: int = SWEPT_MAX) -> int:
        """End what is late, forget what ended long ago; how many those were. Raises ServiceUnavailable."""
        now = self._clock.now_s()
        late = await self._database.read(partial(store.uploads_late, now=now, rows_max=uploads_max))
        for upload_id in late:
            await self._forget_parts(upload_id)
            await self._database.write(partial(store.end_upload, upload_id=upload_id, status="expired", now=now))
        old = await self._database.read(partial(store.uploads_old, before=now - UPLOAD_KNOWN_S, rows_max=uploads_max))
        for upload_id in old:
            await self._forget_parts(upload_id)
            await self._database.write(partial(store.remove_upload, upload_id=upload_id))
        return len(late) + len(old)

    async def _forget_parts(self, upload_id: str) -> None:
        parts = await self._database.read(partial(store.parts, upload_id=upload_id, rows_max=PARTS_MAX))
        for part in parts:
            await self._contents.remove(part.place)
        await self._database.write(partial(store.remove_parts, part_ids=[part.id for part in parts]))


def part_too_large() -> RequestTooLarge:
    return RequestTooLarge(f"A part may have {PART_BYTES_MAX} bytes. Send more, smaller parts.", param="data")


def _not_pending(upload_id: str, state: str) -> InvalidRequest:
    words = _STATE_WORDS.get(state, "is not pending")
    return InvalidRequest(
        f"The upload {upload_id} {words}. Create a new one.", param="upload_id", code=f"upload_{state}"
    )
