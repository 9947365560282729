"""Workers are killed and clients leave, at any moment: of what the upstream has answered nothing is lost, nothing doubled."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import SHOWN
from tests.e2e.dying_server import DONE, taken_by, untaken
from tests.e2e.money_client import OUTPUT_TOKENS, Answer, body_of, call
from tests.e2e.money_stand import LONGEST, Row, Stand, Who, cost_of, money_stand, until

pytestmark = pytest.mark.slow

WORKERS = 4
KILLS = 200  # 50 of them at chosen steps, the others at random moments
CLIENTS = 24
STEP_S, STEPS_S, KILLS_S = 10.0, 120.0, 300.0
BETWEEN_KILLS_S = (0.1, 1.2)
SEED = 20260815

Show = Callable[[str, object], None]

# Where a worker dies, and how often it has come there by then: 50 in all.
STEPS = [
    (place, kind, count)
    for kind, counts in (("hold", (1, 7, 19)), ("settle", (1, 5, 17)), ("progress", (1, 6)), ("extend", (1, 2)))
    for place in ("before", "in", "after")
    for count in counts
] + [
    (place, kind, count)
    for kind, counts in (("post", (1, 2, 3)), ("posted", (1, 2)), ("take", (1, 2)), ("return", (1, 2)), ("swept", (1,)))
    for place in ("before", "in")
    for count in counts
]


class Load:
    """Clients that call, one call after the other, each with a name of its own, until they are told to stop."""

    def __init__(self, stand: Stand, who: Who) -> None:
        self.answers: list[Answer] = []
        self.asked = 0
        self._stand = stand
        self._who = who
        self._stop = False
        self._clients = [asyncio.create_task(self._client(random.Random(SEED + n))) for n in range(CLIENTS)]

    async def end(self) -> None:
        self._stop = True
        await asyncio.gather(*self._clients)

    async def _client(self, chance: random.Random) -> None:
        while not self._stop:
            self.asked += 1
            user = f"u{self.asked:06d}"
            kind = chance.choices(("whole", "stream", "long"), (5, 4, 1))[0]
            leave_after = chance.randrange(1, OUTPUT_TOKENS) if kind == "stream" and chance.random() < 0.1 else None
            if kind == "long":  # notes of progress; and a hold that has to be extended
                body = body_of(user, stream=True, model=LONGEST, max_tokens=8_000)
            else:
                body = body_of(user, stream=kind == "stream")
            answer = await call(self._stand.url, self._who.key, user, body=body, leave_after=leave_after)
            self.answers.append(answer)
            if not answer.status:
                await asyncio.sleep(0.05)


def test_two_hundred_kills_lose_no_usage_double_none_and_leave_no_hold(tmp_path: Path, record_property: Show) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    for number, (place, kind, count) in enumerate(random.Random(SEED).sample(STEPS, len(STEPS))):
        (steps / f"{place}-{kind}-{count}-{number:03d}").touch()

    async def story(stand: Stand) -> None:
        who = stand.caller()
        stand.budget(who, "organization", who.organization_id, 10**12)
        stand.budget(who, "key", who.key_id, 10**12)
        began = time.monotonic()
        load = Load(stand, who)
        at_steps = await die_at_steps(stand, steps)
        at_random = await kill_at_random(stand, KILLS - at_steps.total())
        await until(lambda: all_serve(stand), 30, "all workers serving")
        await load.end()
        seconds = time.monotonic() - began
        await stand.quiet()
        told = report(stand, load, seconds, at_steps, at_random)
        record_property(SHOWN, f"kills under load, {WORKERS} workers\n{told}")
        assert at_steps.total() >= 40
        assert at_steps.total() + at_random >= KILLS
        check(stand, load)

    with money_stand(tmp_path, WORKERS, pace_ms=5, think_ms=50, module="tests.e2e.dying_server") as running:
        asyncio.run(story(running))
    assert not list((running.server.data / "journal").iterdir()), "all is posted, so nothing of the journals is left"
    running.verify()


async def die_at_steps(stand: Stand, steps: Path) -> Counter[str]:
    """Let workers take the steps and die there, until none is left; returns how many died where.

    One that never comes to its step (there was nothing to give back, or to sweep) is killed after a while.
    """
    taken: dict[int, float] = {}
    until_s = time.monotonic() + STEPS_S
    while time.monotonic() < until_s:
        with suppress(ValueError, OSError):
            living = stand.server.current_worker_pids()
            waiting = taken_by(steps) & set(living)
            taken = {pid: taken.get(pid, time.monotonic()) for pid in waiting if alive(pid)}
            for pid, since in taken.items():
                if time.monotonic() - since > STEP_S:
                    kill(pid)
            if not taken and not untaken(steps):
                break
        await asyncio.sleep(0.1)
    return Counter((steps / DONE).read_text().splitlines())


async def kill_at_random(stand: Stand, kills: int) -> int:
    """Kill one worker after the other, those that start or replay too; returns how many."""
    chance, killed, until_s = random.Random(SEED), 0, time.monotonic() + KILLS_S
    while killed < kills and time.monotonic() < until_s:
        await asyncio.sleep(chance.uniform(*BETWEEN_KILLS_S))
        if workers := children(stand.server.pid):
            killed += kill(chance.choice(workers))
    return killed


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def alive(pid: int) -> bool:
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    return False


def all_serve(stand: Stand) -> bool:
    return all(alive(pid) for pid in stand.server.current_worker_pids())


def rows_by_user(stand: Stand) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in stand.rows():
        found.setdefault(row.end_user or "", []).append(row)
    return found


def report(stand: Stand, load: Load, seconds: float, at_steps: Counter[str], at_random: int) -> str:
    rows, metered, dispatched = rows_by_user(stand), stand.metered(), stand.dispatched()
    whole = [answer for answer in load.answers if answer.whole]
    lost = [answer.user for answer in whole if answer.user not in rows]
    statuses = Counter(row.status for mine in rows.values() for row in mine)
    doubled = [user for user, mine in rows.items() if len(mine) > 1]
    undispatched = [user for user in rows if user not in set(dispatched)]
    lines = {
        "kills at random moments": at_random,
        "kills at steps": at_steps.total(),
        "of these": ", ".join(f"{step} {count}" for step, count in sorted(at_steps.items())),
        "calls asked": load.asked,
        "answered whole": len(whole),
        "cut short or without an answer": sum(not (answer.whole or answer.left) for answer in load.answers),
        "left by their clients": sum(answer.left for answer in load.answers),
        "errors": dict(Counter(f"{a.status} {a.code}" for a in load.answers if a.status not in (0, 200))),
        "dispatched": len(dispatched),
        "answered by the upstream": sum(reading.whole for reading in metered.values()),
        "usage rows": f"{statuses.total()}: {dict(statuses)}",
        "answered and lost": len(lost),
        "doubled": len(doubled),
        "dispatched without a row": len(set(dispatched) - rows.keys()),
        "rows without a dispatch (died in between)": len(undispatched),
        "journals, allowances of the dead": f"{len(stand.journals()) - WORKERS}, {len(dead_allowances(stand))}",
        "open holds": stand.open_holds(),
        "seconds": round(seconds),
    }
    return "\n".join(f"  {name:42} {value}" for name, value in lines.items())


def dead_allowances(stand: Stand) -> list[tuple[int, ...]]:
    return stand.query(
        "SELECT fund_id, a.epoch FROM allowances a LEFT JOIN journal_marks m ON m.epoch = a.epoch "
        "WHERE m.epoch IS NULL OR m.closed_at IS NOT NULL"
    )


def check(stand: Stand, load: Load) -> None:
    rows, metered, dispatched = rows_by_user(stand), stand.metered(), Counter(stand.dispatched())
    assert max(dispatched.values()) == 1
    assert max(len(mine) for mine in rows.values()) == 1
    for answer in load.answers:
        if answer.whole:
            (row,) = rows[answer.user]
            reading = metered[answer.user]
            assert row.request_id == answer.request_id
            # Its settlement was in the journal before its last byte went out, with the upstream's own count.
            assert (row.status, row.estimated, row.cost_nano) == ("ok", 0, cost_of(reading))
    # What came to the upstream has a row even where its worker died; what had not yet gone out is charged at its input.
    assert dispatched.keys() - rows.keys() == set()
    assert {rows[user][0].status for user in rows.keys() - dispatched.keys()} <= {"recovered"}
    assert dead_allowances(stand) == []
    stand.verify()
