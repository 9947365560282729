"""The whole server killed in the middle of many responses in the background, again and again: all of them end, each paid once."""

import json
import os
import random
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import openai
import pytest

from tests.e2e.running import Running, fake_upstream, serving
from tests.e2e.served_stand import all_is_posted, until

ROUNDS, AT_ONCE = 2, 20
ENDED_S = 15.0
OVER = ("completed", "failed")


@pytest.mark.slow
def test_a_server_that_dies_as_a_whole_leaves_no_response_open_and_charges_none_twice(tmp_path: Path) -> None:
    chance = random.Random(11)
    made: list[str] = []
    with fake_upstream(tmp_path, "--pace-ms", "40") as upstream:
        config = _config(tmp_path, f"{upstream.url}/v1")
        for _ in range(ROUNDS):
            with serving(tmp_path / "data", config, workers=2) as server:
                _all_end(server, made)
                made += _asked(server)
                _some_begin(server, made)
                time.sleep(chance.uniform(0.0, 1.0))
                _kill_all(server)
            (tmp_path / "data" / "server.json").unlink()  # of the dead one: it has no url any more
        with serving(tmp_path / "data", config, workers=2) as server:
            outcomes = _all_end(server, made)
            until(lambda: all_is_posted(server), ENDED_S, "every call's end")
            server.command("ledger", "verify")
    assert len(made) == ROUNDS * AT_ONCE
    assert "failed" in outcomes, "none was under way when the server died"
    rows = _rows(tmp_path / "data")
    assert len(rows) == len(set(rows)) <= len(made)


def _asked(server: Running) -> list[str]:
    """Ids of those that were taken."""
    client = openai.OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0)

    def ask(number: int) -> str:
        if number % 2:
            return client.responses.create(model="slow", input="hi", max_output_tokens=200, background=True).id
        with client.responses.create(
            model="slow", input="hi", max_output_tokens=200, background=True, stream=True
        ) as events:
            return next(event.response.id for event in events if event.type == "response.created")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def _kill_all(server: Running) -> None:
    """At once, each being in a group of its own: none may tell another or end what it is at."""
    told = json.loads((server.data / "server.json").read_bytes())
    for pid in (server.pid, told["jobs_pid"], *told["worker_pids"]):
        os.kill(pid, signal.SIGKILL)


def _some_begin(server: Running, response_ids: list[str]) -> None:
    until(lambda: "in_progress" in _statuses(server, response_ids), ENDED_S, "the first being begun with")


def _statuses(server: Running, response_ids: list[str]) -> list[str]:
    client = openai.OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0)
    return [str(client.responses.retrieve(response_id).status) for response_id in response_ids]


def _all_end(server: Running, response_ids: list[str]) -> list[str]:
    until(lambda: set(_statuses(server, response_ids)) <= set(OVER), ENDED_S, "the end of what was begun before")
    return _statuses(server, response_ids)


def _rows(data: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{data / 'waystation.db'}?mode=ro", uri=True)) as database:
        return [str(row[0]) for row in database.execute("SELECT request_id FROM usage")]


def _config(folder: Path, base_url: str) -> Path:
    path = folder / "waystation.toml"
    path.write_text(
        f"""[engine]
enabled = false
[providers.slow]
base_url = "{base_url}"
api_key = "sk-provider-key-Zq8xW3vN7tL2"
[models.slow]
provider = "slow"
model = "words-100"
price = {{ currency = "USD", input = "2.50", output = "10.00" }}
"""
    )
    return path
