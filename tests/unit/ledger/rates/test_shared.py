"""The limits of several workers: never more than the limit together, whoever dies, and who waits as told passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.rates.rates_stand import RPD, RPM, STREAMS, TPM, Stand, passed, stand, told
from waystation.errors import RateLimitExceeded, RequestBeyondLimit, ServiceUnavailable
from waystation.ledger.rates import shared, store
from waystation.ledger.rates.admission import Admission
from waystation.ledger.rates.limiter import Must
from waystation.ledger.rates.share import EXPIRY_MS, LEASE_MS, Row, Wish, exchange
from waystation.ledger.rates.shared import SharedLimiter


@asynccontextmanager
async def workers(stage: Stand, count: int) -> AsyncIterator[list[SharedLimiter]]:
    made = [SharedLimiter(stage.database, stage.clock, epoch, count) for epoch in range(1, count + 1)]
    for limiter in made:
        await limiter.load()
    yield made


async def admitted(limiter: SharedLimiter, stage: Stand, tokens: int = 1, **asked: Any) -> Admission | None:
    """None: it was refused."""
    try:
        return passed(await limiter.admit(stage.caller, "small", tokens, **asked))
    except RateLimitExceeded:
        return None


async def rounds(limiters: list[SharedLimiter]) -> None:
    for limiter in limiters:
        await limiter.round()


@pytest.mark.parametrize("limit", [1, 3, 60, 500])
def test_four_workers_together_let_no_more_pass_than_the_limit_and_just_as_many(tmp_path: Path, limit: int) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: limit})
            async with workers(stage, 4) as four:
                count = 0
                for number in range(2 * limit + 50):
                    count += await admitted(four[number % 4], stage) is not None
                assert limit - 40 <= count <= limit  # the rest is in others' hands
                for _ in range(2):
                    await rounds(four)
                stage.clock.advance(0.1)  # a refusal stands for so long
                for _ in range(limit + 50):
                    count += await admitted(four[0], stage) is not None
                assert count == limit + limit // 600

    asyncio.run(story())


def test_all_calls_at_once_on_every_worker_pass_as_often_as_the_limit_says(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("organization", {RPM: 100, TPM: 10_000})
            async with workers(stage, 2) as two:
                calls = [admitted(two[number % 2], stage, 100) for number in range(300)]
                count = sum(admission is not None for admission in await asyncio.gather(*calls))
                assert 80 <= count <= 100

    asyncio.run(story())


def test_most_calls_ask_nobody_while_the_limit_is_far(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 60_000, TPM: 6_000_000})
            async with workers(stage, 2) as (one, _):
                asked = 0
                for _ in range(1_000):
                    if one.admit_now(stage.caller, "small", 10) is Must.ASK:
                        asked += 1
                        passed(await one.admit(stage.caller, "small", 10))
                assert asked <= 2
                lines = told(passed(one.admit_now(stage.caller, "small", 10)))
                assert lines["x-ratelimit-limit-requests"] == "60000"
                assert lines["x-ratelimit-remaining-requests"] == "58999"
                assert lines["x-ratelimit-remaining-tokens"] == "5989990"

    asyncio.run(story())


def test_who_waits_as_told_passes_on_another_worker_too(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 20, TPM: 1_000})
            async with workers(stage, 3) as three:
                for number in range(60):
                    await admitted(three[number % 3], stage, 30)
                for number in range(6):
                    with pytest.raises(RateLimitExceeded) as refused:
                        await three[number % 3].admit(stage.caller, "small", 400)
                    assert refused.value.retry_after_ms is not None
                    stage.clock.advance(refused.value.retry_after_ms / 1_000)
                    passed(await three[(number + 1) % 3].admit(stage.caller, "small", 400))

    asyncio.run(story())


def test_a_refused_call_takes_nothing_of_any_limit(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 2, TPM: 100})
            async with workers(stage, 2) as (one, two):
                passed(await one.admit(stage.caller, "small", 90))
                for _ in range(5):
                    assert await admitted(two, stage, 50) is None
                    stage.clock.advance(0.2)
                passed(await two.admit(stage.caller, "small", 10))
                with pytest.raises(RequestBeyondLimit):
                    await one.admit(stage.caller, "small", 101)

    asyncio.run(story())


def test_what_a_dead_worker_had_in_hand_is_there_again_after_a_while(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 600, RPD: 10_000})
            async with workers(stage, 2) as (dead, alive):
                passed(await dead.admit(stage.caller, "small", 1))
                count = 1
                while await admitted(alive, stage):
                    count += 1
                assert 500 < count < 600
                stage.clock.advance(60)
                await alive.round()
                for _ in range(600):
                    passed(await alive.admit(stage.caller, "small", 1))
                assert await admitted(alive, stage) is None

    asyncio.run(story())


def test_a_worker_that_could_not_renew_its_slice_does_not_spend_it(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 600})
            async with workers(stage, 2) as (one, _):
                passed(await one.admit(stage.caller, "small", 1))
                assert isinstance(one.admit_now(stage.caller, "small", 1), Admission)
                stage.clock.advance((LEASE_MS + 1) / 1_000)
                assert one.admit_now(stage.caller, "small", 1) is Must.ASK
                passed(await one.admit(stage.caller, "small", 1))

    asyncio.run(story())


def test_corrections_reach_the_other_workers(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {TPM: 1_000})
            async with workers(stage, 2) as (one, two):
                first = passed(await one.admit(stage.caller, "small", 1_000))
                assert await admitted(two, stage) is None
                first.correct(400)
                for _ in range(2):
                    await rounds([one])
                stage.clock.advance(0.1)
                second = passed(await two.admit(stage.caller, "small", 600))
                second.correct(1_600)
                await rounds([two])
                stage.clock.advance(0.1)
                with pytest.raises(RateLimitExceeded, match=r"Used 1997, Requested 100\. .* in 1m5\.8s"):
                    await one.admit(stage.caller, "small", 100)

    asyncio.run(story())


def test_open_streams_are_counted_over_all_workers_and_outlive_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {STREAMS: 2})
            async with workers(stage, 3) as (one, two, three):
                first = passed(await one.admit(stage.caller, "small", 1, stream=True))
                passed(await two.admit(stage.caller, "small", 1, stream=True))
                stage.clock.advance(10 * EXPIRY_MS / 1_000)  # a stream may last
                await rounds([one, two, three])
                for limiter in (one, two, three):
                    with pytest.raises(RateLimitExceeded, match="concurrent streams: Limit 2, Used 2, Requested 1"):
                        await limiter.admit(stage.caller, "small", 1, stream=True)
                passed(await one.admit(stage.caller, "small", 1))  # what is no stream
                first.release()
                await rounds([one])
                await rounds([one])
                stage.clock.advance(1)
                third = passed(await three.admit(stage.caller, "small", 1, stream=True))
                assert await admitted(one, stage, stream=True) is None
                stage.database.write_sync(lambda c: store.forget_epoch(c, 2))  # the second is found dead
                stage.clock.advance(1)
                passed(await one.admit(stage.caller, "small", 1, stream=True))
                third.release()
                await three.close()
                await one.close()
                rows = stage.database.read_sync(lambda c: c.exec_driver_sql("SELECT * FROM rate_slices").fetchall())
                assert rows == []

    asyncio.run(story())


def test_a_flood_of_refused_calls_is_no_flood_of_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 1})
            async with workers(stage, 2) as (one, _):
                passed(await one.admit(stage.caller, "small", 1))
                with pytest.raises(RateLimitExceeded):
                    await one.admit(stage.caller, "small", 1)
                for _ in range(50):
                    with pytest.raises(RateLimitExceeded):
                        one.admit_now(stage.caller, "small", 1)
                stage.clock.advance(shared.REFUSED_MS / 1_000)
                assert one.admit_now(stage.caller, "small", 1) is Must.ASK
                monkeypatch.setattr(shared, "ASKS_MAX", 0)
                with pytest.raises(ServiceUnavailable):
                    await one.admit(stage.caller, "small", 1)

    asyncio.run(story())


def test_a_caller_who_leaves_while_the_database_is_asked_leaves_nothing_taken(tmp_path: Path) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 1, STREAMS: 1})
            async with workers(stage, 2) as (one, two):
                call = asyncio.create_task(one.admit(stage.caller, "small", 1, stream=True))
                await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                for _ in range(2):
                    await rounds([one])  # waits for the question that is under way
                passed(await two.admit(stage.caller, "small", 1, stream=True))

    asyncio.run(story())


def test_a_database_that_is_away_is_503_and_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        with stand(tmp_path) as stage:
            stage.set_limit("key", {RPM: 1})
            async with workers(stage, 2) as (one, _):

                async def away(*_args: object, **_named: object) -> None:
                    raise ServiceUnavailable("away")

                with monkeypatch.context() as patch:
                    patch.setattr(stage.database, "write", away)
                    for _ in range(3):
                        with pytest.raises(ServiceUnavailable):
                            await one.admit(stage.caller, "small", 1)
                passed(await one.admit(stage.caller, "small", 1))

    asyncio.run(story())


@given(
    st.integers(1, 20),
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 400), st.integers(0, 8), st.booleans()), min_size=1, max_size=80
    ),
)
def test_slices_and_use_never_exceed_the_limit(limit: int, steps: list[tuple[int, int, int, bool]]) -> None:
    """Three workers ask, spend and give at any times: in no window is more spent than the limit and what drained."""
    one, now, used, at = 60_000, 0, 0, 0
    have, recorded, renewed = [0] * 3, [0] * 3, [0] * 3
    spent: list[tuple[int, int]] = []
    for worker, step, amount, give in steps:
        now += step
        others = sum(recorded[other] for other in range(3) if other != worker and now - renewed[other] <= EXPIRY_MS)
        mine = recorded[worker] if now - renewed[worker] <= EXPIRY_MS else 0
        if now - renewed[worker] > LEASE_MS:
            have[worker] = 0
        giving = have[worker] if give else 0
        have[worker] -= giving
        need = max(0, amount * one - have[worker])
        wish = Wish(("rl", "tokens"), limit, limit * one, False, need, have[worker], giving)
        got = exchange(Row(used, at, mine, others), wish, 3, now)
        if not got.fits:
            have[worker] += giving
            continue
        used, at, recorded[worker], renewed[worker] = got.used, got.at_ms, got.mine, now
        have[worker] += got.more - amount * one
        assert have[worker] >= 0
        spent.append((now, amount * one))
    for first, (since, _) in enumerate(spent):
        for until, _ in spent[first:]:
            inside = sum(amount for at_ms, amount in spent[first:] if at_ms <= until)
            assert inside <= limit * (one + until - since)
