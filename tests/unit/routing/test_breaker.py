"""A breaker's stories, second by second."""

import random

import pytest

from waystation.routing.breaker import (
    FAILURES_IN_A_ROW,
    MISSING_S,
    QUICK_S,
    SAMPLES_MIN,
    SHUT_S,
    SHUT_S_MAX,
    WINDOW_S,
    Breaker,
)


def shut_at(now_s: float = 100.0, took_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES_IN_A_ROW):
        breaker.failed(now_s, took_s)
    return breaker


def test_failures_in_a_row_shut_it() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_IN_A_ROW - 1):
        breaker.failed(100.0)
    assert breaker.closed
    breaker.failed(100.0)
    assert breaker.state(100.0) == "open"
    assert breaker.shut_s(100.0) == SHUT_S


def test_one_success_between_them_keeps_it_closed() -> None:
    breaker = Breaker()
    for second in range(5 * FAILURES_IN_A_ROW):
        breaker.failed(100.0 + second)
        breaker.succeeded(100.0 + second)
    assert breaker.closed


def test_a_bad_share_of_many_calls_shuts_it_although_none_is_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(SAMPLES_MIN):
        breaker.failed(100.0)
        breaker.failed(100.0)
        if not breaker.closed:
            break
        breaker.succeeded(100.0)
    assert breaker.state(100.0) == "open"


def test_what_is_past_counts_no_more() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_IN_A_ROW - 1):
        breaker.failed(100.0)
    assert breaker.counts(100.0) == (0, FAILURES_IN_A_ROW - 1)
    assert breaker.counts(100.0 + WINDOW_S) == (0, 0)
    breaker.succeeded(100.0 + WINDOW_S)  # takes the place of the old second
    assert breaker.counts(100.0 + WINDOW_S) == (1, 0)


def test_thirty_percent_of_faults_leave_it_closed() -> None:
    breaker, chance = Breaker(), random.Random(7)
    shut = 0
    for number in range(20_000):
        now_s = 100.0 + number / 50
        if chance.random() < 0.3:
            breaker.failed(now_s)
        else:
            breaker.succeeded(now_s)
        shut += not breaker.closed
    assert shut == 0


def test_one_call_proves_it_well() -> None:
    breaker = shut_at(100.0)
    assert not breaker.asked(100.5)  # asked as the least bad proves nothing by itself
    assert breaker.shut_s(101.0) == 0.0
    assert breaker.asked(101.0)
    assert breaker.shut_s(101.0) > 0  # nobody else meanwhile
    assert not breaker.asked(101.0)
    breaker.answered()
    assert breaker.closed


def test_a_proof_that_ends_without_a_word_can_be_made_again() -> None:
    breaker = shut_at(100.0)
    assert breaker.asked(101.0)
    breaker.left()
    assert breaker.asked(101.0)


def test_each_failed_proof_doubles_the_time_up_to_a_bound() -> None:
    breaker, now_s, times = shut_at(100.0), 100.0, []
    for _ in range(6):
        now_s += breaker.shut_s(now_s)
        assert breaker.asked(now_s)
        breaker.failed(now_s)
        times.append(breaker.shut_s(now_s))
    assert times == [2.0, 4.0, SHUT_S_MAX, SHUT_S_MAX, SHUT_S_MAX, SHUT_S_MAX]
    breaker.answered()
    breaker.succeeded(now_s)
    assert breaker.openings == 0


def test_an_answer_of_the_least_bad_closes_it_at_once() -> None:
    breaker = shut_at(100.0)
    breaker.asked(100.1)
    breaker.answered()
    assert breaker.closed


def test_failures_of_the_least_bad_do_not_lengthen_its_time() -> None:
    breaker = shut_at(100.0)
    for _ in range(50):
        breaker.failed(100.5)
    assert breaker.shut_s(100.5) == SHUT_S - 0.5


@pytest.mark.parametrize(("took_s", "quick"), [(0.0, True), (QUICK_S / 2, True), (QUICK_S, False), (30.0, False)])
def test_it_knows_whether_failing_costs_time(took_s: float, quick: bool) -> None:
    assert shut_at(100.0, took_s).quick is quick


def test_a_free_probe_opens_the_way_for_one_call_but_not_to_a_missing_model() -> None:
    breaker = shut_at(100.0)
    breaker.reachable(100.2)
    assert breaker.state(100.2) == "half_open"
    missing = Breaker()
    missing.missing(100.0)
    missing.reachable(100.2)
    assert missing.shut_s(100.2) == pytest.approx(MISSING_S - 0.2)
