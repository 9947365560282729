"""Money under load: a cap is never passed and can be used up, whatever clients do and however many workers there are.

What was spent is asked twice: of the books, and of the upstream, which keeps a meter of its own.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import SHOWN
from tests.e2e.money_client import OUTPUT_TOKENS, Answer, body_of, call
from tests.e2e.money_stand import INPUT_NANO, OUTPUT_NANO, Stand, Who, all_of, cost_of, money_stand

pytestmark = pytest.mark.slow

CLIENTS = 500
CALLS_PAID = 100  # what a cap is made to pay for
LEAVES = 0.2  # of the streams: so many of their clients leave in the middle
ATTEMPTS_MAX = 100
KEYS, REPEATS = 50, 6
RPM, HAMMER_S = 60, 6.0
SEED = 20260814

Show = Callable[[str, object], None]


@dataclass
class Tally:
    """What became of all clients."""

    answered: list[Answer] = field(default_factory=list)
    left: list[Answer] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)  # for good
    retryable: int = 0  # refusals that were followed by another attempt
    wrong: list[Answer] = field(default_factory=list)
    seconds: float = 0

    def __str__(self) -> str:
        return (
            f"{len(self.answered)} answered, {len(self.left)} left, {len(self.refused)} refused for good, "
            f"{self.retryable} told to retry, {self.seconds:.1f} s"
        )


def users(count: int) -> list[str]:
    """Names of one length, so that all calls cost the same."""
    return [f"u{number:05d}" for number in range(count)]


async def spend(stand: Stand, who: Who, end_users: Mapping[str, str | None]) -> Tally:
    """A client for each user: each wants one answer, and does as it is told until it has it or is told to stop."""
    chance, tally, began = random.Random(SEED), Tally(), time.monotonic()
    clients = []
    for number, (user, end_user) in enumerate(end_users.items()):
        stream = number % 4 < 2
        leaves = stream and chance.random() < LEAVES
        body = body_of(user, stream=stream, end_user=end_user)
        clients.append(client(stand, who, tally, user, body, chance.randrange(1, OUTPUT_TOKENS) if leaves else None))
    await all_of(clients)
    tally.seconds = time.monotonic() - began
    return tally


async def client(stand: Stand, who: Who, tally: Tally, user: str, body: bytes, leave_after: int | None) -> None:
    for _ in range(ATTEMPTS_MAX):
        answer = await call(stand.url, who.key, user, body=body, leave_after=leave_after)
        if answer.left:
            tally.left.append(answer)
        elif answer.whole:
            tally.answered.append(answer)
        elif answer.status == 429 and answer.final and answer.code == "insufficient_quota":
            tally.refused.append(answer)
        elif answer.status == 429 and not answer.final and answer.code == "rate_limit_exceeded":
            tally.retryable += 1
            await asyncio.sleep(answer.wait_s)
            continue
        else:
            tally.wrong.append(answer)
        return
    tally.wrong.append(answer)


def call_nano() -> int:
    """What one call costs: all are the same but for a few letters."""
    return len(body_of("u00000", stream=True)) // 4 * INPUT_NANO + OUTPUT_TOKENS * OUTPUT_NANO


@dataclass
class Spent:
    """How a cap was used."""

    cap_nano: int
    call_nano: int
    booked_nano: int
    variance_nano: int
    whole_nano: int  # by the upstream's meter
    metered_nano: int  # with what it had written to those who left

    @property
    def unused_calls(self) -> float:
        return (self.cap_nano - self.booked_nano) / self.call_nano

    def __str__(self) -> str:
        return (
            f"cap {self.cap_nano}, charged {self.booked_nano}, unused {self.unused_calls:.2f} calls; upstream's meter: "
            f"whole answers {self.whole_nano}, with what was written to those who left {self.metered_nano}"
        )


async def spent(stand: Stand, cap_nano: int) -> Spent:
    await stand.quiet()
    rows = stand.rows()
    return Spent(
        cap_nano,
        call_nano(),
        sum(row.cost_nano for row in rows),
        sum(row.variance_nano for row in rows),
        stand.metered_nano(whole=True),
        stand.metered_nano(whole=False),
    )


def check(stand: Stand, tally: Tally, used: Spent) -> None:
    """What must be so of every cap."""
    assert tally.wrong == []
    assert used.booked_nano <= used.cap_nano
    assert used.variance_nano == 0
    # What the upstream still wrote while it was being told that a client had left, nobody has received, and nobody pays.
    assert used.whole_nano <= used.cap_nano
    assert used.unused_calls <= 2
    rows = {row.request_id: row for row in stand.rows()}
    assert rows.keys() >= {answer.request_id for answer in tally.answered}
    metered = stand.metered()
    for answer in tally.answered:
        row = rows[answer.request_id]
        assert (row.status, row.cost_nano) == ("ok", cost_of(metered[answer.user]))
    stand.verify()


@pytest.mark.parametrize(("workers", "drains"), [(1, False), (4, False), (4, True)])
def test_a_cap_under_500_clients_is_never_passed_and_can_be_used_up(
    tmp_path: Path, workers: int, drains: bool, record_property: Show
) -> None:
    async def story(stand: Stand) -> None:
        who = stand.caller(drains=drains)
        cap_nano = CALLS_PAID * call_nano()
        stand.budget(who, "organization", who.organization_id, cap_nano)
        tally = await spend(stand, who, dict.fromkeys(users(CLIENTS)))
        used = await spent(stand, cap_nano)
        leaving = "read to their end" if drains else "cancelled"
        record_property(SHOWN, f"budget, {workers} workers, those who leave are {leaving}: {tally}; {used}")
        check(stand, tally, used)
        if drains:
            assert used.metered_nano == used.booked_nano

    with money_stand(tmp_path, workers, pace_ms=10, think_ms=300) as running:
        asyncio.run(story(running))


def test_a_keys_budget_and_its_end_users_budgets_hold_together(tmp_path: Path, record_property: Show) -> None:
    """The key may spend 100 calls, each of its two end users 60; four in five clients are for one of them."""

    async def story(stand: Stand) -> None:
        who = stand.caller()
        of_user_nano = 60 * call_nano()
        cap_nano = CALLS_PAID * call_nano()
        stand.budget(who, "key", who.key_id, cap_nano)
        stand.budget(who, "end_user", "*", of_user_nano)
        names = users(CLIENTS)
        tally = await spend(
            stand, who, {user: "bob" if number % 5 == 0 else "alice" for number, user in enumerate(names)}
        )
        used = await spent(stand, cap_nano)
        each = Counter[str]()
        for row in stand.rows():
            each[row.end_user or ""] += row.cost_nano
        record_property(
            SHOWN, f"key's budget and end users' of {of_user_nano}, 4 workers: {tally}; {used}; {dict(each)}"
        )
        check(stand, tally, used)
        assert max(each.values()) <= of_user_nano

    with money_stand(tmp_path, 4, pace_ms=10, think_ms=300) as running:
        asyncio.run(story(running))


def test_prepaid_credit_is_spent_to_its_end_and_no_further(tmp_path: Path, record_property: Show) -> None:
    async def story(stand: Stand) -> None:
        credit_nano = CALLS_PAID * call_nano()
        who = stand.caller(credit_nano=credit_nano)
        tally = await spend(stand, who, dict.fromkeys(users(CLIENTS)))
        used = await spent(stand, credit_nano)
        record_property(SHOWN, f"prepaid credit, 4 workers: {tally}; {used}")
        check(stand, tally, used)

    with money_stand(tmp_path, 4, pace_ms=10, think_ms=300) as running:
        asyncio.run(story(running))


def test_a_key_asked_by_six_clients_at_once_over_four_workers_is_answered_and_charged_once(
    tmp_path: Path, record_property: Show
) -> None:
    async def story(stand: Stand) -> None:
        who, names = stand.caller(), users(KEYS)

        async def ask(user: str, stream: bool) -> Answer:
            """As SDKs do: the same again after `retry-after-ms`."""
            answer = await call(stand.url, who.key, user, stream=stream, headers={"idempotency-key": f"key-{user}"})
            while answer.status == 409 and answer.code == "idempotency_in_progress":
                await asyncio.sleep(answer.wait_s)
                answer = await call(stand.url, who.key, user, stream=stream, headers={"idempotency-key": f"key-{user}"})
            return answer

        began = time.monotonic()
        asked = [(user, number % 2 == 0) for number, user in enumerate(names) for _ in range(REPEATS)]
        random.Random(SEED).shuffle(asked)
        answers = await all_of([ask(user, stream) for user, stream in asked])
        seconds = time.monotonic() - began
        await stand.quiet()
        assert [answer for answer in answers if not answer.whole] == []
        assert Counter(stand.dispatched()) == Counter(names)
        assert Counter(row.end_user for row in stand.rows()) == Counter(names)
        for user in names:
            mine = [answer for answer in answers if answer.user == user]
            assert len({answer.body for answer in mine}) == 1
            assert len({answer.request_id for answer in mine}) == 1
            assert sum("idempotent-replayed" not in answer.headers for answer in mine) == 1
        others = await all_of(
            [
                call(
                    stand.url,
                    who.key,
                    user,
                    headers={"idempotency-key": f"key-{user}"},
                    body=body_of(user + "x", stream=False),
                )
                for user in names
            ]
        )
        assert {(other.status, other.code) for other in others} == {(409, "idempotency_key_reused")}
        assert len(stand.dispatched()) == KEYS
        stand.verify()
        record_property(
            SHOWN, f"{KEYS} keys x {REPEATS} clients, 4 workers: {len(stand.rows())} charges, {seconds:.1f} s"
        )

    with money_stand(tmp_path, 4, pace_ms=10, think_ms=300) as running:
        asyncio.run(story(running))


def test_a_limit_of_requests_holds_for_four_workers_and_who_waits_as_told_gets_through(
    tmp_path: Path, record_property: Show
) -> None:
    async def story(stand: Stand) -> None:
        who = stand.caller()
        stand.limit(who, "key", who.key_id, {"max_requests_per_1_minute": RPM})
        began = time.monotonic()
        statuses = Counter[str]()

        async def hammer(user: str) -> None:
            """One who doesn't listen."""
            while time.monotonic() - began < HAMMER_S:
                answer = await call(stand.url, who.key, user)
                statuses["answered" if answer.whole else answer.code or "broken"] += 1
                assert answer.whole or answer.wait_s >= 0

        await all_of([hammer(user) for user in users(200)])
        hammered_s = time.monotonic() - began
        seen = len(stand.dispatched())
        allowed = RPM + int(hammered_s * RPM / 60)
        attempts, waited_s = 1, 0.0
        while (answer := await call(stand.url, who.key, "patient")).status == 429:
            assert not answer.final
            attempts, waited_s = attempts + 1, waited_s + answer.wait_s
            await asyncio.sleep(answer.wait_s)
        await stand.quiet()
        record_property(
            SHOWN,
            f"{RPM} requests a minute, 200 clients, 4 workers, {hammered_s:.1f} s: {dict(statuses)}, the upstream saw {seen} "
            f"of {allowed}; who waited as told ({waited_s:.1f} s) was answered at attempt {attempts}",
        )
        assert set(statuses) == {"answered", "rate_limit_exceeded"}
        assert RPM // 2 <= seen <= allowed
        assert answer.whole
        assert attempts <= 2
        assert len(stand.dispatched()) == len(stand.rows())
        stand.verify()

    with money_stand(tmp_path, 4, pace_ms=0, think_ms=0) as running:
        asyncio.run(story(running))
