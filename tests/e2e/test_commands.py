"""The commands that the FAQ sends its readers to, beside a running server."""

import json
import subprocess
import sys
import urllib.request

from tests.e2e.running import COMMAND_S, Running, clean_environment, waystation

SAMPLE = "这是一段中文测试文本"
SAMPLE_TOKENS = 6  # tiktoken's own figure for gpt-4o
GOOD, PROBLEM = 0, 1


def doctor(server: Running, key: str) -> tuple[int, dict[str, bool | None]]:
    """The exit code, and for each step whether it went well."""
    done = subprocess.run(
        [sys.executable, "-m", "waystation", "doctor", "--base-url", server.base_url, "--json"],
        env=clean_environment({"OPENAI_API_KEY": key}),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    return done.returncode, {step["step"]: step["ok"] for step in json.loads(done.stdout)["steps"]}


def test_doctor_finds_nothing_wrong_with_a_good_key(server: Running) -> None:
    code, steps = doctor(server, server.key)
    assert code == GOOD
    assert len(steps) == 5
    assert all(steps.values()), steps


def test_doctor_names_the_step_that_fails(server: Running) -> None:
    code, steps = doctor(server, "sk-" + "w" * 48)
    assert code == PROBLEM
    assert steps["Key format"] is True
    assert steps["Network"] is True
    assert steps["Key state"] is False


def test_tokens_command_counts_as_tiktoken_does() -> None:
    told = json.loads(waystation("tokens", SAMPLE, "--model", "gpt-4o", "--json").stdout)
    assert told["tokens"] == SAMPLE_TOKENS
    assert told["encoding"] == "o200k_base"


def test_chat_command_answers_in_the_terminal(server: Running) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "waystation", "chat", "请原样重复：你好，世界！"],
        env=clean_environment({"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.key}),
        capture_output=True,
        encoding="utf-8",
        timeout=COMMAND_S,
    )
    assert done.returncode == GOOD, done.stderr
    assert "你好" in done.stdout


def test_a_key_works_as_soon_as_it_is_printed(gateway: Running) -> None:
    made = json.loads(gateway.command("keys", "create", "--json").stdout)
    request = urllib.request.Request(f"{gateway.base_url}/models", headers={"authorization": f"Bearer {made['key']}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200
