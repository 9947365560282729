"""Run a reader's script in a clean shell. Which scripts, and what they should print, is the tests' business."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.running import clean_environment

SAMPLES = Path(__file__).parent / "faq"
SCRIPT_S = 90.0


def run_script(command: list[str], environment: Mapping[str, str]) -> str:
    """Returns what it has printed. Fails with all of its output where it fails."""
    done = subprocess.run(
        command,
        env=clean_environment(environment),
        capture_output=True,
        encoding="utf-8",
        timeout=SCRIPT_S,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
