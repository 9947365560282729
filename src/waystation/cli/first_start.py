"""What a data folder gets once: its secret key, the first project, an API key and an admin key; how they are shown."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from waystation.cli.common import CommandError, books, make_folder
from waystation.cli.words import say
from waystation.settings import Settings

SECRET_KEY_FILE = "secret.key"
SECRET_KEY_BYTES = 32
WIDTH = 78


class FirstKeys(NamedTuple):
    """The keys of a first start, to be shown once."""

    project: str
    key: str
    admin_key: str


def make_secret_key(data: Path) -> None:
    """The key that what is encrypted at rest is encrypted with. Made once, never overwritten, its owner's alone."""
    try:
        file = os.open(data / SECRET_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(file, "wb") as opened:
        opened.write(os.urandom(SECRET_KEY_BYTES))
        opened.flush()
        os.fsync(opened.fileno())


def first_start(settings: Settings) -> FirstKeys | None:
    """Prepare the data folder. The keys that were made, None when it had been started before.

    The secret key is made last: its presence says that all the rest is there, without opening the database.
    """
    make_folder(settings.data)
    secret_key = settings.data / SECRET_KEY_FILE
    if secret_key.exists():
        if secret_key.stat().st_size != SECRET_KEY_BYTES:
            raise CommandError(
                say(
                    f"{secret_key} is damaged: it must have {SECRET_KEY_BYTES} bytes. Restore it from a backup.",
                    f"{secret_key} 已损坏：应为 {SECRET_KEY_BYTES} 字节。请从备份恢复。",
                )
            )
        return None
    with books(settings) as accounts:
        _, project = accounts.first()
        made = None
        if not accounts.has_keys():
            key = accounts.create_key(None, "First key")
            made = FirstKeys(project.name, key.secret, accounts.create_admin_key("First admin key").secret)
    make_secret_key(settings.data)
    return made


def base_url(host: str, port: int) -> str:
    """The URL that a client on this machine uses."""
    if host in ("0.0.0.0", ""):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def keys_text(keys: FirstKeys, url: str, model: str) -> str:
    """The lines that are printed once. Nothing stands before or after what is to be pasted."""
    body = f'{{"model":"{model}","messages":[{{"role":"user","content":"{say("Say hello.", "你好！")}"}}]}}'
    return "\n".join(
        [
            "─" * WIDTH,
            say(
                f'First start. Project "{keys.project}" has a key now. It is shown only this once:',
                f"首次启动。项目“{keys.project}”的密钥已创建，仅显示这一次：",
            ),
            "",
            f"export OPENAI_BASE_URL={url}/v1",
            f"export OPENAI_API_KEY={keys.key}",
            "",
            say("Try it:", "试一试："),
            "",
            f"curl {url}/v1/chat/completions -H 'Content-Type: application/json' \\",
            f'  -H "Authorization: Bearer {keys.key}" \\',
            f"  -d '{body}'",
            "",
            say(
                "The admin key, for managing projects and keys; keep it safe:",
                "管理密钥，用于管理项目和密钥，请妥善保管：",
            ),
            "",
            f"export OPENAI_ADMIN_KEY={keys.admin_key}",
            "─" * WIDTH,
        ]
    )


def print_keys(keys: FirstKeys, url: str, model: str) -> None:
    print(keys_text(keys, url, model), file=sys.stdout, flush=True)
