"""Responses in the background, with OpenAI's own client: polled, streamed, resumed, cancelled, and survived by their job."""

import json
import os
import random
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.running import Running, Upstream, fake_upstream, serving, waystation

WAIT_S = 30.0  # the supervisor waits longer after each death, 10 s at most
KILLS = 20
ENDED = ("completed", "failed", "cancelled", "incomplete")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """A provider whose answers take a while."""
    with fake_upstream(tmp_path_factory.mktemp("slow"), "--pace-ms", "40") as upstream:
        yield upstream


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, slow: Upstream, upstream: Upstream) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("background")
    lines = ["[engine]", "enabled = false"]
    for name, url in (("slow", slow.url), ("quick", upstream.url)):
        lines += [f"[providers.{name}]", f'base_url = "{url}/v1"', 'api_key = "sk-provider-key-Zq8xW3vN7tL2"']
        lines += [f'[models."{name}"]', f'provider = "{name}"']
        lines += ['price = { currency = "USD", input = "2.50", output = "10.00" }']
    config = folder / "waystation.toml"
    config.write_text("\n".join(lines) + "\n")
    with serving(folder / "data", config) as running:
        yield running


@pytest.fixture
def client(served: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=served.base_url, api_key=served.key, max_retries=0)


def until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {WAIT_S} s")


def ended(client: openai.OpenAI, response_id: str) -> Any:
    def look() -> Any:
        found = client.responses.retrieve(response_id)
        return found if found.status in ENDED else None

    return until(look)


def test_a_response_is_queued_at_once_and_found_answered_later(client: openai.OpenAI) -> None:
    queued = client.responses.create(model="quick", input="hi", background=True)
    assert (queued.status, queued.background, queued.output) == ("queued", True, [])
    answered = ended(client, queued.id)
    assert answered.status == "completed"
    assert answered.output_text.startswith("Once upon a time")
    assert answered.usage.total_tokens > 0


def test_its_stream_can_be_left_and_gone_on_with_from_any_event(client: openai.OpenAI) -> None:
    stream = client.responses.create(model="slow", input="hi", background=True, stream=True)
    seen: list[Any] = []
    for event in stream:
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    stream.close()
    assert [event.type for event in seen[:3]] == ["response.created", "response.queued", "response.in_progress"]
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number))
    assert [event.sequence_number for event in [*seen, *rest]] == list(range(len(seen) + len(rest)))
    assert rest[-1].type == "response.completed"
    text = "".join(event.delta for event in [*seen, *rest] if event.type == "response.output_text.delta")
    assert text == client.responses.retrieve(seen[0].response.id).output_text
    with client.responses.stream(model="quick", input="hi", background=True) as helped:
        assert helped.get_final_response().status == "completed"


def test_a_cancelled_response_ends_at_once_and_cancelling_again_changes_nothing(client: openai.OpenAI) -> None:
    stream = client.responses.create(model="slow", input="hi", background=True, stream=True)
    response_id = next(event.response.id for event in stream if event.type == "response.in_progress")
    assert client.responses.cancel(response_id).status == "cancelled"
    began = time.monotonic()
    assert "response.completed" not in [event.type for event in stream]
    assert time.monotonic() - began < 1.0
    assert client.responses.cancel(response_id).status == "cancelled"
    assert client.responses.retrieve(response_id).status == "cancelled"


def test_what_can_be_said_at_once_is_said_at_once(client: openai.OpenAI) -> None:
    done = client.responses.create(model="quick", input="hi")
    for ask, status in (
        (lambda: client.responses.create(model="no-such-model", input="hi", background=True), 404),
        (lambda: client.responses.create(model="quick", input="hi", background=True, store=False), 400),
        (lambda: client.responses.cancel(done.id), 400),
        (lambda: client.responses.cancel("resp_none"), 404),
        (lambda: client.responses.retrieve(done.id, stream=True), 400),
        (lambda: client.responses.retrieve("resp_none", stream=True), 404),
    ):
        with pytest.raises(openai.APIStatusError) as refused:
            ask()
        assert refused.value.status_code == status


def test_another_project_sees_nothing_of_it(served: Running, client: openai.OpenAI) -> None:
    mine = client.responses.create(model="quick", input="hi", background=True, stream=True)
    response_id = next(iter(mine)).response.id
    other = served.command("projects", "create", "other", "--json")
    project = json.loads(other.stdout)["id"]
    made = json.loads(served.command("keys", "create", "--project", project, "--json").stdout)
    theirs = openai.OpenAI(base_url=served.base_url, api_key=made["key"], max_retries=0)
    for ask in (
        lambda: theirs.responses.retrieve(response_id),
        lambda: theirs.responses.retrieve(response_id, stream=True),
        lambda: theirs.responses.cancel(response_id),
    ):
        with pytest.raises(openai.NotFoundError):
            ask()


@pytest.mark.slow
def test_the_jobs_process_killed_at_random_leaves_no_response_open_and_no_money_held(
    served: Running, client: openai.OpenAI
) -> None:
    chance = random.Random(7)
    made: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            with suppress(openai.RateLimitError):  # as many wait as may, while the supervisor waits too
                made.append(client.responses.create(model="slow", input="hi", background=True).id)
            time.sleep(0.3)

    asking = threading.Thread(target=ask)
    asking.start()
    killed: set[int] = set()
    for _ in range(KILLS):
        pid = until(lambda: _jobs_pid(served.data, killed))
        time.sleep(chance.uniform(0.0, 1.5))
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    over.set()
    asking.join()
    outcomes = [ended(client, response_id).status for response_id in made]
    assert set(outcomes) <= {"completed", "failed"}
    assert "completed" in outcomes
    until(lambda: "waystation_usage_pending 0.0" in _metrics(served))
    waystation("ledger", "verify", "--data", str(served.data))  # raises where the books don't add up, or money is held


def _metrics(served: Running) -> str:
    with urllib.request.urlopen(f"{served.url}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def _jobs_pid(data: Path, killed: set[int]) -> int | None:
    pid = json.loads((data / "server.json").read_bytes()).get("jobs_pid")
    return None if pid in killed else pid
