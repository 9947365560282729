"""Sixteen streams at once while clients leave at random: afterwards everything is back as it was, and the books are right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import Running

ROOT = Path(__file__).parents[2]
SECONDS = 120


@pytest.mark.slow
def test_clients_that_leave_at_random_leave_nothing_behind(server: Running) -> None:
    options = [
        "--data",
        str(server.data),
        "--key",
        server.key,
        "--seconds",
        str(SECONDS),
        "--streams",
        "16",
        "--seed",
        "7",
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "soak.py"), *options],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
