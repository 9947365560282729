"""Four workers on one port: what holds for one worker holds for all of them together."""

import http.client
import json
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.conftest import gateway_config
from tests.e2e.moody_upstream import Moody
from tests.e2e.running import KNOWN_S, Running, Upstream, serving

WORKERS = 4
CONNECTIONS = 64  # that none of them reaches a given worker happens once in 10⁸ times
CLIENTS = 16
LOAD_S = 3.0  # before the kill, and again after it
BACK_S = 5.0
BOOKS_S = 5.0
CALL = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]})


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, moody: Moody) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("workers")
    config = folder / "waystation.toml"
    config.write_text(gateway_config(upstream, moody))
    with serving(folder / "data", config, workers=WORKERS) as running:
        yield running


@pytest.fixture
def connections(four: Running) -> Iterator[list[http.client.HTTPConnection]]:
    """So many that every worker has some, open for the whole test."""
    with ExitStack() as stack:
        made = [stack.enter_context(closing(connect(four))) for _ in range(CONNECTIONS)]
        for connection in made:
            connection.connect()
        wait(lambda: all(each["connections"] > 0 for each in shares(four)), 5, "a connection at each worker")
        yield made


def connect(server: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)


def status(connection: http.client.HTTPConnection, key: str) -> int:
    connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def statuses(connections: list[http.client.HTTPConnection], key: str) -> set[int]:
    return {status(connection, key) for connection in connections}


def shares(server: Running) -> list[dict[str, int]]:
    """What each gateway worker has counted; the jobs process has no connections."""
    told = [json.loads(path.read_bytes())["figures"] for path in (server.data / "workers").glob("*.json")]
    return [figures for figures in told if figures["workers"]]


def metric(server: Running, name: str) -> float:
    with closing(connect(server)) as connection:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    (value,) = [line.split()[1] for line in lines if line.split()[0] == name]
    return float(value)


def wait(look: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, f"no {what} within {seconds} s"
        time.sleep(0.02)


def test_a_new_key_works_at_once_and_a_revoked_one_is_refused_within_a_second_by_all_workers(
    four: Running, connections: list[http.client.HTTPConnection]
) -> None:
    made = json.loads(four.command("keys", "create", "--json").stdout)
    assert statuses(connections, made["key"]) == {200}
    four.command("keys", "revoke", made["id"])
    wait(lambda: statuses(connections, made["key"]) == {401}, KNOWN_S, "refusal by all")


def test_metrics_tell_of_all_workers_whichever_is_asked(
    four: Running, connections: list[http.client.HTTPConnection]
) -> None:
    before = metric(four, "waystation_calls_total")
    for connection in connections:
        connection.request("POST", "/v1/chat/completions", CALL, {"authorization": f"Bearer {four.key}"})
        assert connection.getresponse().read()
    wait(lambda: metric(four, "waystation_calls_total") == before + CONNECTIONS, 3, "sum of all workers' calls")
    assert metric(four, "waystation_workers") == WORKERS
    assert metric(four, "waystation_connections") >= CONNECTIONS


class Load:
    """Clients that call, on connections that they keep, until they are told to stop."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._stop = threading.Event()
        self.answered: list[str] = []  # request ids
        self.broken = 0  # calls whose connection broke
        self.refused: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        connection = connect(self._server)
        while not self._stop.is_set():
            try:
                connection.request(
                    "POST", "/v1/chat/completions", CALL, {"authorization": f"Bearer {self._server.key}"}
                )
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
            else:
                if answer.status == 200:
                    self.answered.append(str(answer.headers["x-request-id"]))
                else:
                    self.refused[answer.status] += 1
        connection.close()


@pytest.mark.slow
def test_a_worker_killed_under_load_is_back_and_every_answered_call_is_in_the_books_once(four: Running) -> None:
    victim, *others = four.current_worker_pids()
    with Load(four) as load:
        time.sleep(LOAD_S)
        counted = metric(four, "waystation_calls_total")
        os.kill(victim, signal.SIGKILL)
        wait(lambda: four.current_worker_pids()[0] != victim, BACK_S, "successor")
        assert metric(four, "waystation_calls_total") >= counted
        time.sleep(LOAD_S)
    assert four.current_worker_pids()[1:] == tuple(others)
    assert load.refused == {}
    assert 1 <= load.broken <= CLIENTS, "those of the killed worker, and nobody else's"
    wait(lambda: usage_rows(four.data).keys() >= set(load.answered), BOOKS_S, "row for each answered call")
    rows = usage_rows(four.data)
    assert max(rows.values()) == 1
    assert len(load.answered) == len(set(load.answered))
    assert four.command("ledger", "verify").returncode == 0
    print(f"{len(load.answered)} answered, {load.broken} broken, {len(rows)} rows")


def usage_rows(data: Path) -> Counter[str]:
    with closing(sqlite3.connect(f"file:{data / 'waystation.db'}?mode=ro", uri=True)) as database:
        return Counter(request_id for (request_id,) in database.execute("SELECT request_id FROM usage"))
