"""How a secret comes into a command: from a file, from standard input or from a prompt; never from the command line itself,
which shells and process lists remember."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from waystation.cli.common import USAGE, CommandError
from waystation.cli.words import say

SECRET_FILE_BYTES_MAX = 64 * 1024

SecretFileOption = Annotated[
    str | None,
    typer.Option(
        "--secret-file",
        metavar="FILE|-",
        help=say(
            "File with the secret, - for standard input. Default: asked for, or standard input where nobody can be asked.",
            "存放密钥的文件，- 表示标准输入。默认提示输入；无法提示时读取标准输入。",
        ),
    ),
]


def read_secret(secret_file: str | None) -> str:
    """Without the line end. Raises CommandError."""
    if secret_file is None and sys.stdin.isatty():
        text = getpass.getpass(say("Secret (is not shown): ", "密钥（不会显示）："))
    elif secret_file in (None, "-"):
        text = sys.stdin.read(SECRET_FILE_BYTES_MAX)
    else:
        text = _of_file(Path(str(secret_file)))
    text = text.strip()
    if not text:
        raise CommandError(say("The secret is empty.", "密钥为空。"), code=USAGE)
    return text


def _of_file(path: Path) -> str:
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            return file.read(SECRET_FILE_BYTES_MAX)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(
            say(f"{path} can't be read: {type(error).__name__}", f"无法读取 {path}：{type(error).__name__}"), code=USAGE
        ) from None
