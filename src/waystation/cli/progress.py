"""Pull a model's file and show how far it is: a bar in a terminal, elsewhere a line each tenth."""

import sys
from pathlib import Path

from waystation.cli.words import say
from waystation.engine.model import ModelFile
from waystation.engine.sources import present, pull

MEGABYTE = 1_000_000


def pull_with_progress(file: ModelFile, folder: Path) -> Path:
    """The file's path. Blocks. Raises ModelMissing."""
    if present(file, folder):
        return folder / file.file_name
    intro = say(
        f"Pulling {file.file_name} ({file.size_bytes // MEGABYTE} MB, {file.licence}) to {folder}",
        f"正在下载 {file.file_name}（{file.size_bytes // MEGABYTE} MB，{file.licence}）到 {folder}",
    )
    print(intro, file=sys.stderr, flush=True)
    return _with_bar(file, folder) if sys.stderr.isatty() else pull(file, folder, Tenths(file.file_name))


class Tenths:
    """A line each tenth: for logs, where a bar would be a thousand lines."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = 0

    def __call__(self, done: int, total: int, source: str) -> None:
        tenth = done * 10 // total
        if tenth > self._told:
            self._told = tenth
            print(f"{self._name}: {tenth * 10} % ({source})", file=sys.stderr, flush=True)


def _with_bar(file: ModelFile, folder: Path) -> Path:
    # Imported here: a tenth of a second that only a first start in a terminal spends.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(file.file_name, total=file.size_bytes)

        def progress(done: int, total: int, source: str) -> None:
            bar.update(task, completed=done, total=total, description=source)

        return pull(file, folder, progress)
