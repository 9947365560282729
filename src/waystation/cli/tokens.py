"""`waystation tokens TEXT|FILE|-`: how many tokens a text has, offline."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from waystation.cli.common import CommandError, ConfigOption, DataOption, JsonOption, books, print_json, settings_of
from waystation.cli.words import say
from waystation.inventory import Added, local_models
from waystation.metering.tokens import Tokenizers

MODEL_DEFAULT = "gpt-4o"
TEXT_BYTES_MAX = 64 * 1024 * 1024


def add_to(app: typer.Typer) -> None:
    app.command("tokens", help=say("Count the tokens of a text.", "统计文本的 token 数。"))(tokens)


def tokens(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT|FILE|-",
            help=say("A text, the name of a file, or - for standard input.", "文本、文件名，或 - 表示标准输入。"),
        ),
    ],
    model: Annotated[
        str, typer.Option(help=say("Count as this model does.", "按此模型的分词方式统计。"))
    ] = MODEL_DEFAULT,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    settings = settings_of(config, data)
    added: list[Added] = []
    if (settings.data / "waystation.db").exists():  # counting makes no data folder
        with books(settings) as accounts:
            added = [Added(made.name, made.path, made.kind) for made in accounts.local_models()]
    paths = {name: found.path for name, found in local_models(settings, added).items() if found.path is not None}
    count, encoding = Tokenizers(paths).count_tokens(read_text(text), model)
    if as_json:
        print_json({"tokens": count, "encoding": encoding, "model": model})
    else:
        print(count)


def read_text(text: str) -> str:
    """The text itself, or what the file or standard input says."""
    if text == "-":
        return _decoded(sys.stdin.buffer.read(TEXT_BYTES_MAX + 1), "-")
    try:
        is_file = Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a null character: it is a text
        is_file = False
    if not is_file:
        return text
    with Path(text).open("rb") as file:
        return _decoded(file.read(TEXT_BYTES_MAX + 1), text)


def _decoded(data: bytes, name: str) -> str:
    if len(data) > TEXT_BYTES_MAX:
        raise CommandError(
            say(f"{name} is larger than {TEXT_BYTES_MAX} bytes.", f"{name} 超过 {TEXT_BYTES_MAX} 字节。")
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(say(f"{name} is not UTF-8 text.", f"{name} 不是 UTF-8 文本。")) from None
