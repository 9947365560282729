"""Start the product and the fake upstream by command, as a user does. What they answer is the tests' business."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

START_S = 60.0
PULL_S = 900.0  # the first start of all may have to fetch the default model
STOP_S = 15.0
KNOWN_S = 1.0
COMMAND_S = 60.0
LOOK_EVERY_S = 0.05
LOG_LINES_SHOWN = 60


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    key: str
    data: Path
    pid: int
    worker_pids: tuple[int, ...]
    log: Path

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def current_worker_pids(self) -> tuple[int, ...]:
        """Those of now, by slot: a worker that died has a successor."""
        return tuple(json.loads((self.data / "server.json").read_bytes())["worker_pids"])

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`waystation …` on this server's data folder."""
        return waystation(*arguments, "--data", str(self.data))

    def new_key(self, name: str) -> tuple[str, str]:
        """Make a key beside the running server; returns its id and the key."""
        return _new_key(self.url, self.data, name)


@dataclass(frozen=True)
class Upstream:
    """A fake provider that answers."""

    url: str
    pid: int
    log: Path


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a new shell has: nothing that a developer has set for OpenAI or for us, but for the shared models folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "WAYSTATION_")) or name == "WAYSTATION_MODELS"
    }
    if threads := os.environ.get("WAYSTATION_TEST_ENGINE_THREADS"):
        kept["WAYSTATION_ENGINE_THREADS"] = threads
    # Answers are read in UTF-8 whatever the machine's locale; logs appear as they are written.
    return kept | {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def waystation(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. Raises with its output where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "waystation", *arguments],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    if done.returncode != 0:
        raise AssertionError(
            f"waystation {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done


@contextmanager
def serving(
    data: Path, config: Path | None = None, workers: int = 1, *, module: str = "waystation"
) -> Iterator[Running]:
    """`waystation serve` on a free port, from first answer to a clean end. `module`: what is run instead."""
    log = data.parent / f"{data.name}.log"
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--data", str(data)]
    if config is not None:
        arguments += ["--config", str(config)]
    if workers > 1:
        arguments += ["--workers", str(workers)]
    with started([sys.executable, "-m", module, *arguments], log) as process:
        wait_s = START_S if _model_is_here() else PULL_S
        told = wait_for(lambda: _told_by_all(data / "server.json", workers), wait_s, "server.json", process, log)
        url = str(told["url"])
        wait_for(lambda: _all_models_are_ready(url), wait_s, "every model being ready", process, log)
        _, key = _new_key(url, data, "tests")
        yield Running(url, key, data, process.pid, tuple(told["worker_pids"]), log)


@contextmanager
def fake_upstream(folder: Path, *options: str) -> Iterator[Upstream]:
    """The provider that the package ships for tests, with options of its command."""
    log = folder / "upstream.log"
    port = free_port()
    command = [sys.executable, "-m", "waystation.testing.upstream", "--port", str(port), *options]
    with started(command, log) as process:
        wait_for(lambda: listens(port), START_S, "the fake upstream", process, log)
        yield Upstream(f"http://127.0.0.1:{port}", process.pid, log)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def tail(log: Path) -> str:
    """The end of a log, for a failed test."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]) if log.exists() else "(no log)"


def _new_key(url: str, data: Path, name: str) -> tuple[str, str]:
    """Make a key beside a running server, which promises to know it within a second."""
    made = json.loads(waystation("keys", "create", "--data", str(data), "--name", name, "--json").stdout)
    until = time.monotonic() + KNOWN_S
    while not _accepts(url, made["key"]):
        assert time.monotonic() < until, f"a new key was not accepted within {KNOWN_S} s"
        time.sleep(LOOK_EVERY_S)
    return made["id"], made["key"]


@contextmanager
def started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, so that whatever it has started ends with it, also when it hangs."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{command[2]} did not stop within {STOP_S} s of SIGTERM\n{tail(log)}") from None
    finally:
        with suppress(ProcessLookupError):  # the whole group has gone, as it should
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(look: Callable[[], T | None], wait_s: float, what: str, process: subprocess.Popen[bytes], log: Path) -> T:
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode} before {what}\n{tail(log)}")
        if found := look():
            return found
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"no {what} within {wait_s} s\n{tail(log)}")


def _told_by_all(path: Path, workers: int) -> dict[str, Any] | None:
    """What server.json says as soon as it names all workers."""
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told if len(told["worker_pids"]) == workers else None


def _all_models_are_ready(url: str) -> bool:
    """/ready is 200 as soon as one model answers; the tests want them all."""
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:
            states = json.load(answer)["models"].values()
    except OSError:
        return False  # nobody listens yet, or 503
    return all(state in ("ready", "configured") for state in states)


def _accepts(url: str, key: str) -> bool:
    request = urllib.request.Request(f"{url}/v1/models", headers={"authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except urllib.error.HTTPError as refusal:
        if refusal.code != 401:
            raise
        return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _model_is_here() -> bool:
    folder = Path(os.environ.get("WAYSTATION_MODELS") or Path.home() / ".cache/waystation/models")
    return any(folder.glob("**/*.gguf"))
