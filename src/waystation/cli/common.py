"""What the commands share: options, errors, output, settings and the data folder."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waystation.cli.words import say
from waystation.settings import Settings, load_settings

if TYPE_CHECKING:
    from waystation.cli.books import Books

PROBLEM, USAGE = 1, 2  # exit codes: it did not work; it was asked wrongly or the settings can't be used

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help=say("Data folder. Default: ~/.local/share/waystation.", "数据目录，默认 ~/.local/share/waystation。"),
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=say(
            "TOML file. Default: waystation.toml in the data folder, if there is one.",
            "TOML 配置文件，默认为数据目录中的 waystation.toml（如果存在）。",
        ),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help=say("Print JSON.", "以 JSON 输出。"))]


class CommandError(Exception):
    """A command that can't go on, in a sentence for who typed it, on standard error. `code` is the exit code."""

    def __init__(self, message: str, code: int = PROBLEM) -> None:
        super().__init__(message)
        self.code = code


def complain(message: str) -> None:
    """A line to standard error: what is printed there is for people, standard output is for scripts."""
    print(message, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def settings_of(config: Path | None, data: Path | None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings, with a line on standard error for each misspelt variable. Raises SettingsError."""
    settings = load_settings(config, data, os.environ, overrides)
    for warning in settings.warnings:
        complain(say("warning: ", "警告：") + warning)
    return settings


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only. What is made in it from now on by this process is so too."""
    os.umask(0o077)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(
            say(f"The data folder {folder} can't be made: {error}", f"无法创建数据目录 {folder}：{error}")
        ) from None


@contextmanager
def books(settings: Settings) -> Iterator["Books"]:
    """The accounts on the database, made if need be: beside a running server and before the first start."""
    # Imported here: SQLAlchemy takes longer to import than most commands take to run.
    from waystation.cli.books import Books

    make_folder(settings.data)
    opened = Books.open(settings.database_url)
    try:
        yield opened
    finally:
        opened.close()
