"""Puts files together: where contents are, how they are sealed, and the verbs on them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from waystation.storage.files.contents import Contents
from waystation.storage.files.model import FileBounds
from waystation.storage.files.places import places_at
from waystation.storage.files.service import Clock, Database, Files
from waystation.storage.files.uploads import Uploads
from waystation.storage.vault import Vault


class FileStorage(NamedTuple):
    contents: Contents
    files: Files
    uploads: Uploads


def open_files(
    clock: Clock,
    new_id: Callable[[str], str],
    database: Database,
    vault: Vault,
    url: str,
    folder: Path,
    bounds: FileBounds,
) -> FileStorage:
    """Nothing is read or made yet. `folder`: where contents are when `url` is empty."""
    contents = Contents(places_at(url, folder), vault)
    files = Files(clock, new_id, database, contents, bounds)
    return FileStorage(contents, files, Uploads(clock, new_id, database, contents, files))
