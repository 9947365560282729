"""`waystation serve` without models: from its first line to its end. With models it is `tests/e2e`'s."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.cli.command import waystation

START_TIMEOUT_S = 60
ENVIRON = {"WAYSTATION_ENGINE_ENABLED": "false"}


@contextmanager
def serving(home: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server in its own process, with all that it printed until it was ready."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": "src", "LANG": "C.UTF-8", **ENVIRON}
    with subprocess.Popen(
        [sys.executable, "-m", "waystation", "serve", "--port", "0"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=(home / "log").open("w"),
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            out, until = "", time.monotonic() + START_TIMEOUT_S
            while "Ready after" not in out:
                line = server.stdout.readline()
                assert line, (home / "log").read_text()
                assert time.monotonic() < until
                out += line
            yield server, out
        finally:
            server.kill()


def test_a_server_from_its_first_start_to_its_end(tmp_path: Path) -> None:
    data = tmp_path / ".local/share/waystation"
    with serving(tmp_path) as (server, out):
        told = json.loads((data / "server.json").read_text())
        assert told["pid"] == server.pid
        assert f"export OPENAI_BASE_URL={told['url']}/v1" in out.splitlines()
        assert re.search(r"^export OPENAI_API_KEY=sk-\w{48}$", out, re.MULTILINE)
        with urllib.request.urlopen(f"{told['url']}/health", timeout=10) as answer:
            assert answer.status == 200

        again = waystation("serve", "--port", "0", home=tmp_path, environ=ENVIRON)
        assert again.code == 1
        assert f"Another server (process {server.pid}) uses the data folder" in again.err

        port = told["url"].rpartition(":")[2]
        other = waystation("serve", "--port", port, "--data", tmp_path / "other", home=tmp_path, environ=ENVIRON)
        assert other.code == 1
        assert f"Port {port} on 127.0.0.1 is in use" in other.err
        assert other.out == ""  # no keys were made for a server that never was

        made = waystation("keys", "create", "--json", home=tmp_path)
        assert made.code == 0  # beside a running server

        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert not (data / "server.json").exists()
    with serving(tmp_path) as (server, out):
        assert "sk-" not in out  # keys are shown once
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
