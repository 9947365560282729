"""The official Node SDK, unchanged, against the embedded models. What it asks is in node/core.js."""

from pathlib import Path

from tests.e2e.running import Running
from tests.e2e.scripts import run_script

CORE = Path(__file__).parent / "node" / "core.js"
PROMISES = 9


def test_node_sdk_keeps_every_promise(server: Running, node_environment: dict[str, str]) -> None:
    environment = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.key} | node_environment
    printed = run_script(["node", str(CORE)], environment)
    assert printed.count("kept:") == PROMISES, printed
