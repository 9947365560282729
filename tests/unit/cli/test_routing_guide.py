"""The example of the routing guide is loaded as it stands, in both languages, and does what the guide says."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.cli.command import waystation
from waystation.catalogue.resolve import Catalogue
from waystation.gateway.call import Call
from waystation.inventory import all_models, has_engine, traffic_problems
from waystation.settings import Settings, load_settings
from waystation.terms import ENGINE, Caller, Canary, Operation
from waystation.wire.chat import read_chat

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
KEYS = {"DEEPSEEK_API_KEY": "sk-1", "BAILIAN_KEY_A": "sk-2", "BAILIAN_KEY_B": "sk-3", "ABROAD_KEY": "sk-4"}
BEFORE, AFTER = 1_796_083_200, 1_803_859_200  # 2026-12-01, 2027-03-01


def example(page: str) -> str:
    (block,) = re.findall(r"```toml\n(.*?)```", (GUIDES / page).read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


def load(folder: Path, toml: str) -> Settings:
    file = folder / "waystation.toml"
    file.write_text(toml, encoding="utf-8")
    return load_settings(file, folder / "data", {"HOME": str(folder), **KEYS})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(tmp_path, example("routing.md"))


def test_both_languages_say_the_same() -> None:
    assert tomllib.loads(example("routing.md")) == tomllib.loads(example("routing.zh-CN.md"))


def test_the_example_is_good(settings: Settings) -> None:
    told = {problem.key for problem in traffic_problems(settings)}
    assert told == (set() if has_engine() else {"routes.chat.local"})
    assert [each.name for each in settings.providers["bailian"].credentials] == ["team-a", "team-b"]
    assert settings.providers["gpu"].allow_private_network


def test_check_finds_it_good_in_both_languages(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text(example("routing.md"), encoding="utf-8")
    said = waystation("check", "--offline", "--config", tmp_path / "w.toml", home=tmp_path, environ=KEYS)
    if has_engine():
        assert (said.code, said.err) == (0, "")
        assert "providers / models / deployments / routes: 4 / 4 / 5 / 5" in said.out
    wrong = example("routing.md").replace('"chat-2026-06", "coder"]', '"codr", "coder"]').replace("2.5", "250")
    (tmp_path / "w.toml").write_text(wrong, encoding="utf-8")
    unusable = waystation(
        "check", "--offline", "--config", tmp_path / "w.toml", home=tmp_path, environ={**KEYS, "LANG": "zh_CN.UTF-8"}
    )
    assert unusable.code == 2
    assert "routes.chat.canary.percent 为 250；必须在 0 到 100 之间" in unusable.err
    (tmp_path / "w.toml").write_text(wrong.replace("250", "25"), encoding="utf-8")
    missing = waystation("check", "--offline", "--json", "--config", tmp_path / "w.toml", home=tmp_path, environ=KEYS)
    assert missing.code == 1
    assert (
        "routes.chat.fallbacks[0] is 'codr', which no model has as its name; did you mean 'coder'?"
        in (missing.json["problems"])
    )


@pytest.mark.parametrize(
    ("asked", "at", "answers"),
    [
        ({"text": "Fix my code"}, BEFORE, "coder"),
        ({"text": "Hello"}, BEFORE, "chat"),
        ({"text": "Once upon a time " * 3_000}, BEFORE, "coder"),
        ({"model": "best"}, BEFORE, "coder"),
        ({"model": "gpt-4o", "user": "ada"}, BEFORE, "chat"),
        ({"model": "chat-2026-06"}, BEFORE, "chat-2026-06"),
        ({"model": "chat-2026-06"}, AFTER, "chat"),
    ],
    ids=["code", "chat", "long-and-cheap", "preferred", "alias", "deprecated", "retired"],
)
def test_calls_go_where_the_guide_says(settings: Settings, asked: dict[str, Any], at: int, answers: str) -> None:
    models = all_models(settings, [])
    assert models["chat"].route is not None
    assert models["chat"].route.canary == Canary("coder", 25)
    catalogue = Catalogue(models, lambda: at)
    body: dict[str, Any] = {
        "model": "auto",
        "messages": [{"role": "user", "content": asked.pop("text", "Hi")}],
        **asked,
    }
    data = msgspec.json.encode(body)
    call = Call(Operation.CHAT, "req_1", data, read_chat(data), None, {}, "", 0)
    model = catalogue.resolve(call, Caller("k", "p", "o"))
    assert (model.alias_of or model.name) == answers
    assert (b"x-waystation-model: " + answers.encode() in call.notes) is (body["model"] != answers)
    assert (b"deprecation: @" in call.notes) is (body["model"] == "chat-2026-06")


def test_stand_ins_come_in_the_order_of_the_guide(settings: Settings) -> None:
    model = all_models(settings, [])["chat"]
    names = [each.name for each in model.fallbacks]
    assert names == ["chat-2026-06", "coder", *(["qwen2.5-coder-0.5b-instruct"] if has_engine() else [])]
    if has_engine():
        assert model.fallbacks[-1].deployment.provider == ENGINE
    coder = all_models(settings, [])["coder"]
    assert [[each.name for each in tier] for tier in coder.tiers] == [["gpu/qwen3-coder-30b"], ["coder-at-bailian"]]
