"""Budgets and credit under calls that come in any order: caps hold to the unit, and are usable to the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.ledger.ledger_stand import (
    CLOCK,
    MODEL,
    POSTPAID,
    PREPAID,
    USED_NANO,
    Asked,
    answered,
    budget,
    call,
    count_words,
    done,
    give,
    killed,
    new_id,
    opened,
    piece,
    problems,
    run,
    standing,
)
from waystation.errors import InsufficientQuota, RateLimitExceeded, TemporarilyHeld
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.funds import bank as bank_module
from waystation.ledger.service import Ledger
from waystation.terms import Caller, Model, Usage
from waystation.testing.clock import FakeClock

DAY_S = 86_400
CALL_NANO = 10 * 2_000 + 50 * 8_000  # of a call of `until_refused`
LEAST_NANO = 16 * 2_000 + 16 * 8_000  # less than this is left when nothing more can be answered


class HurriedClock(FakeClock):
    """Who waits finds that half a second has passed each time they look."""

    def monotonic_s(self) -> float:
        self.advance(0.5)
        return super().monotonic_s()


@pytest.fixture(autouse=True)
def no_waiting_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_module, "LOOK_AGAIN_S", 0.001)


@asynccontextmanager
async def two_workers(folder: Path) -> AsyncIterator[tuple[Any, list[Ledger]]]:
    async with opened(folder, workers=2) as (database, first):
        second = await Ledger.open(database, folder / "journal", 1, CLOCK, count_words, workers=2)
        try:
            yield database, [first, second]
        finally:
            await second.close()


async def until_refused(ledger: Ledger, name: str, caller: Caller = POSTPAID, **asked: Any) -> int:
    """Call again and again, as a client that retries when it is told to; returns how often it was answered."""
    for number in range(1_000):
        asking = call(f"req_{name}_{number}", Asked(**asked))
        try:
            async with ledger.hold(caller, MODEL, asking) as hold:
                await asyncio.sleep(0)
                most = asking.output_tokens_max
                hold.meter(done(Usage(10, 50 if most is None else min(50, most))))
        except RateLimitExceeded:
            await ledger.tick()
        except InsufficientQuota:
            return number
    raise AssertionError("never refused")


@pytest.mark.parametrize("calls", [1, 7, 100])
def test_a_cap_is_used_to_the_end_and_not_passed(tmp_path: Path, calls: int) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=calls * CALL_NANO)
            assert await until_refused(ledger, "a") >= calls
            await ledger.flush()
            stands = await standing(database, made.id)
            assert 0 <= stands.cap_nano - stands.spent_nano < LEAST_NANO
            assert await problems(database) == []

    run(story)


def test_many_callers_on_two_workers_share_one_cap(tmp_path: Path) -> None:
    async def story() -> None:
        async with two_workers(tmp_path) as (database, ledgers):
            made = await budget(database, *ledgers, cap_nano=100 * CALL_NANO)
            clients = [until_refused(ledgers[n % 2], str(n)) for n in range(60)]
            answers = sum(await asyncio.gather(*clients))
            for ledger in ledgers:
                await ledger.flush()
            stands = await standing(database, made.id)
            assert answers >= 100
            assert 0 <= stands.cap_nano - stands.spent_nano < LEAST_NANO
            assert await problems(database) == []

    run(story)


def test_a_call_waits_for_open_holds_and_is_then_answered_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await budget(database, ledger, cap_nano=10_000_000)  # one whole answer's worth, and a bit
            first = ledger.hold(POSTPAID, MODEL, call("req_1"))
            second_call = call("req_2")
            async with AsyncExitStack() as stack:
                hold = await stack.enter_async_context(first)
                waiting = asyncio.create_task(ledger.hold(POSTPAID, MODEL, second_call).__aenter__())
                await asyncio.sleep(0.02)
                assert not waiting.done()
                hold.meter(done(Usage(1, 1)))
                second = await waiting
                second.meter(done())
                await second.__aexit__(None)
            assert second_call.output_tokens_max is None

    run(story)


def test_who_waited_in_vain_is_told_to_come_again_and_not_that_money_is_gone(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, clock=HurriedClock()) as (database, ledger):
            await budget(database, ledger, cap_nano=10_000_000)
            async with ledger.hold(POSTPAID, MODEL, call("req_1")) as hold:
                with pytest.raises(TemporarilyHeld) as caught:
                    await answered(ledger, "req_2")
                assert caught.value.retry_after_ms == 1_000
                assert caught.value.code == "rate_limit_exceeded"
                hold.meter(done())
            await answered(ledger, "req_2")

    run(story)


def test_when_less_is_left_the_answer_is_made_shorter_and_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await budget(database, ledger, cap_nano=1_000_000)
            asking = call("req_1", Asked(output_tokens_asked=900, choices=2))
            async with ledger.hold(POSTPAID, MODEL, asking) as hold:
                # What the words that were counted leave of the budget, for each of the two choices.
                assert asking.output_tokens_max == (1_000_000 - (4 + 4 + 8) * 2_000) // 8_000 // 2
                hold.meter(done(Usage(10, 100)))
            await ledger.flush()
            assert await problems(database) == []

    run(story)


MINE = Caller("key_1", "proj_1", "org-1")
OTHERS = Caller("key_9", "proj_9", "org-1")
LARGE = msgspec.structs.replace(MODEL, name="large")


@pytest.mark.parametrize(
    ("given", "caller", "model", "end_user", "refused"),
    [
        ({}, MINE, MODEL, None, True),
        ({}, OTHERS, LARGE, None, True),
        ({"scope": "project", "subject": "proj_1"}, MINE, MODEL, None, True),
        ({"scope": "project", "subject": "proj_1"}, OTHERS, MODEL, None, False),
        ({"model": "large"}, MINE, MODEL, None, False),
        ({"model": "large"}, MINE, LARGE, None, True),
        ({"scope": "end_user", "subject": "ann"}, MINE, MODEL, "ann", True),
        ({"scope": "end_user", "subject": "ann"}, MINE, MODEL, "bob", False),
        ({"scope": "end_user", "subject": "*"}, MINE, MODEL, "bob", True),
        ({"scope": "end_user", "subject": "*", "project_id": "proj_1"}, OTHERS, MODEL, "bob", False),
        ({"scope": "end_user", "subject": "*"}, MINE, MODEL, None, False),
        ({"hard": False}, MINE, MODEL, None, False),
    ],
)
def test_a_budget_limits_those_it_is_about(
    tmp_path: Path, given: dict[str, Any], caller: Caller, model: Model, end_user: str | None, refused: bool
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await budget(database, ledger, cap_nano=0, **given)
            asking = ledger.hold(caller, model, call("req_1", Asked(end_user=end_user)))
            if refused:
                with pytest.raises(InsufficientQuota, match="bdg_"):
                    await asking.__aenter__()
            else:
                async with asking as hold:
                    hold.meter(done())
            await ledger.flush()
            assert await problems(database) == []

    run(story)


def test_each_end_user_has_a_budget_of_their_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await budget(database, ledger, cap_nano=2 * CALL_NANO, scope="end_user", subject="*", window="day")
            for user in ("ann", "bob"):
                assert await until_refused(ledger, user, end_user=user) >= 2
            await ledger.flush()
            assert await problems(database) == []

    run(story)


def test_all_budgets_and_the_credit_must_pay_or_nothing_is_held(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await give(database, ledger, 10**9)
            create = Budgets(CLOCK, new_id).create
            asked: dict[str, Any] = {"scope": "organization", "subject": "org-2", "window": "month", "cap_nano": 100}
            made = await database.write(lambda c: create(c, "org-2", **asked))
            await ledger.budgets_changed([made.id])
            with pytest.raises(InsufficientQuota):
                await answered(ledger, "req_1", PREPAID)
            for _ in range(6):
                await ledger.tick()
            assert (await standing(database, "org-2")).allowed_nano == 0, "what was fetched for it has been given back"
            assert await problems(database) == []

    run(story)


def test_a_budget_lowered_below_what_is_held_lets_open_calls_end_and_refuses_new_ones(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            budgets = Budgets(CLOCK, new_id)
            async with ledger.hold(POSTPAID, MODEL, call("req_1")) as hold:
                await database.write(lambda c: budgets.update(c, "org-1", made.id, cap_nano=1))
                await ledger.budgets_changed([made.id])
                with pytest.raises(InsufficientQuota):
                    await answered(ledger, "req_2")
                hold.meter(done())
            with pytest.raises(InsufficientQuota):
                await answered(ledger, "req_3")
            await ledger.flush()
            stands = await standing(database, made.id)
            assert (stands.cap_nano, stands.spent_nano) == (1, USED_NANO)
            await database.write(lambda c: budgets.update(c, "org-1", made.id, cap_nano=10**9))
            await ledger.budgets_changed([made.id])
            await answered(ledger, "req_4")
            await database.write(lambda c: budgets.update(c, "org-1", made.id, cap_nano=1))
            await database.write(lambda c: budgets.remove(c, "org-1", made.id))
            await ledger.budgets_changed([made.id])
            await answered(ledger, "req_5")
            await ledger.flush()
            await ledger.tick()
            assert await problems(database) == []

    run(story)


def test_a_budget_counts_what_was_used_before_it_was_made(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1")
            await ledger.flush()
            made = await budget(database, ledger, cap_nano=10**9, window="month")
            assert (await answered(ledger, "req_2")).cost_nano == USED_NANO
            assert (await standing(database, made.id)).spent_nano == USED_NANO
            await ledger.flush()
            assert (await standing(database, made.id)).spent_nano == 2 * USED_NANO
            assert await problems(database) == []

    run(story)


def test_a_call_belongs_to_the_period_in_which_it_was_held(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(DAY_S * 20_000 + DAY_S - 1)  # the last second of a day
        async with opened(tmp_path, clock=clock) as (database, ledger):
            made = await budget(database, ledger, cap_nano=11_000_000, window="day")
            async with ledger.hold(POSTPAID, MODEL, call("req_1")) as hold:
                clock.advance(2)
                await answered(ledger, "req_2")  # the new day's money is not what the first call holds
                hold.meter(done(Usage(10, 500)))
            await ledger.flush()
            yesterday, today = clock.now_s() - 10, clock.now_s()
            assert (await standing(database, made.id, yesterday)).spent_nano == 10 * 2_000 + 500 * 8_000
            assert (await standing(database, made.id, today)).spent_nano == USED_NANO
            assert await problems(database) == []

    run(story)


def test_a_call_that_waits_beyond_midnight_still_waits_for_the_money_of_its_own_day(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(DAY_S * 20_000 + DAY_S - 1)
        async with opened(tmp_path, clock=clock) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10_000_000, window="day")  # one whole answer's worth
            async with ledger.hold(POSTPAID, MODEL, call("req_1")) as hold:
                waiting = asyncio.create_task(answered(ledger, "req_2"))
                await asyncio.sleep(0.01)
                clock.advance(1)
                await answered(ledger, "req_3")
                await asyncio.sleep(0.05)
                assert not waiting.done(), "the new day's money is not for a call of the day before"
                hold.meter(done())
            await waiting
            await ledger.flush()
            assert (await standing(database, made.id, clock.now_s() - 10)).spent_nano == 2 * USED_NANO
            assert (await standing(database, made.id, clock.now_s())).spent_nano == USED_NANO
            assert await problems(database) == []

    run(story)


def test_a_clock_that_is_set_back_does_not_open_the_last_period_again(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock(DAY_S * 20_000)
        async with opened(tmp_path, clock=clock) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9, window="day")
            await answered(ledger, "req_1")
            clock._began_s -= 10
            await answered(ledger, "req_2")
            await ledger.flush()
            assert (await standing(database, made.id, DAY_S * 20_000)).spent_nano == 2 * USED_NANO

    run(story)


def test_thresholds_give_notice_once_a_period(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10 * USED_NANO, thresholds=[50, 100], hard=False)
            for number in range(12):
                await answered(ledger, f"req_{number}")
                await ledger.flush()
            notices = await database.read(
                lambda c: c.exec_driver_sql("SELECT percent, spent_nano FROM budget_notices").fetchall()
            )
            assert notices == [(50, 5 * USED_NANO), (100, 10 * USED_NANO)]
            assert (await standing(database, made.id)).spent_nano == 12 * USED_NANO, "it only warns"
            assert await problems(database) == []

    run(story)


def test_a_killed_workers_allowances_come_free_when_its_journal_is_replayed(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "data").mkdir()
        async with opened(tmp_path / "data") as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            async with ledger.hold(POSTPAID, MODEL, call("req_1", Asked(stream=True))) as hold:
                hold.meter(piece("four five six"))
                crashed = killed(tmp_path / "data", tmp_path / "crashed")
        async with opened(crashed) as (database, _):
            stands = await standing(database, made.id)
            assert stands.allowed_nano == 0
            assert stands.spent_nano > 0
            assert await problems(database) == []

    run(story)


async def streamed(ledger: Ledger, asking: Any, words: int) -> int:
    """A stream of so many words, each a token, unless it is cut; returns how many came."""
    async with ledger.hold(POSTPAID, MODEL_LONG, asking) as hold:
        for number in range(words):
            hold.meter(piece("word "))
            if hold.short:
                await hold.extend()
            if asking.cut:
                hold.meter(done(None))
                return number + 1
        hold.meter(done(None))
    return words


MODEL_LONG = msgspec.structs.replace(
    MODEL, abilities=msgspec.structs.replace(MODEL.abilities, output_tokens_max=50_000)
)


def test_a_stream_holds_in_steps_as_it_grows(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=50_000 * 8_000)
            asking = call("req_1", Asked(stream=True))
            assert await streamed(ledger, asking, 9_000) == 9_000
            await ledger.flush()
            assert (await standing(database, made.id)).spent_nano == 4 * 2_000 + 9_000 * 8_000
            assert await problems(database) == []

    run(story)


def test_a_stream_that_cant_be_paid_any_further_is_cut_at_the_end_of_the_money(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=6_000 * 8_000)
            asking = call("req_1", Asked(stream=True))
            came = await streamed(ledger, asking, 9_000)
            await ledger.flush()
            stands = await standing(database, made.id)
            assert asking.cut
            # Up to the last whole step of what is left: the rest is for the next, shorter call.
            assert 4_000 <= came <= 6_000
            assert 0 <= stands.cap_nano - stands.spent_nano <= 2_000 * 8_000
            assert await until_refused(ledger, "more", stream=True) > 0
            await ledger.flush()
            stands = await standing(database, made.id)
            assert 0 <= stands.cap_nano - stands.spent_nano < LEAST_NANO
            assert await problems(database) == []

    run(story)


def test_an_organization_that_becomes_prepaid_is_held_from_its_credit_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (_, ledger):
            caller = msgspec.structs.replace(PREPAID, postpaid=True)
            await answered(ledger, "req_1", caller)
            await ledger.organizations_changed([PREPAID.organization_id])
            with pytest.raises(InsufficientQuota):
                await answered(ledger, "req_2", PREPAID)

    run(story)
