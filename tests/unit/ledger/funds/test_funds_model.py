"""The rules of holding from a fund: what a worker is given, and what a call is told when there isn't enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.ledger.funds.model import Exhausted, Hold, Later, Purse, Wait, grab, grant, recall, settle, verdict


def purse(cap: int = 1_000, spent: int = 0, others: int = 0, free: int = 0, held: int = 0) -> Purse:
    """A purse of a fund of which other workers are allowed `others`."""
    made = Purse("budget", ("bdg_1", "", 0), cap, None)
    made.spent, made.free, made.held = spent, free, held
    made.allowed = others + free + held
    return made


@pytest.mark.parametrize(
    ("purses", "full", "least", "waited", "told"),
    [
        ([purse()], 400, 10, False, Hold(400)),
        ([purse(spent=700)], 400, 10, False, Hold(300)),  # all that is left: the answer is made shorter
        ([purse(spent=995)], 400, 10, False, Exhausted(0)),  # not even the shortest
        ([purse(spent=1_000)], 400, 10, False, Exhausted(0)),
        ([purse(), purse(spent=995)], 400, 10, False, Exhausted(1)),  # the second budget is the one
        ([purse(), purse(spent=800)], 400, 10, False, Hold(200)),
        ([purse(others=900)], 400, 10, False, Wait()),  # only open calls are in the way
        ([purse(others=900)], 400, 10, True, Later()),  # a whole answer will fit when they are settled
        ([purse(held=900)], 400, 10, True, Later()),
        ([purse(spent=700, others=200)], 400, 10, False, Wait()),
        ([purse(spent=700, others=200)], 400, 10, True, Hold(100)),  # it never would: a shorter one, then
        ([purse(spent=700, others=295)], 400, 10, True, Later()),
        ([purse(spent=990, free=10)], 400, 10, False, Hold(10)),  # to the last unit
        ([purse(cap=100, spent=150)], 400, 10, False, Exhausted(0)),  # lowered below what is spent
        ([purse(cap=100, others=300)], 80, 10, False, Wait()),  # lowered below what is held
    ],
)
def test_what_a_call_is_told(
    purses: list[Purse], full: int, least: int, waited: bool, told: Hold | Exhausted | Wait | Later
) -> None:
    assert verdict(purses, full, least, waited=waited) == told


amounts = st.integers(0, 10**12)


@given(amounts, amounts, amounts, st.integers(1, 64))
def test_nobody_is_given_more_than_there_is(available: int, at_least: int, more: int, workers: int) -> None:
    given_ = grant(available, at_least, at_least + more, workers)
    assert 0 <= given_ <= available
    assert given_ == 0 or given_ >= at_least
    if available >= at_least + more:
        assert given_ >= at_least + more, "what is wanted and there is given"


def test_slices_shrink_as_a_cap_comes_near() -> None:
    assert grant(10**6, 10, 10, 1) == 650
    assert grant(1_000, 10, 10, 1) == 10 + 990 // 8
    assert grant(1_000, 10, 10, 4) == 10 + 990 // 32
    assert grant(15, 10, 10, 4) == 10
    assert grant(9, 10, 10, 4) == 0


moves = st.one_of(
    st.tuples(st.just("grab"), st.integers(0, 2_000)),
    st.tuples(st.just("settle"), st.integers(0, 2_000)),
    st.tuples(st.just("recall"), st.just(0)),
)


@given(st.lists(moves))
def test_what_a_worker_is_allowed_is_neither_made_nor_lost(moves: list[tuple[str, int]]) -> None:
    purses = [purse(free=5_000, cap=10_000), purse(free=3_000, cap=10_000)]
    allowed = [5_000, 3_000]
    open_holds: list[int] = []
    for name, amount in moves:
        if name == "grab":
            before = [(one.free, one.held) for one in purses]
            if grab(purses, amount):
                open_holds.append(amount)
            else:
                assert before == [(one.free, one.held) for one in purses], "all or nothing"
        elif name == "settle" and open_holds:
            held = open_holds.pop()
            settle(purses, held, min(amount, held))
        elif name == "recall":
            recall(purses[0])
            assert purses[0].free == 0
        for one, total in zip(purses, allowed, strict=True):
            assert one.free + one.held + one.unposted + one.returning == total
            assert min(one.free, one.held, one.unposted, one.returning) >= 0
