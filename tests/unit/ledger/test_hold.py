"""A call's hold, whichever way the call ends."""

import asyncio
from contextlib import suppress
from pathlib import Path

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
    done,
    give,
    new_id,
    opened,
    piece,
    problems,
    run,
    standing,
    usage_rows,
)
from waystation.errors import InsufficientQuota, RateLimitExceeded, UpstreamFailed
from waystation.ledger.bounds import input_tokens_bound, output_tokens_bound
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.rates.service import RateLimits
from waystation.ledger.service import Ledger
from waystation.runtime.db import Database
from waystation.terms import Deployment, Done, Operation, Usage

BOUND_NANO = (
    56 + 512
) * 2_000 + 1_000 * 8_000  # of a call of the stand: its body and the template, the model's maximum


def test_done_comes_back_settled_and_becomes_a_usage_row(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            end = await answered(ledger, "req_1")
            assert (end.cost_nano, end.currency) == (USED_NANO, "USD")
            assert ledger.counts().pending == 1
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert (row.input_tokens, row.output_tokens, row.status, row.cost_nano, row.estimated) == (
                10,
                5,
                "ok",
                USED_NANO,
                0,
            )
            assert await problems(database) == []
            counts = ledger.counts()
            assert (counts.holds, counts.open, counts.settled, counts.voided, counts.pending, counts.posted) == (
                1,
                0,
                1,
                0,
                0,
                1,
            )

    run(story)


def test_nothing_used_is_void(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            with pytest.raises(UpstreamFailed):
                async with ledger.hold(POSTPAID, MODEL, call("req_1")):
                    raise UpstreamFailed("broken")
            async with ledger.hold(POSTPAID, MODEL, call("req_2")) as hold:
                hold.meter(piece(""))  # an answer that has begun, but said nothing
            await ledger.flush()
            assert await usage_rows(database) == {}
            assert (ledger.counts().voided, ledger.counts().open) == (2, 0)

    run(story)


@pytest.mark.parametrize(
    ("error", "status"),
    [(asyncio.CancelledError(), "cancelled"), (GeneratorExit(), "cancelled"), (UpstreamFailed("broken"), "error")],
)
def test_what_was_received_is_charged(tmp_path: Path, error: BaseException, status: str) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            with suppress(type(error)):
                async with ledger.hold(POSTPAID, MODEL, call("req_1", Asked(stream=True))) as hold:
                    hold.meter(piece("four "))
                    hold.meter(piece("five six"))
                    raise error
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            # "user", "one two three" went in; "four five six" came out.
            assert (row.input_tokens, row.output_tokens, row.estimated, row.status, row.stream) == (4, 3, 1, status, 1)
            assert row.cost_nano == 4 * 2_000 + 3 * 8_000

    run(story)


def test_without_usage_from_the_provider_tokens_are_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (_, ledger):
            async with ledger.hold(POSTPAID, MODEL, call("req_1", Asked(stream=True))) as hold:
                hold.meter(piece("four five"))
                streamed = hold.meter(done(None))
            whole = Done(b'{"choices":[{"message":{"role":"assistant","content":"four five six"}}]}', None)
            async with ledger.hold(POSTPAID, MODEL, call("req_2")) as hold:
                hold.meter(whole)
            assert isinstance(streamed, Done)
            assert streamed.usage == Usage(4, 2, estimated=True)
            assert whole.usage is not None
            assert (whole.usage.output_tokens, whole.usage.estimated) == (4, True)  # its role is a word too

    run(story)


def test_a_broken_tokenizer_does_not_keep_a_call_from_being_settled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_text: str, _model: str) -> int:
        raise RuntimeError("no vocabulary")

    async def story() -> None:
        async with opened(tmp_path) as (_, ledger):
            ledger._desk.count_tokens = broken
            async with ledger.hold(POSTPAID, MODEL, call("req_1", Asked(stream=True))) as hold:
                hold.meter(piece("12345678"))
            assert ledger.counts().settled == 1

    run(story)
    assert "tokens can't be counted" in caplog.text


def test_a_customer_is_never_charged_above_the_hold(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            end = await answered(ledger, "req_1", usage=Usage(10, 5_000))  # the model's maximum is 1000
            assert end.cost_nano == BOUND_NANO
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert row.variance_nano == 10 * 2_000 + 5_000 * 8_000 - BOUND_NANO
            assert await problems(database) == []

    run(story)


def test_a_providers_nonsense_is_made_possible(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answered(ledger, "req_1", usage=Usage(-5, 10**30, cached_tokens=7, reasoning_tokens=-1))
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens) == (0, 10**8, 0, 0)
            assert await problems(database) == []

    run(story)


def test_an_unmetered_model_costs_nothing_and_is_recorded(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            unmetered = msgspec.structs.replace(MODEL, price=None)
            async with ledger.hold(PREPAID, unmetered, call("req_1")) as hold:
                hold.meter(done())
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert (row.cost_nano, row.input_tokens) == (0, 10)
            assert await problems(database) == []

    run(story)


def test_prepaid_credit_is_never_passed(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            with pytest.raises(InsufficientQuota, match="the credit is used up"):
                await answered(ledger, "req_0", PREPAID)
            await give(database, ledger, BOUND_NANO + 1_000)
            async with ledger.hold(PREPAID, MODEL, call("req_1")) as hold:
                assert BOUND_NANO <= (await standing(database, "org-2")).allowed_nano <= BOUND_NANO + 1_000
                hold.meter(done())
            await ledger.flush()
            stands = await standing(database, "org-2")
            assert (stands.cap_nano, stands.spent_nano) == (BOUND_NANO + 1_000, USED_NANO)
            assert await problems(database) == []
        async with opened(tmp_path) as (database, _):  # and after a restart it is what the postings say
            stands = await standing(database, "org-2")
            assert (stands.spent_nano, stands.allowed_nano) == (USED_NANO, 0)

    run(story)


@pytest.mark.parametrize(
    ("asked", "operation", "bound"),
    [
        (Asked(), Operation.CHAT, (56 + 512, 1_000)),
        (Asked(output_tokens_asked=7), Operation.CHAT, (56 + 512, 7)),
        (Asked(output_tokens_asked=7, choices=3), Operation.COMPLETION, (56 + 512, 21)),
        (Asked(output_tokens_asked=9_999_999), Operation.CHAT, (56 + 512, 1_000)),
        (Asked(has_images=True), Operation.CHAT, (4_096, 1_000)),
        (Asked(), Operation.EMBEDDINGS, (112, 0)),
        (Asked(), Operation.MODERATIONS, (56 + 512, 0)),
    ],
)
def test_a_hold_binds_the_most_that_a_call_may_use(asked: Asked, operation: Operation, bound: tuple[int, int]) -> None:
    asking = call("req_1", asked, operation)
    assert (input_tokens_bound(asking, MODEL), output_tokens_bound(asking, MODEL)) == bound


async def limited(database: Database, ledger: Ledger, **limits: int) -> None:
    verbs = RateLimits(CLOCK, new_id)
    made = await database.write(lambda c: verbs.set_limit(c, "org-1", "project", "proj_1", None, limits))
    await ledger.limits_changed([made.id])


def test_a_rate_limit_refuses_before_money_is_held_and_its_state_is_in_the_headers(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await limited(database, ledger, max_requests_per_1_minute=2, max_tokens_per_1_minute=10_000)
            first = call("req_1", Asked(output_tokens_asked=1_000))
            async with ledger.hold(POSTPAID, MODEL, first) as hold:
                assert b"x-ratelimit-remaining-requests: 1\r\n" in first.limit_headers
                assert b"x-ratelimit-remaining-tokens: 9000\r\n" in first.limit_headers
                hold.meter(done(Usage(10, 5)))
            second = call("req_2")
            async with ledger.hold(POSTPAID, MODEL, second) as hold:
                assert b"x-ratelimit-remaining-tokens: 9971\r\n" in second.limit_headers  # 15 used, 14 estimated
                hold.meter(done(Usage(10, 5)))
            with pytest.raises(RateLimitExceeded) as caught:
                await answered(ledger, "req_3")
            assert caught.value.retry_after_ms == 30_000
            assert ledger.counts().holds == 2

    run(story)


def test_what_money_refuses_does_not_count_against_a_rate_limit(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await limited(database, ledger, max_requests_per_1_minute=1, max_concurrent_streams=1)
            made = await budget(database, ledger, cap_nano=0)
            for number in range(3):
                with pytest.raises(InsufficientQuota):
                    async with ledger.hold(POSTPAID, MODEL, call(f"req_{number}", Asked(stream=True))):
                        raise AssertionError("never held")
            await database.write(lambda c: Budgets(CLOCK, new_id).remove(c, "org-1", made.id))
            await ledger.budgets_changed([made.id])
            await answered(ledger, "req_3")

    run(story)


ELSEWHERE = msgspec.structs.replace(MODEL, deployment=Deployment("up/small", "up", "small"))
WORDS = b'{"choices":[{"message":{"content":"' + b"word " * 40 + b'"}}]}'


@pytest.mark.parametrize(("said", "flagged"), [(40, 0), (60, 0), (200, 1), (900, 1)])
def test_a_provider_whose_count_is_far_from_ours_is_flagged(tmp_path: Path, said: int, flagged: int) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            async with ledger.hold(POSTPAID, ELSEWHERE, call("req_1")) as hold:
                hold.meter(Done(WORDS, Usage(10, said)))
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert (row.output_tokens, row.flagged) == (said, flagged)

    run(story)


def test_what_a_provider_takes_beyond_the_bounds_is_held_for_next_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            async with ledger.hold(POSTPAID, ELSEWHERE, call("req_1")) as hold:
                hold.meter(Done(WORDS, Usage(10, 5_000)))  # the model's maximum is 1000
            async with ledger.hold(POSTPAID, ELSEWHERE, call("req_2")) as hold:
                second = hold.meter(Done(WORDS, Usage(10, 5_000)))
            assert isinstance(second, Done)
            assert second.cost_nano == 10 * 2_000 + 5_000 * 8_000, "all of it is the customer's now"
            await ledger.flush()
            rows = await usage_rows(database)
            assert rows["req_1"].variance_nano > 0
            assert rows["req_2"].variance_nano == 0
            assert await problems(database) == []

    run(story)
