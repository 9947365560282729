"""Which local models an installation has, and which of their files can be used."""

from pathlib import Path

import pytest

from waystation.engine.model import DEFAULT_CHAT_FILE, EMBEDDING_MODEL
from waystation.inventory import Added, check_gguf, first_model, is_there, local_models
from waystation.settings import Settings, load_settings
from waystation.wire.gguf import NotGguf

CONFIG = """
[providers.up]
base_url = "http://up.example/v1"
[models.far]
provider = "up"
price = 0
[models.mine]
path = "mine.gguf"
price = 0
context_tokens_max = 2048
"""


def settings(tmp_path: Path, toml: str = "", **environ: str) -> Settings:
    (tmp_path / "waystation.toml").write_text(toml)
    return load_settings(None, tmp_path, {"WAYSTATION_MODELS": str(tmp_path), **environ})


def test_built_in_configured_and_added_models_are_all_there(tmp_path: Path) -> None:
    models = local_models(settings(tmp_path, CONFIG), [Added("own", "/m/own.gguf", "chat")])
    assert set(models) == {EMBEDDING_MODEL.name, DEFAULT_CHAT_FILE.model, "mine", "own"}
    assert models["mine"].path == tmp_path / "mine.gguf"
    assert models["mine"].context_tokens == 2048


def test_what_was_added_wins_over_what_is_built_in(tmp_path: Path) -> None:
    models = local_models(settings(tmp_path), [Added(DEFAULT_CHAT_FILE.model, "/m/own.gguf", "chat")])
    assert models[DEFAULT_CHAT_FILE.model].path == Path("/m/own.gguf")


def test_an_engine_that_is_off_has_no_models(tmp_path: Path) -> None:
    assert local_models(settings(tmp_path, CONFIG, WAYSTATION_ENGINE_ENABLED="off"), []) == {}


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"", "is no GGUF"), (b"PK\3\4", "is no GGUF")])
def test_a_file_that_is_no_model_is_not_used(content: bytes | None, said: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "mine.gguf").write_bytes(content)
    with pytest.raises(NotGguf, match=said):
        check_gguf(tmp_path / "mine.gguf")
    configured = settings(tmp_path, CONFIG)
    assert not is_there(local_models(configured, [])["mine"], configured)


def test_another_file_in_the_pinned_ones_place_is_not_used(tmp_path: Path) -> None:
    (tmp_path / DEFAULT_CHAT_FILE.file_name).write_bytes(b"GGUF but another")
    configured = settings(tmp_path)
    assert not is_there(local_models(configured, [])[DEFAULT_CHAT_FILE.model], configured)


@pytest.mark.parametrize(("toml", "name"), [("", DEFAULT_CHAT_FILE.model), (CONFIG, "far")])
def test_examples_name_a_model_that_is_there(toml: str, name: str, tmp_path: Path) -> None:
    assert first_model(settings(tmp_path, toml)) == name
