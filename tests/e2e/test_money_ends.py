"""How calls end that don't end well: clients leave, a project is archived, the disk is full. Each is charged once, and rightly."""

import asyncio
import random
import resource
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import SHOWN
from tests.e2e.money_client import Answer, body_of, call
from tests.e2e.money_stand import LONG, OUTPUT_NANO, Stand, Who, all_of, cost_of, money_stand, until

pytestmark = pytest.mark.slow

LEAVERS = 200
LONG_TOKENS = 400  # what the model LONG says
LEAST_SHARE = 0.95  # of what was sent to a client that left: so much is charged at least
LEAVE_AFTER = (100, LONG_TOKENS - 40)  # words; so that what is in flight when a client leaves is a small part of it
SEED = 20260816

Show = Callable[[str, object], None]


@pytest.mark.parametrize("drains", [False, True], ids=["cancel", "drain"])
def test_two_hundred_clients_that_leave_in_mid_stream_are_charged_for_what_was_sent(
    tmp_path: Path, drains: bool, record_property: Show
) -> None:
    async def story(stand: Stand) -> None:
        who, chance = stand.caller(drains=drains), random.Random(SEED)
        plans = {f"u{number:05d}": chance.randrange(*LEAVE_AFTER) for number in range(LEAVERS)}
        # The first count of a worker loads a vocabulary, for a third of a second in which nothing else is heard.
        await long_call(stand, stand.caller(), "before", 5)
        answers = await all_of([long_call(stand, who, user, leave_after) for user, leave_after in plans.items()])
        assert all(answer.left for answer in answers)
        await until(lambda: len(stand.metered()) == LEAVERS + 1, 30, "the upstream's last word of each call")
        await stand.quiet()
        assert Counter(row.end_user for row in stand.rows()) == Counter(["before", *plans])
        rows = {row.end_user or "": row for row in stand.rows() if row.end_user != "before"}
        metered = {user: stand.metered()[user] for user in plans}
        shares = {user: rows[user].output_tokens / metered[user].sent_tokens for user in plans}
        received = sum(answer.body.count(b'"content"') for answer in answers)
        sent = sum(reading.sent_tokens for reading in metered.values())
        charged = sum(row.output_tokens for row in rows.values())
        record_property(
            SHOWN,
            f"{LEAVERS} clients left, project {'drains' if drains else 'cancels'}: they had {received} tokens, "
            f"{sent} were sent, {charged} are charged; the least share of a call {min(shares.values()):.3f}; "
            f"{dict(Counter(row.status for row in rows.values()))}",
        )
        if drains:
            assert {(row.status, row.estimated) for row in rows.values()} == {("ok", 0)}
            assert {user: row.cost_nano for user, row in rows.items()} == {u: cost_of(metered[u]) for u in plans}
        else:
            assert {row.status for row in rows.values()} == {"cancelled"}
            assert min(shares.values()) >= LEAST_SHARE
            assert max(reading.sent_tokens for reading in metered.values()) < LONG_TOKENS
            assert charged <= sent
        stand.verify()

    with money_stand(tmp_path, 1, pace_ms=15, think_ms=0) as running:
        asyncio.run(story(running))


async def long_call(stand: Stand, who: Who, user: str, leave_after: int | None = None) -> Answer:
    body = body_of(user, stream=True, model=LONG, max_tokens=1_000)
    return await call(stand.url, who.key, user, body=body, leave_after=leave_after)


def test_an_archived_project_is_refused_and_its_open_calls_are_settled(tmp_path: Path) -> None:
    async def story(stand: Stand) -> None:
        who = stand.caller()
        stand.budget(who, "project", who.project_id, 1_000 * LONG_TOKENS * OUTPUT_NANO)
        calls = [asyncio.create_task(long_call(stand, who, f"u{number:05d}")) for number in range(20)]
        await until(lambda: len(stand.dispatched()) == 20, 10, "all calls under way")
        await asyncio.to_thread(stand.archive, who.project_id)
        assert not any(each.done() for each in calls)
        refused = await all_of([call(stand.url, who.key, f"r{number:05d}") for number in range(20)])
        assert {answer.status for answer in refused} == {401}
        answers = await all_of(calls)
        assert all(answer.whole for answer in answers)
        await stand.quiet()
        metered = stand.metered()
        assert {row.end_user: row.cost_nano for row in stand.rows()} == {
            answer.user: cost_of(metered[answer.user]) for answer in answers
        }
        assert len(stand.rows()) == 20
        await until(
            lambda: stand.query("SELECT sum(amount_nano) FROM allowances") in ([(0,)], [(None,)]), 10, "allowances back"
        )
        stand.verify()

    with money_stand(tmp_path, 4, pace_ms=15, think_ms=0) as running:
        asyncio.run(story(running))


# -- the disk


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[bool]:
    """A file system of its own, if this machine lets us mount one; else False."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "tmpfs", str(folder)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size_bytes in (65_536, 4_096, 1):
            try:
                while file.write(bytes(size_bytes)):
                    continue
            except OSError:
                continue
    return filler


@contextmanager
def full(stand: Stand, folder: Path, mounted: bool) -> Iterator[None]:
    """The disk is full. Where none can be mounted, no file of a worker may grow beyond what it has."""
    if mounted:
        filler = fill(folder)
        try:
            yield
        finally:
            filler.unlink()
        return
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in stand.server.current_worker_pids()}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


@pytest.mark.parametrize("place", ["journal", "everything"])
def test_a_full_disk_refuses_new_calls_settles_open_ones_and_is_over_when_there_is_space(
    tmp_path: Path, place: str, record_property: Show
) -> None:
    """`place`: what lies on the disk that fills up, the journal alone or the database and all else too."""
    folder = tmp_path / "data" / "journal" if place == "journal" else tmp_path / "data"

    async def story(stand: Stand, mounted: bool) -> None:
        who = stand.caller()
        stand.budget(who, "organization", who.organization_id, 10_000 * LONG_TOKENS * OUTPUT_NANO)
        calls = [asyncio.create_task(long_call(stand, who, f"u{number:05d}")) for number in range(30)]
        await until(lambda: len(stand.dispatched()) == 30, 10, "all calls under way")
        with full(stand, folder, mounted):
            refused, asked = await call_until_refused(stand, who)
            during = await all_of([call(stand.url, who.key, f"d{number:05d}") for number in range(40)])
            answers = await all_of(calls)
            assert all(answer.whole for answer in answers)
        began = time.monotonic()
        while not (after := await call(stand.url, who.key, "after0")).whole:
            assert time.monotonic() - began < 10, f"no answer since there is space: {after}"
            await asyncio.sleep(0.1)
        back_s = time.monotonic() - began
        await stand.quiet()
        every = [*answers, *asked, *during, after]
        whole = [answer for answer in every if answer.whole]
        rows, metered = {row.end_user or "": row for row in stand.rows()}, stand.metered()
        record_property(
            SHOWN,
            f"full disk ({place}, {'mounted' if mounted else 'limited files'}): {len(asked)} calls until the first refusal, "
            f"{sum(answer.status == 503 for answer in during)} of {len(during)} refused, all {len(answers)} open ones "
            f"settled, an answer {back_s:.1f} s after there was space",
        )
        assert refused.code == "service_unavailable"
        assert {answer.status for answer in (*during, *asked)} <= {200, 503}
        assert all(
            answer.wait_s > 0 and "retry-after" in answer.headers for answer in (refused, *during) if not answer.whole
        )
        assert len(stand.rows()) == len(whole) == len(stand.dispatched())
        assert {answer.user: rows[answer.user].cost_nano for answer in whole} == {
            answer.user: cost_of(metered[answer.user]) for answer in whole
        }
        stand.verify()

    with small_disk(folder, 12) as mounted, money_stand(tmp_path, 1, pace_ms=10, think_ms=5) as running:
        asyncio.run(story(running, mounted))


async def call_until_refused(stand: Stand, who: Who) -> tuple[Answer, list[Answer]]:
    """What was set aside may still be used up; then the disk is full for new calls."""
    asked: list[Answer] = []
    while len(asked) < 4_000:
        some = await all_of([call(stand.url, who.key, f"f{len(asked) + number:05d}") for number in range(20)])
        asked += some
        for answer in some:
            if answer.status == 503:
                return answer, asked
    raise AssertionError(f"no refusal: {Counter(answer.status for answer in asked)}")
