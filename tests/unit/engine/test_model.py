"""The engine's pure rules."""

import os
from pathlib import Path

import pytest

from waystation.engine.model import (
    DEFAULT_CHAT_FILE,
    SOCKET_PATH_BYTES_MAX,
    ChildSpec,
    LocalModel,
    engine_origin,
    engine_socket,
    failures_after,
    make_private_folder,
    restart_delay_s,
)


def test_socket_lies_in_the_data_folder() -> None:
    assert engine_socket(Path("/srv/data"), "Qwen/2.5 Coder").parent == Path("/srv/data/run")


@pytest.mark.parametrize("length", range(60, 400, 20))
def test_socket_path_is_never_too_long(length: int) -> None:
    data = Path("/" + "数d" * (length // 4))
    path = engine_socket(data, "a model with a long name " * 4)
    assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX


def test_models_and_data_folders_have_sockets_of_their_own() -> None:
    long = Path("/" + "d" * 200)
    paths = {engine_socket(data, name) for data in (Path("/a"), long, long / "b") for name in ("x", "X", "y")}
    assert len(paths) == 9
    assert engine_origin(Path("/a"), "x").host == str(engine_socket(Path("/a"), "x"))


def test_folder_for_sockets_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    make_private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        make_private_folder(tmp_path / "run")


def test_first_death_is_forgiven_and_the_wait_grows_to_a_bound() -> None:
    delays = [restart_delay_s(failures) for failures in range(1, 12)]
    assert delays[:4] == [0, 0.5, 1, 2]
    assert delays[-1] == 30
    assert restart_delay_s(10_000) == 30


@pytest.mark.parametrize(("failures", "lived_s", "then"), [(0, 1, 1), (3, 2, 4), (7, 61, 1)])
def test_a_long_life_wipes_the_slate(failures: int, lived_s: float, then: int) -> None:
    assert failures_after(failures, lived_s) == then


def test_spec_travels_as_json() -> None:
    spec = ChildSpec(LocalModel("m", "chat", Path("/m.gguf")), "/run/s", 1, 2)
    assert ChildSpec.from_json(spec.to_json()) == spec


def test_default_model_is_pinned() -> None:
    assert len(bytes.fromhex(DEFAULT_CHAT_FILE.sha256)) == 32
    assert [source.name for source in DEFAULT_CHAT_FILE.sources] == ["huggingface", "modelscope", "packages"]
