"""A gateway in front of a model that does what its user says; what a client is run with."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.e2e.running import Running, Upstream, clean_environment, serving
from waystation.testing.responses_directed import MODE

CLIENT_S = 90.0
MODELS = ("gpt-4o", "gpt-4o-mini")  # some clients know OpenAI's names only; their provider knows chats only
NATIVE_MODEL = "gpt-5-codex"  # its provider speaks the Responses API itself, and the model reasons


@pytest.fixture(scope="session")
def directed(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Running]:
    """Waystation whose models follow the directives of their prompts."""
    folder = tmp_path_factory.mktemp("directed")
    config = folder / "waystation.toml"
    lines = ["[engine]", "enabled = false", "[providers.fake]", f'base_url = "{upstream.url}/v1"', 'api_key = "sk-x"']
    for name in MODELS:
        lines += [f'[models."{name}"]', 'provider = "fake"', 'model = "directed"', 'price = "unmetered"']
    lines += ["[providers.native]", 'preset = "openai"', f'base_url = "{upstream.url}/v1"', 'api_key = "sk-upstream-x"']
    lines += [f'[models."{NATIVE_MODEL}"]', 'provider = "native"', f'model = "{MODE}"', 'price = "unmetered"']
    config.write_text("\n".join(lines) + "\n")
    with serving(folder / "data", config) as running:
        yield running


def run_client(
    command: list[str],
    running: Running,
    *,
    folder: Path | None = None,
    more: Mapping[str, str] | None = None,
    seconds: float = CLIENT_S,
) -> str:
    """What a program prints that finds the server where OpenAI's own programs look for it. Fails where it fails."""
    environment = {"OPENAI_BASE_URL": running.base_url, "OPENAI_API_KEY": running.key}
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(environment | dict(more or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
