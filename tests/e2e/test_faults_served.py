"""Every fault that an upstream can have, in front of a real server: what the client gets, how long it takes, what the books say.

The table is played once, some calls at a time; each test looks at one row of it.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import served_stand as stand
from tests.e2e.money_client import Answer, call
from tests.e2e.running import Running, free_port, serving
from tests.e2e.served_stand import Faulty, Row, faulty
from waystation.testing.faults_words import INPUT_TOKENS, TEXT, WORDS

TOTAL_S, HANGS_S = 6, 0.4
SLACK_S = 2.0
"""Of a machine that is busy with other things."""
TOGETHER = 16
BEGIN = "".join(WORDS[:3])

FAILED, LATE, LIMITED = (502, "upstream_error"), (504, "upstream_timeout"), (429, "rate_limit_exceeded")
ERROR = {"upstream_error": 502, "upstream_timeout": 504}

# Nothing has come when these happen: nobody notices where another is there, and alone it is this error.
EARLY = {
    "refused": FAILED,
    "reset_accept": FAILED,
    "reset_before_head": FAILED,
    "reset_after_head": FAILED,
    "hang_accept": LATE,
    "hang_head": LATE,
    "hang_first_byte": LATE,
    "drop_mid:0": FAILED,
    "html": FAILED,
    "status:500": FAILED,
    "status:502": FAILED,
    "status:503": FAILED,
    "status:504": LATE,
    "status:529": FAILED,
    "status:401": FAILED,
    "limit:9000": LIMITED,
    "flapping": FAILED,
}
# A whole answer of which a part has come has not begun for its client; a stream has.
MIDWAY = {
    "hang_mid:3": LATE,
    "drop_mid:3": FAILED,
    "reset_mid:3": FAILED,
    "malformed:3": FAILED,
}
STREAM_ONLY = {"error_mid:3": FAILED, "no_finish": FAILED}
WHOLE_ONLY = {"length_short": FAILED, "length_long": FAILED}
HARMLESS = ("none", "split", "drip:5", "gzip", "http10", "duplicated", "usage_missing", "usage_wrong")

# These an upstream can't do for one model alone, so each has one of its own.
OWN = {"reset_accept": "reset_accept", "hang_accept": "hang_accept", "flapping": "flap:0:1000:status:503"}
OTHER = {  # of its own provider, in the next tier
    "prefill": True,
    "tier": 1,
}


@dataclass(frozen=True)
class Case:
    fault: str
    stream: bool
    alone: bool

    @property
    def name(self) -> str:
        words = (self.fault.replace(":", "-"), "stream" if self.stream else "whole", "alone" if self.alone else "other")
        return "-".join(words).replace("_", "-")

    @property
    def hangs(self) -> bool:
        return self.fault.startswith("hang")


BOTH = (False, True)
CASES = [
    *(Case(fault, stream, alone) for fault in (*EARLY, *MIDWAY, *HARMLESS) for stream in BOTH for alone in BOTH),
    *(Case(fault, True, alone) for fault in STREAM_ONLY for alone in BOTH),
    *(Case(fault, False, alone) for fault in WHOLE_ONLY for alone in BOTH),
]


@dataclass(frozen=True)
class Seen:
    answer: Answer
    took_s: float
    row: Row | None


@dataclass(frozen=True)
class Played:
    """The whole table, and how the server and its upstream stood before and after it."""

    server: Running
    upstream: Faulty
    seen: dict[str, Seen]
    files_before: int
    rows: dict[str, Row]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        well = stack.enter_context(faulty(folder))
        own = {fault: stack.enter_context(faulty(folder, script)).url for fault, script in OWN.items()}
        with serving(folder / "data", config(folder, well, own)) as server:
            asyncio.run(one(server, Case("none", True, True)))
            files_before = stand.files_open(server)
            seen = asyncio.run(all_of(server))
            stand.until(lambda: stand.all_is_posted(server), stand.BOOKS_S, "every call's end")
            rows = stand.rows(server)
            told = {name: Seen(*got, rows.get(got[0].request_id)) for name, got in seen.items()}
            yield Played(server, well, told, files_before, rows)


def config(folder: Path, well: Faulty, own: dict[str, str]) -> Path:
    """A model and a provider for each case, so that no breaker and no bucket of retries is shared."""
    tables = [stand.provider("well", well.url)]
    own = own | {"refused": f"http://127.0.0.1:{free_port()}"}
    for case in CASES:
        times = {"total_timeout_s": TOTAL_S}
        if case.hangs:
            times |= {"first_byte_timeout_s": HANGS_S, "idle_timeout_s": HANGS_S}
        tables.append(stand.provider(case.name, own.get(case.fault, well.url), **times))
        tables.append(stand.model(case.name, case.name, f"fault-{case.fault}"))
        if not case.alone:
            tables.append(stand.deployment(f"b-{case.name}", case.name, "well", **OTHER))
    return stand.written(folder, *tables)


async def all_of(server: Running) -> dict[str, tuple[Answer, float]]:
    gate = asyncio.Semaphore(TOGETHER)

    async def gated(case: Case) -> tuple[Answer, float]:
        async with gate:
            return await one(server, case)

    return dict(zip((case.name for case in CASES), await asyncio.gather(*map(gated, CASES)), strict=True))


async def one(server: Running, case: Case) -> tuple[Answer, float]:
    more = {"stream_options": {"include_usage": True}} if case.stream else {}
    began = time.monotonic()
    answer = await call(server.url, server.key, case.name, body=stand.chat(case.name, stream=case.stream, **more))
    return answer, time.monotonic() - began


def is_begun(case: Case) -> bool:
    """Whether its client has had some words when the fault comes."""
    return case.stream and (case.fault in MIDWAY or case.fault in STREAM_ONLY)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_a_client_gets_and_pays(played: Played, case: Case) -> None:
    seen = played.seen[case.name]
    answer = seen.answer
    assert answer.ended, "the answer's HTTP is whole, whatever its upstream did"
    assert seen.took_s < TOTAL_S + SLACK_S
    assert b"sk-upstream" not in answer.body
    assert b"<html" not in answer.body
    if case.fault in HARMLESS:
        is_whole(case, seen, attempts=1, rung="primary")
        usage_is_told(case, seen)
    elif case.alone and is_begun(case):
        is_broken_off(case, seen)
    elif case.alone:
        is_refused(case, seen)
    else:
        begun = is_begun(case)
        is_whole(case, seen, attempts=1 if begun else 2, rung="primary" if begun else "provider")
        is_charged(seen, estimated=begun)


def is_whole(case: Case, seen: Seen, *, attempts: int, rung: str) -> None:
    answer = seen.answer
    assert (answer.status, stand.error_of(answer)) == (200, None), answer.body
    assert stand.text_of(answer) == TEXT
    assert answer.done == case.stream
    assert len(stand.ids_of(answer)) == int(case.stream)
    assert (stand.attempts_of(answer), answer.headers["x-waystation-served-by"]) == (attempts, rung)
    where = f"b-{case.name}" if rung == "provider" else case.name
    assert where in answer.headers["x-waystation-deployment"]
    assert seen.row is not None
    assert seen.row.status == "ok"


def usage_is_told(case: Case, seen: Seen) -> None:
    if case.fault.startswith("usage"):
        assert seen.row is not None
        assert seen.row.estimated == 1
        assert seen.row.cost_nano > 0
    else:
        is_charged(seen, estimated=False)


def is_charged(seen: Seen, *, estimated: bool) -> None:
    """What was truly said. Of what is put together the count of what went out is ours, so it may be off by a little."""
    assert seen.row is not None
    if not estimated:
        assert seen.row == Row("ok", INPUT_TOKENS, len(WORDS), 0, stand.WHOLE_NANO)
    else:
        assert seen.row.estimated == 1
        assert seen.row.output_tokens == pytest.approx(len(WORDS), abs=6)
        assert seen.row.cost_nano == pytest.approx(stand.WHOLE_NANO, rel=0.5)


def is_refused(case: Case, seen: Seen) -> None:
    answer = seen.answer
    status, code = (EARLY | MIDWAY | STREAM_ONLY | WHOLE_ONLY)[case.fault]
    assert (answer.status, answer.code) == (status, code), answer.body
    assert 1 <= stand.attempts_of(answer) <= 7
    assert seen.row is None, "nothing came, so there is nothing to pay"
    if case.fault.startswith("limit"):
        assert 0 < int(answer.headers["retry-after-ms"]) <= 9000
        assert 0 < int(answer.headers["retry-after"]) <= 9
        assert stand.attempts_of(answer) == 1


def is_broken_off(case: Case, seen: Seen) -> None:
    answer = seen.answer
    said = TEXT if case.fault == "no_finish" else BEGIN
    assert (answer.status, stand.text_of(answer)) == (200, said)
    error = stand.error_of(answer)
    assert error is not None
    assert error["code"] == (MIDWAY | STREAM_ONLY)[case.fault][1]
    assert not answer.done
    assert seen.row is not None
    assert (seen.row.status, seen.row.estimated) == ("error", 1)
    assert 0 < seen.row.cost_nano <= stand.WHOLE_NANO * 2


def test_the_books_have_what_was_answered_and_nothing_else(played: Played) -> None:
    stand.books_are_right(played.server)
    paid = {seen.answer.request_id for seen in played.seen.values() if seen.row is not None}
    assert len(played.rows) == len(paid) + 1  # and the one that warmed it up


def test_nothing_is_left_open(played: Played) -> None:
    """An upstream's connections may stay for the next call; answers may not, nor what hangs."""
    stand.until(lambda: played.upstream.told()["answers"] == 0, 5, "the upstream's last answer")
    stand.until(lambda: stand.figures(played.server)["open_streams"] == 0, 5, "the last stream")
    stand.until(lambda: stand.figures(played.server)["connections"] <= 1, 5, "the last connection")
    kept = played.upstream.told()["connections"]
    assert stand.files_open(played.server) <= played.files_before + kept


def test_one_refused_key_of_a_pool_is_never_seen(tmp_path: Path) -> None:
    with faulty(tmp_path, "key:sk-bad:status:401, none") as upstream:
        pool = stand.provider("pool", upstream.url, api_key="sk-bad")
        pool += ["[[providers.pool.credentials]]", 'name = "good"', 'api_key = "sk-good"']
        with serving(tmp_path / "data", stand.written(tmp_path, pool, stand.model("m", "pool"))) as server:

            async def twelve() -> list[Answer]:
                return [await call(server.url, server.key, "u", body=stand.chat("m")) for _ in range(12)]

            answers = asyncio.run(twelve())
            assert [stand.text_of(answer) for answer in answers] == [TEXT] * 12
            assert sum(map(stand.attempts_of, answers)) == 13, "the bad one is asked once, and never again"
            notices = json.loads(server.command("notices", "--json").stdout)
            assert [notice["kind"] for notice in notices] == ["credential_refused"]
            assert "sk-bad" not in json.dumps(notices)
            stand.books_are_right(server)


def test_an_upstream_that_flaps_is_found_again(tmp_path: Path) -> None:
    with faulty(tmp_path) as upstream:
        made = stand.written(tmp_path, stand.provider("p", upstream.url), stand.model("m", "p"))
        with serving(tmp_path / "data", made) as server:

            async def several(count: int) -> list[int]:
                return [(await call(server.url, server.key, "u", body=stand.chat("m"))).status for _ in range(count)]

            for _ in range(2):
                assert asyncio.run(several(5)) == [200] * 5
                upstream.play("status:503")
                assert set(asyncio.run(several(10))) <= {502, 503}
                upstream.play("none")
                stand.until(lambda: asyncio.run(several(1)) == [200], 10, "an answer after it is well")
            stand.books_are_right(server)
