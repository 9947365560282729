"""The rule of a limit: what must hold for any calls at any times, whatever is corrected, given back or changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.ledger.rates.bucket import LOWS_MAX, SET_BACK_MS, Bucket, Slots, take_all
from waystation.ledger.rates.model import MINUTE_MS, UNIT_OF_FIELD, UNITS, duration

RPM, TPM = UNIT_OF_FIELD["max_requests_per_1_minute"], UNIT_OF_FIELD["max_tokens_per_1_minute"]
RPD, STREAMS = UNIT_OF_FIELD["max_requests_per_1_day"], UNIT_OF_FIELD["max_concurrent_streams"]

steps_ms = st.integers(0, 40_000)
amounts = st.integers(0, 120)


def tokens(limit: int) -> Bucket:
    return Bucket(("rl_1", "tokens"), TPM, limit, 0)


def take(bucket: Bucket, amount: int, now_ms: int) -> bool:
    return take_all([bucket], (amount,) * 5, now_ms)


@given(st.integers(0, 100), st.lists(st.tuples(steps_ms, amounts), max_size=60))
def test_no_window_has_more_than_the_limit_and_what_drained(limit: int, calls: list[tuple[int, int]]) -> None:
    bucket, now, passed = tokens(limit), 0, list[tuple[int, int]]()
    for step, amount in calls:
        now += step
        if take(bucket, amount, now):
            passed.append((now, amount))
    for first, (since, _) in enumerate(passed):
        for until, _ in passed[first:]:
            inside = sum(amount for at, amount in passed[first:] if at <= until)
            assert inside * MINUTE_MS <= limit * (MINUTE_MS + until - since)


@given(st.integers(1, 100), st.lists(st.tuples(steps_ms, amounts), max_size=30), amounts)
def test_who_waits_as_told_passes_and_a_millisecond_sooner_does_not(
    limit: int, calls: list[tuple[int, int]], amount: int
) -> None:
    bucket, now = tokens(limit), 0
    for step, some in calls:
        now += step
        take(bucket, some, now)
    wait = bucket.wait_ms(amount, now)
    if wait is None:
        assert amount > limit
        return
    assert wait == 0 or bucket.missing(amount, now + wait - 1) > 0
    assert take(bucket, amount, now + wait)


@given(st.lists(st.tuples(steps_ms, st.lists(amounts, min_size=2, max_size=2)), max_size=40))
def test_a_refused_call_takes_nothing_from_any(calls: list[tuple[int, list[int]]]) -> None:
    buckets = [Bucket(("rl_1", "requests"), RPM, 90, 0), tokens(150), tokens(100)]
    now = 0
    for step, (requests, asked) in calls:
        now += step
        for bucket in buckets:
            bucket.settle(now)
        before = [bucket.used for bucket in buckets]
        room = all(bucket.missing((requests, asked)[bucket is not buckets[0]], now) <= 0 for bucket in buckets)
        assert take_all(buckets, (requests, asked, 0, 0, 0), now) is room
        wanted = [requests, asked, asked] if room else [0, 0, 0]
        assert [b.used for b in buckets] == [
            was + amount * MINUTE_MS for was, amount in zip(before, wanted, strict=True)
        ]


@settings(max_examples=300)
@given(
    st.integers(1, 100),
    st.lists(st.tuples(steps_ms, st.integers(1, 100), st.integers(0, 100), st.integers(0, 5)), max_size=80),
)
def test_what_is_given_back_never_lets_more_pass_than_if_it_had_never_been_taken(
    limit: int, calls: list[tuple[int, int, int, int]]
) -> None:
    """Each call is estimated, and corrected downwards when a few more have come: against buckets that knew from the start."""
    bucket, now = tokens(limit), 0
    open_calls: list[tuple[int, int, int]] = []
    passed: list[tuple[int, int]] = []
    for step, estimated, share, later in calls:
        now += step
        while len(open_calls) > later:
            at, estimate, used = open_calls.pop(0)
            bucket.give(estimate - used, at, now)
        if take(bucket, estimated, now):
            used = estimated * share // 100
            open_calls.append((now, estimated, used))
            passed.append((now, used))
    knowing = tokens(limit)
    for at, used in passed:
        assert take(knowing, used, at)
    knowing.settle(now)
    bucket.settle(now)
    assert bucket.used >= knowing.used


def test_what_has_drained_meanwhile_is_not_given_back() -> None:
    bucket = tokens(1_000)
    assert take(bucket, 1_000, 0)
    assert take(bucket, 1_000, 60_000)  # the first has drained
    bucket.give(1_000, 0, 60_000)
    assert not take(bucket, 1, 60_000)


def test_what_was_estimated_too_high_comes_back_whole_while_the_bucket_is_busy() -> None:
    bucket = tokens(1_000)
    assert take(bucket, 500, 0)
    assert take(bucket, 400, 10)
    assert take(bucket, 100, 20)
    bucket.give(400, 10, 30_000)  # 500 have drained: of the first, in a bucket that never had it
    assert take(bucket, 900, 30_000)


def test_a_debt_is_drained_before_anything_else_passes() -> None:
    bucket = tokens(60)
    assert take(bucket, 60, 0)
    bucket.charge(60, 0)
    assert bucket.wait_ms(1, 0) == 61_000
    assert not take(bucket, 1, 60_999)
    assert take(bucket, 0, 60_999)  # what asks for none of it is not held up
    assert take(bucket, 1, 61_000)


def test_a_request_larger_than_the_limit_never_fits_and_a_limit_of_nothing_lets_nothing_pass() -> None:
    assert tokens(60).wait_ms(61, 0) is None
    assert tokens(0).wait_ms(1, 0) is None
    assert not take(tokens(0), 1, 10**9)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_another_limit_leaves_what_was_used_as_it_is(before: int, then: int, used: int) -> None:
    bucket = tokens(before)
    took = take(bucket, used, 0)
    bucket.change(then, 0)
    left = then - (used if took else 0)
    assert bucket.missing(1, 0) == (1 - left) * MINUTE_MS
    assert bucket.used == (used if took else 0) * MINUTE_MS


def test_a_raised_limit_holds_at_once_and_a_lowered_one_too() -> None:
    bucket = tokens(60)
    assert take(bucket, 60, 0)
    bucket.change(100, 0)
    assert take(bucket, 40, 0)
    assert not take(bucket, 1, 0)
    bucket.change(10, 0)
    assert bucket.wait_ms(1, 0) == 91 * 6_000


@pytest.mark.parametrize("back_ms", [1, SET_BACK_MS, SET_BACK_MS + 1, 10**9])
def test_a_clock_set_back_drains_nothing_and_stops_nothing(back_ms: int) -> None:
    bucket = tokens(60)
    start = 2 * 10**9
    assert take(bucket, 60, start)
    now = start - back_ms
    assert not take(bucket, 1, now)
    wait = bucket.wait_ms(1, now)
    assert wait is not None
    assert wait <= 1_000 + SET_BACK_MS
    assert not take(bucket, 1, now + wait - 1)
    assert take(bucket, 1, now + wait)


def test_a_day_drains_evenly() -> None:
    bucket = Bucket(("rl_1", "requests_day"), RPD, 200, 0)
    assert all(take(bucket, 1, 0) for _ in range(200))
    assert duration(bucket.wait_ms(1, 0) or 0) == "7m12s"  # as OpenAI tells it for 200 a day
    assert not take(bucket, 1, 431_999)
    assert take(bucket, 1, 432_000)


def test_many_small_steps_lose_nothing() -> None:
    bucket = tokens(7)  # 7 a minute: a drop of 0.00012 a millisecond
    assert take(bucket, 7, 0)
    for now in range(60_000):
        bucket.settle(now)
    assert bucket.used == 7
    assert take(bucket, 7, 60_000)


def test_a_stream_gives_its_own_place_back_and_nothing_else_does() -> None:
    slots = Slots(("rl_1", "streams"), STREAMS, 2, 0)
    assert take(slots, 1, 0)
    assert take(slots, 1, 0)
    assert not take(slots, 1, 10**9)
    slots.give(1, 0, 10**9)
    assert take(slots, 1, 10**9)
    slots.change(1, 10**9)
    slots.give(1, 0, 10**9)
    assert not take(slots, 1, 10**9)


def test_what_is_remembered_of_a_bucket_is_bounded() -> None:
    bucket = tokens(10**6)
    for now in range(10 * LOWS_MAX):
        assert take(bucket, 100, now)
    assert len(bucket.lows) <= LOWS_MAX
    bucket.give(100, 10 * LOWS_MAX - 1, 10 * LOWS_MAX)
    assert bucket.used < (10 * LOWS_MAX - 1) * 100 * MINUTE_MS


@pytest.mark.parametrize(
    ("ms", "told"),
    [
        (0, "0s"),
        (1, "1ms"),
        (20, "20ms"),
        (1_000, "1s"),
        (1_500, "1.5s"),
        (13_694, "13.694s"),
        (60_000, "1m0s"),
        (360_000, "6m0s"),
        (252_172, "4m12.172s"),
        (83_909_144, "23h18m29.144s"),
    ],
)
def test_times_are_told_as_openai_tells_them(ms: int, told: str) -> None:
    assert duration(ms) == told


def test_each_unit_has_a_name_and_a_field_of_its_own() -> None:
    assert len({unit.name for unit in UNITS}) == len(UNIT_OF_FIELD) == len(UNITS)
