"""What dies comes back, and nothing is lost: the engine's child in mid-stream, the worker, a server that is told to stop."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.e2e.running import Running, serving
from waystation.engine.model import DEFAULT_CHAT_FILE

pytestmark = pytest.mark.slow

MODEL = DEFAULT_CHAT_FILE.model
BACK_S = 5.0  # a killed child answers again within this
BOOKS_S = 5.0
LONG = "Write a very long story about the sea and a ship. Do not stop early."


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Running:  # type: ignore[misc]
    """A server of our own: what is killed here nobody else is using."""
    with serving(tmp_path_factory.mktemp("kills") / "data") as running:
        yield running  # type: ignore[misc]


def client(server: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0)


def child_of(server: Running, model: str) -> int:
    """The process of a model's child."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"waystation.engine.child" in words:
            spec = json.loads(words[words.index(b"waystation.engine.child") + 1])
            if spec["model"]["name"] == model and spec["parent_pid"] == server.pid:
                return int(folder.name)
    raise AssertionError(f"no child of {model}")


def wait(look: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; returns how long it took."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < seconds, f"{what} took longer than {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def answers(server: Running) -> bool:
    """Whether a call is answered; when it is not, the refusal must say when to try again."""
    try:
        client(server).chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Say hi."}], max_tokens=2
        )
    except openai.InternalServerError as error:
        if error.status_code == 503 and error.response.headers["retry-after-ms"].isdigit():
            return False
        raise
    return True


def rows(server: Running, where: str) -> int:
    with closing(sqlite3.connect(f"file:{server.data / 'waystation.db'}?mode=ro", uri=True)) as database:
        (count,) = database.execute(f"SELECT count(*) FROM usage WHERE {where}").fetchone()
        return int(count)


def books_are_right(server: Running) -> None:
    assert server.command("ledger", "verify").returncode == 0


def test_a_killed_engine_is_back_within_five_seconds_and_its_answer_goes_on(own: Running) -> None:
    stream = client(own).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": LONG}],
        stream=True,
        temperature=0,
        max_tokens=200,
        user="killed-engine",
    )
    chunks = [next(stream) for _ in range(10)]
    os.kill(child_of(own, MODEL), signal.SIGKILL)
    died = time.monotonic()
    wait(lambda: answers(own), BACK_S, "an answer after the kill")
    print(f"back {time.monotonic() - died:.2f} s after the kill")
    chunks += list(stream)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].choices[0].finish_reason in ("length", "stop")
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    wait(lambda: rows(own, "end_user = 'killed-engine' AND status = 'ok'") == 1, BOOKS_S, "its row")
    assert rows(own, "end_user = 'killed-engine'") == 1
    books_are_right(own)


def test_a_killed_worker_comes_back_and_its_open_call_is_recovered(own: Running) -> None:
    stream = client(own).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": LONG}],
        stream=True,
        temperature=0,
        max_tokens=800,
        user="killed-worker",
    )
    next(stream)
    next(stream)
    (worker,) = json.loads((own.data / "server.json").read_bytes())["worker_pids"]
    os.kill(worker, signal.SIGKILL)
    wait(lambda: answers_again(own), BACK_S, "an answer after the kill")
    wait(lambda: rows(own, "end_user = 'killed-worker' AND status = 'recovered'") == 1, BOOKS_S, "the recovered row")
    books_are_right(own)


def keyed(server: Running, user: str, key: str, max_tokens: int) -> openai.Stream[ChatCompletionChunk]:
    return client(server).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": LONG}],
        stream=True,
        temperature=0,
        max_tokens=max_tokens,
        user=user,
        extra_headers={"Idempotency-Key": key},
    )


def test_a_killed_worker_loses_answers_with_a_key_once_and_never_makes_their_calls_again(own: Running) -> None:
    next(keyed(own, "killed-key", "killed", 800))
    (worker,) = json.loads((own.data / "server.json").read_bytes())["worker_pids"]
    os.kill(worker, signal.SIGKILL)
    wait(lambda: answers_again(own), BACK_S, "an answer after the kill")
    with pytest.raises(openai.ConflictError) as refused:
        keyed(own, "killed-key", "killed", 800)
    assert refused.value.code == "idempotency_answer_lost"
    wait(lambda: rows(own, "end_user = 'killed-key'") == 1, BOOKS_S, "the one row")
    books_are_right(own)


def test_a_client_that_leaves_a_call_with_a_key_comes_back_for_its_answer(own: Running) -> None:
    with keyed(own, "back-again", "back", 60) as left:
        beginning = [next(left).to_dict() for _ in range(5)]
    whole = [chunk.to_dict() for chunk in keyed(own, "back-again", "back", 60)]
    assert whole[:5] == beginning
    assert whole[-1]["choices"][0]["finish_reason"]  # type: ignore[index]
    wait(lambda: rows(own, "end_user = 'back-again' AND status = 'ok'") == 1, BOOKS_S, "the row")
    assert rows(own, "end_user = 'back-again'") == 1
    books_are_right(own)


def answers_again(server: Running) -> bool:
    try:
        return answers(server)
    except openai.APIConnectionError:
        return False


def test_a_server_that_is_told_to_stop_finishes_its_streams(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        stream = client(server).chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Count from one to thirty in words."}],
            stream=True,
            max_tokens=120,
            user="drained",
        )
        finish = None
        for number, chunk in enumerate(stream):
            if number == 3:
                os.kill(server.pid, signal.SIGTERM)
            finish = chunk.choices[0].finish_reason
        assert finish in ("stop", "length")
        wait(lambda: not (server.data / "server.json").exists(), BOOKS_S, "the server's end")
    assert rows(server, "end_user = 'drained' AND status = 'ok'") == 1
    assert not list((server.data / "journal").glob("*.journal")), "all is posted, so no journal is left"
    books_are_right(server)
