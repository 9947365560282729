"""English or Chinese: which one the terminal asks for. The sentences stand beside the commands that say them."""

import os
from collections.abc import Mapping


def is_chinese(environ: Mapping[str, str]) -> bool:
    """Whether the locale is Chinese; the first variable that is set decides, as POSIX has it."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return environ[name].lower().startswith("zh")
    return False


def say(english: str, chinese: str) -> str:
    """The sentence in the terminal's language."""
    return chinese if is_chinese(os.environ) else english
