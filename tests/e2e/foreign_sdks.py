"""Ask another provider's SDK, in an environment of its own, by JSON; and our providers, on a socket, for what they tell."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.running import clean_environment
from tests.e2e.sdks import python_with

SIDES = Path(__file__).parent / "foreign"
SIDE_S = 60.0


def side(sdk: str, script: str, verb: str, given: Any) -> Any:
    """What the script of an SDK says to a verb. Fails with its traceback where it fails."""
    done = subprocess.run(
        [str(python_with(sdk)), str(SIDES / script)],
        input=json.dumps([verb, given]),
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=SIDE_S,
    )
    assert done.returncode == 0, f"{script} {verb} ended with {done.returncode}\n{done.stderr}"
    return json.loads(done.stdout)
