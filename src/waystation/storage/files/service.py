"""Verbs on files: kept, listed, read, deleted, swept. The row is shown only when the content is whole, and goes before it.

An incoming file has a row that nobody is shown, made before the first byte is written; it becomes the file's own when the content
is committed. So whatever a process was doing when it died, `sweep` finds the content that has to go by the rows alone.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from waystation.errors import ApiError, ServiceUnavailable
from waystation.storage.files import store
from waystation.storage.files.contents import Contents, Incoming, too_large
from waystation.storage.files.json_lines import JsonLines
from waystation.storage.files.line_checks import checker_for
from waystation.storage.files.model import (
    BATCH_BYTES_MAX,
    INCOMING,
    INCOMING_LIFE_S,
    READY,
    FileBounds,
    FileWanted,
    StoredFile,
    no_such_file,
    place_of,
    storage_full,
)

T = TypeVar("T")

SWEPT_MAX = 500  # at once; the next sweep goes on


class Clock(Protocol):
    def now_s(self) -> int: ...


class Database(Protocol):
    async def read(self, fn: Callable[[Any], T]) -> T: ...
    async def write(self, fn: Callable[[Any], T], *, durable: bool = False) -> T: ...


class IncomingFile:
    """A file whose content is coming; its row is there and not shown. `abandon` what isn't kept."""

    def __init__(self, row: StoredFile, content: Incoming) -> None:
        self.row = row
        self.content = content


class Files:
    """`new_id` is called in the loop's thread alone."""

    def __init__(
        self, clock: Clock, new_id: Callable[[str], str], database: Database, contents: Contents, bounds: FileBounds
    ) -> None:
        self.bounds = bounds
        self._clock = clock
        self._new_id = new_id
        self._database = database
        self._contents = contents

    # -- a file comes in

    async def begin(
        self, project_id: str, size_declared: int, purpose: str | None, size_bytes_max: int | None = None
    ) -> IncomingFile:
        """`size_declared`: room is kept for so much meanwhile. `purpose`: where it is known already, its lines are checked
        as they come. Raises InvalidRequest, RequestTooLarge, ServiceUnavailable."""
        most = self.bounds.file_bytes_max if size_bytes_max is None else size_bytes_max
        if size_declared > most:
            raise too_large(most)
        now, file_id = self._clock.now_s(), self._new_id("file-")
        place = place_of("files", file_id)
        row = StoredFile(
            file_id, project_id, "", "", size_declared, b"", INCOMING, None, place, now, now + INCOMING_LIFE_S
        )

        def reserve(connection: Any) -> None:
            if store.project_bytes(connection, project_id, now) + size_declared > self.bounds.project_bytes_max:
                raise storage_full(self.bounds)
            store.add_file(connection, row)

        await self._database.write(reserve)
        try:
            content = await self._contents.begin(place, most, checker_for(purpose) if purpose is not None else None)
        except BaseException:
            with suppress(ApiError):
                await self._database.write(partial(store.remove_file, file_id=file_id))
            raise
        return IncomingFile(row, content)

    async def keep(
        self,
        incoming: IncomingFile,
        wanted: FileWanted,
        *,
        md5: str | None = None,
        also: Callable[[Any, StoredFile], None] | None = None,
    ) -> StoredFile:
        """All of it has come. `also`: what happens in the same transaction; what it raises undoes all.

        Raises InvalidRequest for lines that its purpose doesn't allow, ServiceUnavailable.
        """
        content = incoming.content
        if wanted.purpose == "batch" and content.size_bytes > BATCH_BYTES_MAX:
            raise too_large(BATCH_BYTES_MAX)
        await content.finish(md5)
        if content.check is None and (late := checker_for(wanted.purpose)) is not None:
            await self._check_kept(incoming.row.place, late)  # the purpose came after the file
        now = self._clock.now_s()
        file = replace(
            incoming.row,
            purpose=wanted.purpose,
            filename=wanted.filename,
            size_bytes=content.size_bytes,
            sha256=content.sha256,
            status=READY,
            created_at=now,
            expires_at=None if wanted.expires_s is None else now + wanted.expires_s,
        )

        def publish(connection: Any) -> None:
            if not store.publish_file(connection, file):
                raise ServiceUnavailable("The file took too long to arrive. Send it again.", retry_after_ms=1000)
            if also is not None:
                also(connection, file)
            elif store.project_bytes(connection, file.project_id, now) > self.bounds.project_bytes_max:
                raise storage_full(self.bounds)

        await self._database.write(publish, durable=True)
        return file

    async def abandon(self, incoming: IncomingFile) -> None:
        """Nothing of it stays. What can't be removed now is swept later."""
        with suppress(ApiError):
            await incoming.content.abandon()
            await self._contents.remove(incoming.row.place)
            await self._database.write(partial(store.remove_file, file_id=incoming.row.id))

    async def _check_kept(self, place: str, check: JsonLines) -> None:
        async for piece in self._contents.read(place):
            await self._contents.run(partial(check.feed, piece))
        await self._contents.run(check.finish)

    # -- what there is

    async def get(self, project_id: str, file_id: str) -> StoredFile:
        """Raises NotFound, also for what is another project's or has expired."""
        found = await self._database.read(
            partial(store.file, project_id=project_id, file_id=file_id, now=self._clock.now_s())
        )
        if found is None:
            raise no_such_file(file_id)
        return found

    async def page(
        self, project_id: str, after_id: str, rows_max: int, *, ascending: bool, purpose: str | None
    ) -> list[StoredFile]:
        return await self._database.read(
            partial(
                store.files_page,
                project_id=project_id,
                now=self._clock.now_s(),
                after_id=after_id,
                rows_max=rows_max,
                ascending=ascending,
                purpose=purpose,
            )
        )

    def read(self, file: StoredFile) -> AsyncGenerator[bytes]:
        """Its content, in pieces of about 1 MiB at most. Raises ServiceUnavailable."""
        return self._contents.read(file.place)

    async def content(self, project_id: str, file_id: str, bytes_max: int) -> tuple[StoredFile, bytes]:
        """A file that is small enough to be held whole. Raises NotFound, RequestTooLarge, ServiceUnavailable."""
        file = await self.get(project_id, file_id)
        if file.size_bytes > bytes_max:
            raise too_large(bytes_max)
        return file, b"".join([piece async for piece in self.read(file)])

    async def delete(self, project_id: str, file_id: str) -> StoredFile:
        """Raises NotFound. Where the store is away the content is swept later: the file is gone all the same."""
        file = await self.get(project_id, file_id)
        hide = partial(store.hide_file, file_id=file_id, now=self._clock.now_s())
        if not await self._database.write(hide, durable=True):
            raise no_such_file(file_id)
        with suppress(ServiceUnavailable):
            await self._remove(file_id, file.place)
        return file

    async def sweep(self, files_max: int = SWEPT_MAX) -> int:
        """Remove what has expired, was deleted or was left by who died; how many those were. Raises ServiceUnavailable."""
        past = await self._database.read(partial(store.files_past, now=self._clock.now_s(), rows_max=files_max))
        for file_id, place in past:
            await self._remove(file_id, place)
        return len(past)

    async def _remove(self, file_id: str, place: str) -> None:
        await self._contents.remove(place)
        await self._database.write(partial(store.remove_file, file_id=file_id))


def is_ours(file_id: str) -> bool:
    """Whether an id has the form of those that are made here; others may be known to a provider."""
    digits = file_id.removeprefix("file-")
    return len(digits) == 32 and digits != file_id and all(digit in "0123456789abcdef" for digit in digits)
