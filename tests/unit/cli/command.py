"""Run a command as a person does, in a process of its own, and see what it says."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

TIMEOUT_S = 60


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def waystation(*arguments: str | Path, home: Path, stdin: str = "", environ: dict[str, str] | None = None) -> Said:
    """Run `waystation` with a home folder of its own and nothing else in the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "waystation", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": "src", "LANG": "C.UTF-8", **(environ or {})},
    )
    return Said(done.returncode, done.stdout, done.stderr)
