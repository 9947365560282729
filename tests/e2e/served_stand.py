"""Upstreams that fail, as processes, a server in front of them, and what its client and its books have to say."""

import json
import re
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.money_client import Answer
from tests.e2e.running import Running, free_port, listens, started, wait_for
from waystation.testing.faults_words import INPUT_TOKENS, WORDS

INPUT_NANO, OUTPUT_NANO = 2_500, 10_000
WHOLE_NANO = INPUT_TOKENS * INPUT_NANO + len(WORDS) * OUTPUT_NANO
UPSTREAM_KEY = "sk-upstream-0123456789abcdefghij"
BOOKS_S = 10.0
START_S = 20.0


@dataclass(frozen=True)
class Faulty:
    """`python -m waystation.testing.faults`."""

    url: str

    def told(self) -> dict[str, Any]:
        """What it has met and what is open there."""
        return self._ask(None)

    def play(self, script: str) -> None:
        self._ask(script.encode())

    def calls(self) -> int:
        """How many have reached it."""
        return sum(self.told()["met"].values())

    def _ask(self, script: bytes | None) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/told", data=script, timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
        return told


class Row(NamedTuple):
    """A call as the books have it."""

    status: str
    input_tokens: int
    output_tokens: int
    estimated: int
    cost_nano: int


@contextmanager
def faulty(folder: Path, script: str = "none", port: int | None = None) -> Iterator[Faulty]:
    port = port or free_port()
    log = folder / f"faults-{port}.log"
    command = [
        sys.executable,
        "-m",
        "waystation.testing.faults",
        "--port",
        str(port),
        "--script",
        script,
        "--seed",
        "1",
    ]
    with started(command, log) as running:
        wait_for(lambda: listens(port), START_S, "the faulty upstream", running, log)
        yield Faulty(f"http://127.0.0.1:{port}")


def provider(name: str, url: str, **settings: Any) -> list[str]:
    """Its table. Time-outs short enough for tests, long enough for a busy machine."""
    times = {"connect_timeout_s": 3, "first_byte_timeout_s": 10, "idle_timeout_s": 10, "total_timeout_s": 20}
    told = {"base_url": f"{url}/v1", "api_key": UPSTREAM_KEY} | times | settings
    return [f"[providers.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in told.items())]


def model(name: str, provider_name: str, upstream_model: str | None = None, **settings: Any) -> list[str]:
    told = {"provider": provider_name, "model": upstream_model or name} | settings
    price = f'price = {{ currency = "USD", input = "{INPUT_NANO / 1000}", output = "{OUTPUT_NANO / 1000}" }}'
    return [f'[models."{name}"]', *(f"{key} = {json.dumps(value)}" for key, value in told.items()), price]


def deployment(name: str, model_name: str, provider_name: str, **settings: Any) -> list[str]:
    told = {"model": model_name, "provider": provider_name, "upstream_model": "m"} | settings
    return [f'[deployments."{name}"]', *(f"{key} = {json.dumps(value)}" for key, value in told.items())]


def written(folder: Path, *tables: Sequence[str]) -> Path:
    path = folder / "waystation.toml"
    path.write_text("\n".join(["[engine]", "enabled = false", *(line for table in tables for line in table)]) + "\n")
    return path


def chat(model_name: str, *, stream: bool = False, **more: Any) -> bytes:
    asked = {"model": model_name, "messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": 50}
    return json.dumps(asked | ({"stream": True} if stream else {}) | more).encode()


# -- what a client has got


def datas(answer: Answer) -> list[dict[str, Any]]:
    """The JSON of each event of a stream."""
    lines = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def text_of(answer: Answer) -> str:
    """All that an answer says, whole or streamed, in any of the three forms."""
    if answer.streamed:
        return "".join(_added(data) for data in datas(answer))
    told = json.loads(answer.body)
    if "content" in told:
        return "".join(block["text"] for block in told["content"])
    return "".join(
        choice["message"]["content"] if "message" in choice else choice["text"] for choice in told["choices"]
    )


def error_of(answer: Answer) -> dict[str, Any] | None:
    """Of its body, or its last event."""
    last = (datas(answer) or [{}])[-1] if answer.streamed else json.loads(answer.body)
    found: dict[str, Any] | None = last.get("error")
    return found


def ids_of(answer: Answer) -> set[str]:
    return {str(data["id"]) for data in datas(answer) if "id" in data}


def attempts_of(answer: Answer) -> int:
    return int(answer.headers.get("x-waystation-attempts", "1"))


def _added(data: dict[str, Any]) -> str:
    if data.get("type") == "content_block_delta":
        return str(data["delta"].get("text", ""))
    choices = data.get("choices", ())
    return "".join(choice.get("text") or choice.get("delta", {}).get("content") or "" for choice in choices)


# -- what its books have, and what is open


def figures(server: Running) -> dict[str, float]:
    """/metrics of all workers, by name and label."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    found = (re.fullmatch(r'waystation_(\w+)(?:\{kind="(\w+)"\})? ([0-9.e+]+)', line) for line in lines)
    return {(one[2] or one[1]): float(one[3]) for one in found if one}


def all_is_posted(server: Running) -> bool:
    """No hold is open, and no settled call is on its way to the database."""
    now = figures(server)
    return now["hold"] == now["settle"] + now["void"] and now["usage_pending"] == 0


def rows(server: Running) -> dict[str, Row]:
    """All usage rows by request id."""
    path = server.data / "waystation.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        found = database.execute(f"SELECT request_id, {', '.join(Row._fields)} FROM usage").fetchall()
    return {request_id: Row(*row) for request_id, *row in found}


def files_open(server: Running) -> int:
    """Of its workers: sockets and files."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.current_worker_pids())


def books_are_right(server: Running) -> None:
    """Every call has ended, and `ledger verify` finds nothing."""
    until(lambda: all_is_posted(server), BOOKS_S, "every hold settled and posted")
    assert server.command("ledger", "verify").returncode == 0


def until(look: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; returns how long it took."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < seconds, f"{what} took longer than {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began
