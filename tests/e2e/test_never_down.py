"""A route stays up while what it leads to does not: crowds, outages, refused keys. The figures are printed."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import SHOWN
from tests.e2e import served_stand as stand
from tests.e2e.money_client import Answer, call
from tests.e2e.running import Running, free_port, serving
from tests.e2e.served_stand import Faulty, faulty
from waystation.testing.faults_words import TEXT

pytestmark = pytest.mark.slow

CLIENTS, TOGETHER = 10_000, 200
FAILED_SHARE_MAX = 0.001
ATTEMPTS_MAX = 1.6
KINDS = ("status:503", "reset_before_head", "drop_mid:0", "html", "drop_mid:4", "error_mid:6")
SHARE = 0.3  # of all kinds together, each as often as the others

DOWN_CALLS, DOWN_TOGETHER = 600, 20
DOWN_P50_S, DOWN_ATTEMPTS_MAX, BACK_S = 1.0, 1.2, 10.0
STATIC = "We are back soon."

POOL_CALLS = 60


def shares() -> str:
    """Each is asked when those before were not hit, so their shares grow."""
    each = SHARE / len(KINDS)
    return ", ".join(f"share:{each / (1 - each * number):.5f}:{kind}" for number, kind in enumerate(KINDS))


@contextmanager
def crowded(folder: Path, upstreams: int) -> Iterator[tuple[Running, list[Faulty]]]:
    """A server whose model `m` has as many deployments as upstreams, all of which fail at times."""
    faulties = [faulty(folder, shares()) for _ in range(upstreams)]
    with faulties[0] as first:
        others = [one.__enter__() for one in faulties[1:]]
        try:
            tables = [stand.provider("p0", first.url), stand.model("m", "p0", prefill=True)]
            for number, other in enumerate(others, 1):
                tables.append(stand.provider(f"p{number}", other.url))
                tables.append(stand.deployment(f"d{number}", "m", f"p{number}", prefill=True))
            with serving(folder / "data", stand.written(folder, *tables)) as server:
                yield server, [first, *others]
        finally:
            for one in faulties[1:]:
                one.__exit__(None, None, None)


async def crowd(server: Running, clients: int, together: int, name: str = "m") -> list[tuple[Answer, float]]:
    """So many calls, every second one streamed."""
    gate = asyncio.Semaphore(together)

    async def one(number: int) -> tuple[Answer, float]:
        async with gate:
            began = time.monotonic()
            body = stand.chat(name, stream=bool(number % 2))
            answer = await call(server.url, server.key, str(number), body=body)
            return answer, time.monotonic() - began

    return await asyncio.gather(*map(one, range(clients)))


def is_well(answer: Answer) -> bool:
    return answer.whole and stand.error_of(answer) is None and stand.text_of(answer) == TEXT


@pytest.mark.parametrize("upstreams", [2, 1], ids=["two", "one"])
def test_a_crowd_hardly_notices_thirty_percent_of_faults(
    tmp_path: Path, upstreams: int, record_property: Callable[[str, object], None]
) -> None:
    with crowded(tmp_path, upstreams) as (server, faulties):
        began = time.monotonic()
        answers = [answer for answer, _ in asyncio.run(crowd(server, CLIENTS, TOGETHER))]
        took_s = time.monotonic() - began
        failed = [answer for answer in answers if not is_well(answer)]
        attempts = sum(one.calls() for one in faulties) / CLIENTS
        record_property(
            SHOWN,
            f"{upstreams} deployments, 30 % faults: {CLIENTS - len(failed)} of {CLIENTS} well, {attempts:.3f} attempts a call, "
            f"{took_s:.0f} s; failures {sorted({(answer.status, answer.code) for answer in failed})}",
        )
        assert len(failed) <= CLIENTS * FAILED_SHARE_MAX
        assert attempts <= ATTEMPTS_MAX
        stand.books_are_right(server)
        whole = [row for row in stand.rows(server).values() if row.status == "ok"]
        assert len(whole) == CLIENTS - len(failed)


@pytest.mark.parametrize("outage", ["refusing", "status:503"])
def test_an_outage_fails_fast_asks_little_and_ends_soon(
    tmp_path: Path, outage: str, record_property: Callable[[str, object], None]
) -> None:
    port = free_port()
    provider = stand.provider("p", f"http://127.0.0.1:{port}")
    laddered = [*stand.model("laddered", "p"), "[routes.laddered]", f'static = {{ en = "{STATIC}", zh = "{STATIC}" }}']
    with serving(tmp_path / "data", stand.written(tmp_path, provider, stand.model("m", "p"), laddered)) as server:
        if outage == "refusing":
            lines = [down(server, outage, None)]
            with faulty(tmp_path, "none", port):
                lines.append(back(server))
        else:
            with faulty(tmp_path, outage, port) as upstream:
                lines = [down(server, outage, upstream)]
                upstream.play("none")
                lines.append(back(server))
        stand.books_are_right(server)
        record_property(SHOWN, "\n".join(lines))


def down(server: Running, outage: str, upstream: Faulty | None) -> str:
    lines = []
    for name in ("m", "laddered"):
        before = 0 if upstream is None else upstream.told()["met"].get("status", 0)
        seen = asyncio.run(crowd(server, DOWN_CALLS, DOWN_TOGETHER, name))
        p50_s = statistics.median(took_s for _, took_s in seen)
        if upstream is None:
            attempts = sum(stand.attempts_of(answer) for answer, _ in seen) / DOWN_CALLS
        else:
            attempts = (upstream.told()["met"].get("status", 0) - before) / DOWN_CALLS
        lines.append(f"{outage}, {name}: p50 {p50_s * 1000:.1f} ms, {attempts:.3f} attempts a call")
        for answer, _ in seen:
            if name == "m":
                assert answer.status in (502, 503)
                assert answer.ended
            else:
                assert (answer.status, stand.text_of(answer)) == (200, STATIC)
                assert answer.headers["x-waystation-served-by"] == "static"
        assert p50_s <= DOWN_P50_S
        assert attempts <= DOWN_ATTEMPTS_MAX
    stand.until(lambda: stand.all_is_posted(server), stand.BOOKS_S, "every call's end")
    assert all(row.cost_nano == 0 for row in stand.rows(server).values())
    return "\n".join(lines)


def back(server: Running) -> str:
    took_s = stand.until(
        lambda: all(
            is_well(answer) for name in ("m", "laddered") for answer, _ in asyncio.run(crowd(server, 2, 1, name))
        ),
        BACK_S,
        "an answer after the outage",
    )
    return f"back after {took_s:.1f} s"


def test_a_pool_with_a_dead_key_and_a_dead_deployment_answers_every_call(tmp_path: Path) -> None:
    with faulty(tmp_path, "key:sk-dead:status:401, none") as upstream:
        pool = stand.provider("pool", upstream.url, api_key="sk-dead")
        for name in ("b", "c"):
            pool += ["[[providers.pool.credentials]]", f'name = "{name}"', f'api_key = "sk-{name}"']
        gone = stand.provider("gone", f"http://127.0.0.1:{free_port()}")
        tables = [pool, gone, stand.model("m", "pool"), stand.deployment("d", "m", "gone")]
        config = stand.written(tmp_path, *tables)
        with serving(tmp_path / "data", config, workers=2) as server:
            answers = [answer for answer, _ in asyncio.run(crowd(server, POOL_CALLS, 1))]
            assert [answer.status for answer in answers if not is_well(answer)] == []
            stand.until(lambda: dead_keys(server, config) == ["default"], 5, "the dead key being disabled")
            notices = json.loads(server.command("notices", "--json").stdout)
            assert [notice["kind"] for notice in notices] == ["credential_refused"]
            time_to_follow(server)
            refused = upstream.told()["met"]["status"]
            assert refused <= 2, "each worker at most once"
            answers = [answer for answer, _ in asyncio.run(crowd(server, POOL_CALLS, 8))]
            assert all(map(is_well, answers))
            assert upstream.told()["met"]["status"] == refused, "no worker shows it again"
            stand.books_are_right(server)


def dead_keys(server: Running, config: Path) -> list[str]:
    found = json.loads(server.command("credentials", "list", "--json", "--config", str(config)).stdout)
    return [each["name"] for each in found if each["disabled"]]


def time_to_follow(server: Running) -> None:
    """A change is with every worker within a second: what was made after it is, so it is too."""
    server.new_key("afterwards")
