"""The commands from outside: what they print, where, and how they end."""

import stat
from pathlib import Path

import pytest

from tests.unit.cli.command import waystation
from waystation import __version__


@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["keys", "--help"], ["--help"], ["settings"]])
def test_what_only_tells_makes_nothing(arguments: list[str], tmp_path: Path) -> None:
    said = waystation(*arguments, home=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_one_line(tmp_path: Path) -> None:
    assert waystation("--version", home=tmp_path).out == f"waystation {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "serve"),
        (["keys", "creat"], "create"),
        (["keys", "create", "--projct", "x"], "--project"),
        (["serve", "--port", "http"], "--port"),
        (["serve", "--workers", "65"], "--workers"),
        (["keys", "create", "--admin", "--project", "x"], "An admin key has no project."),
        (["models", "add", "m", "--path", "x", "--price", "2.5"], "--price is '2.5'"),
        (["models", "add", "m", "--path", "x"], "Missing option '--price'"),
        (["models", "add", "m", "--path", "x", "--price", "input=-1,output=0"], "an amount looks like"),
        (["models", "add", "m", "--path", "x", "--price", "input=1,output=1,image=2"], "waystation prices set"),
        (["check", "--config", "gone.toml"], "there is no such file"),
    ],
)
def test_asking_wrongly_is_2_with_a_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    answer = waystation(*arguments, home=tmp_path)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["keys", "create", "--project", "Nope"], "There is no project 'Nope'"),
        (["keys", "revoke", "key_gone"], "There is no key 'key_gone'"),
        (["models", "add", "m", "--path", "gone.gguf", "--price", "0"], "No such file"),
        (["models", "add", "m", "--path", "/etc/hostname", "--price", "unmetered"], "is no GGUF file"),
        (["models", "remove", "m"], "There is no local model 'm'"),
        (["models", "pull", "qwen"], "No pinned model is called 'qwen'"),
        (["chat", "hi", "--base-url", "http://127.0.0.1:1/v1"], "Is the server running?"),
    ],
)
def test_what_does_not_work_is_1_with_a_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    answer = waystation(*arguments, home=tmp_path)
    assert answer.code == 1
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_keys_are_made_listed_and_revoked_without_a_server(tmp_path: Path) -> None:
    made = waystation("keys", "create", "--name", "ci", "--json", home=tmp_path).json
    admin = waystation("keys", "create", "--admin", "--json", home=tmp_path).json
    assert set(made) == {"id", "key"}
    assert made["key"].startswith("sk-")
    assert admin["key"].startswith("sk-admin-")
    assert len(made["key"]) == len(admin["key"]) == 51
    waystation("keys", "revoke", made["id"], home=tmp_path)
    listed = {key["id"]: key for key in waystation("keys", "list", "--json", home=tmp_path).json}
    assert listed[made["id"]]["name"] == "ci"
    assert listed[made["id"]]["revoked_at"] is not None
    assert listed[admin["id"]]["revoked_at"] is None
    assert made["key"] not in str(listed)
    data = tmp_path / ".local/share/waystation"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()} == {0o600}


def test_init_makes_the_keys_once(tmp_path: Path) -> None:
    first = waystation("init", "--json", home=tmp_path).json
    again = waystation("init", "--json", home=tmp_path).json
    assert first["made"] is True
    assert len(first["key"]) == len(first["admin_key"]) == 51
    assert again == {"data": first["data"], "made": False}
    assert (Path(first["data"]) / "secret.key").stat().st_size == 32


def test_first_keys_are_shown_with_lines_to_paste_in_the_locale_of_the_terminal(tmp_path: Path) -> None:
    said = waystation("init", home=tmp_path, environ={"LANG": "zh_CN.UTF-8"})
    assert "首次启动" in said.out
    lines = said.out.splitlines()
    assert "export OPENAI_BASE_URL=http://127.0.0.1:8080/v1" in lines
    assert any(line.startswith("export OPENAI_API_KEY=sk-") for line in lines)
    assert any(line.startswith("curl http://127.0.0.1:8080/v1/chat/completions") for line in lines)


def test_a_model_of_ones_own_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF" + bytes(64))
    price = "input=2.5,output=10,currency=CNY"
    added = waystation("models", "add", "mine", "--path", file, "--price", price, "--json", home=tmp_path)
    assert added.json == {"name": "mine", "path": str(file), "kind": "chat"}
    assert waystation("models", "add", "mine", "--path", file, "--price", "0", home=tmp_path).code == 1
    listed = waystation("models", "list", "--json", home=tmp_path).json
    assert {
        "name": "mine",
        "kind": "chat",
        "provider": "local",
        "path": str(file),
        "present": True,
        "price": {"currency": "CNY", "input": "2.5", "output": "10"},
        "price_source": "local model",
    } in listed
    assert waystation("models", "remove", "mine", home=tmp_path).code == 0
    assert file.exists()


@pytest.mark.parametrize(
    ("text", "stdin", "count"),
    [("你好世界", "", 2), ("-", "hello world", 2), ("FILE", "", 2), ("", "", 0), ("no/such/file.txt", "", 5)],
)
def test_tokens_are_those_of_the_text_the_file_or_the_input(text: str, stdin: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("hello world")
    said = waystation("tokens", str(file) if text == "FILE" else text, "--json", home=tmp_path, stdin=stdin)
    assert said.json == {"tokens": count, "encoding": "o200k_base", "model": "gpt-4o"}


def test_check_says_what_is_missing_and_what_is_wrong(tmp_path: Path) -> None:
    config = tmp_path / "w.toml"
    config.write_text('[models.mine]\npath = "gone.gguf"\nprice = 0\n')
    missing = waystation("check", "--config", config, "--json", home=tmp_path)
    assert missing.code == 1
    assert "gone.gguf" in missing.json["problems"][0]
    config.write_text('[models.mine]\npath = "gone.gguf"\n')
    wrong = waystation("check", "--config", config, "--json", home=tmp_path)
    assert wrong.code == 2
    assert "price is missing" in wrong.json["errors"][0]
    config.write_text('[providers.up]\nbase_url = "http://127.0.0.1:1/v1"\n[models.m]\nprovider = "up"\nprice = 0\n')
    assert "can't be reached" in waystation("check", "--config", config, home=tmp_path).err
    good = waystation("check", "--config", config, "--offline", home=tmp_path)
    assert (good.code, good.err) == (0, "")


def test_a_misspelt_variable_is_a_warning(tmp_path: Path) -> None:
    said = waystation("keys", "list", home=tmp_path, environ={"WAYSTATION_SERVER_PROT": "1"})
    assert said.code == 0
    assert "did you mean 'WAYSTATION_SERVER_PORT'?" in said.err


def test_the_books_of_a_new_folder_add_up(tmp_path: Path) -> None:
    assert waystation("ledger", "verify", "--json", home=tmp_path).json == {"ok": True, "problems": []}


def test_no_color_means_no_color(tmp_path: Path) -> None:
    said = waystation("--help", home=tmp_path, environ={"NO_COLOR": "1", "FORCE_COLOR": "", "TERM": "xterm-256color"})
    assert "\x1b[3" not in said.out
