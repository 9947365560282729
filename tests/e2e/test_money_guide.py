"""The guide to money, run as it stands: every shell line in it, in order, on a server of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.running import Running, clean_environment, serving

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "money.md"
CONFIG = """
[engine]
enabled = false
[providers.none]
base_url = "http://127.0.0.1:9/v1"
[models.m]
provider = "none"
price = 0
"""
# As a reader's shell, but that a refused request ends it, and that the command is the one of this checkout.
PRELUDE = """
set -euo pipefail
curl() { command curl --fail-with-body "$@"; echo; }
waystation() { "$PYTHON" -m waystation "$@"; }
"""
TIMEOUT_S = 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    config = tmp_path / "waystation.toml"
    config.write_text(CONFIG)
    with serving(tmp_path / "data", config) as running:
        yield running


def test_every_line_of_the_guide_to_money_works(server: Running) -> None:
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) >= 6
    ids = things(server)
    done = subprocess.run(
        ["bash", "-c", PRELUDE + "".join(blocks)],
        env=clean_environment(
            {**ids, "PYTHON": sys.executable, "WAYSTATION_DATA": str(server.data), "OPENAI_BASE_URL": server.base_url}
        ),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    assert '"ok":true' in done.stdout
    assert done.stdout.rstrip().endswith("The books add up.")


def things(server: Running) -> dict[str, str]:
    """What the guide's variables stand for."""
    key = json.loads(server.command("keys", "create", "--admin", "--json").stdout)["key"]
    with httpx2.Client(base_url=server.base_url, headers={"authorization": f"Bearer {key}"}) as client:
        project = client.post("/organization/projects", json={"name": "Search"}).json()["id"]
        asked = {"scope": "project", "subject": project, "window": "day", "cap": "1"}
        limit = {"scope": "project", "subject": project, "max_requests_per_1_minute": 60}
        return {
            "PROJECT": project,
            "LIMIT": client.post("/waystation/rate_limits", json=limit).json()["id"],
            "BUDGET": client.post("/waystation/budgets", json=asked).json()["id"],
            "ORGANIZATION": client.post("/waystation/organizations", json={"name": "Yellow"}).json()["id"],
            "CODE": client.post("/waystation/credit/codes", json={"amount": "1"}).json()["data"][0]["code"],
        }
