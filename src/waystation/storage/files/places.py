"""Where contents are: a folder of this machine, or any store that fsspec knows (S3 and what speaks like it).

All of it blocks; `contents.py` runs it in threads. A place is a name such as "files/3f/file-…", made of ids. What is written
appears when it is committed, whole or not at all. Faults of the store are 503.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

from waystation.errors import ApiError, ServiceUnavailable

READ_BYTES = 1024 * 1024
BLOCK_BYTES = 8 * 1024 * 1024  # of a multipart upload to S3, which may have 10 000 of them
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ATTEMPTS_MAX = 5, 30, 2


class Sink(Protocol):
    """One content that is being written."""

    def write(self, data: bytes) -> None: ...
    def commit(self) -> None:
        """It is whole: it is there from now on, also after a power cut."""

    def discard(self) -> None:
        """Nothing of it stays. Raises nothing."""


class Places(Protocol):
    def create(self, place: str) -> Sink: ...
    def read(self, place: str) -> Iterator[bytes]: ...
    def remove(self, place: str) -> None:
        """Also what was never committed. It is no fault when nothing is there."""


@contextmanager
def store_faults() -> Iterator[None]:
    """Whatever a store raises, told as 503."""
    try:
        yield
    except ApiError:
        raise
    except FileNotFoundError as error:
        raise ServiceUnavailable(
            "The content of the file isn't in the store. An administrator looks at storage.url.",
            code="content_missing",
            detail=f"{type(error).__name__}: {error}"[:300],
        ) from error
    except Exception as error:
        raise ServiceUnavailable(
            "The store of files can't be used at the moment. Try again.",
            detail=f"{type(error).__name__}: {error}"[:300],
            retry_after_ms=1000,
        ) from error


def places_at(url: str, folder: Path) -> Places:
    """`url`: the setting storage.url; empty: the folder. Nothing is opened yet, and fsspec is not imported."""
    scheme = urlsplit(url).scheme
    if not url:
        return FolderPlaces(folder)
    if scheme in ("", "file"):
        return FolderPlaces(Path(url.removeprefix("file://")).expanduser())
    return FsspecPlaces(url)


# -- a folder


class FolderPlaces:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, place: str) -> Sink:
        with store_faults():
            return _FolderSink(self._folder / place)

    def read(self, place: str) -> Iterator[bytes]:
        with store_faults(), (self._folder / place).open("rb") as file:
            while data := file.read(READ_BYTES):
                yield data

    def remove(self, place: str) -> None:
        with store_faults():
            path = self._folder / place
            path.unlink(missing_ok=True)
            _unfinished(path).unlink(missing_ok=True)


class _FolderSink:
    """Written beside its name, then renamed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file = os.fdopen(os.open(_unfinished(path), flags, 0o600), "wb", buffering=0)

    def write(self, data: bytes) -> None:
        with store_faults():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]

    def commit(self) -> None:
        with store_faults():
            os.fsync(self._file.fileno())
            self._file.close()
            _unfinished(self._path).rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the name, too, is on the disk
            finally:
                os.close(folder)

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            _unfinished(self._path).unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".part")


# -- any other store


class FsspecPlaces:
    """`url`: such as s3://bucket/prefix. Credentials, region and endpoint are the standard variables of the store's SDK."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._opened: tuple[Any, str] | None = None

    def create(self, place: str) -> Sink:
        with store_faults():
            system, root = self._open()
            path = f"{root}/{place}"
            if "memory" in system.protocol:  # only there a folder has to be made
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
            return _FsspecSink(system.open(path, "wb", block_size=BLOCK_BYTES, autocommit=False))

    def read(self, place: str) -> Iterator[bytes]:
        with store_faults():
            system, root = self._open()
            with system.open(f"{root}/{place}", "rb", block_size=READ_BYTES, cache_type="readahead") as file:
                while data := file.read(READ_BYTES):
                    yield data

    def remove(self, place: str) -> None:
        with store_faults(), suppress(FileNotFoundError):
            system, root = self._open()
            system.rm_file(f"{root}/{place}")

    def _open(self) -> tuple[Any, str]:
        """The file system, made when it is first needed: its import alone takes longer than a start should."""
        with self._lock:
            if self._opened is None:
                from fsspec.core import url_to_fs

                system, root = url_to_fs(self._url, **_options(urlsplit(self._url).scheme))
                self._opened = (system, root.rstrip("/"))
            return self._opened


def _options(scheme: str) -> dict[str, Any]:
    if scheme not in ("s3", "s3a"):
        return {}
    timeouts = {"connect_timeout": CONNECT_TIMEOUT_S, "read_timeout": READ_TIMEOUT_S}
    return {
        "use_listings_cache": False,
        "skip_instance_cache": True,
        "config_kwargs": {**timeouts, "retries": {"max_attempts": ATTEMPTS_MAX}},
    }


class _FsspecSink:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        with store_faults():
            self._file.write(data)

    def commit(self) -> None:
        with store_faults():
            self._file.close()
            self._file.commit()

    def discard(self) -> None:
        with suppress(Exception):  # the store is away, perhaps: that is why
            self._file.discard()
        self._file.buffer = None
        self._file.closed = True  # else it would upload the rest when it is collected
