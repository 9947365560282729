"""The rules of the books: whatever comes in whatever order, money is neither made nor lost."""

from hypothesis import given
from hypothesis import strategies as st

from waystation.ledger.model import CREDIT, PROVIDER_VARIANCE, REVENUE, Books, grant_postings, split, usage_postings

requests = st.sampled_from(["a", "b", "c"])
amounts = st.integers(-10, 9_000)
moves = st.one_of(
    st.tuples(st.just("grant"), amounts),
    st.tuples(st.just("hold"), requests, amounts),
    st.tuples(st.just("settle"), requests, amounts),
    st.tuples(st.just("void"), requests),
)


def state(books: Books) -> tuple[dict[str, int], dict[str, int], int]:
    return dict(books.settled), dict(books.open), books.held_nano


@given(st.lists(moves))
def test_money_is_neither_made_nor_lost(moves: list[tuple[str, ...]]) -> None:
    books = Books(granted_nano=5_000)
    for name, *arguments in moves:
        before = state(books)
        accepted = getattr(books, name)(*arguments)
        assert accepted or state(books) == before, "a refused move changes nothing"
        assert sum(books.settled.values()) == 0
        assert books.available_nano() >= 0
        assert books.held_nano == sum(books.open.values())


@given(st.lists(st.tuples(requests, st.integers(0, 9_000))))
def test_a_request_is_charged_at_most_once_and_never_above_its_hold(settlements: list[tuple[str, int]]) -> None:
    books = Books(granted_nano=10_000)
    for request in "abc":
        assert books.hold(request, 3_000)
    charged = dict.fromkeys("abc", 0)
    for request, cost in settlements:
        before = books.settled[CREDIT]
        if books.settle(request, cost):
            assert charged[request] == 0
            charged[request] = books.settled[CREDIT] - before
    assert all(amount <= 3_000 for amount in charged.values())
    assert books.available_nano() == 10_000 - sum(charged.values()) - sum(books.open.values())


def test_a_hold_that_cant_be_paid_is_refused() -> None:
    books = Books(granted_nano=100)
    assert books.hold("a", 60)
    assert not books.hold("b", 41)
    assert books.hold("b", 40)
    assert books.void("a")
    assert books.available_nano() == 60


def test_what_a_provider_takes_above_the_hold_is_ours() -> None:
    books = Books(granted_nano=100)
    books.hold("a", 60)
    books.settle("a", 75)
    assert books.settled == {"grants": 100, CREDIT: -40, PROVIDER_VARIANCE: 15, REVENUE: -75}


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_postings_add_up_to_zero(cost: int, held: int) -> None:
    charged, variance = split(cost, held)
    assert charged + variance == cost
    assert charged <= held
    assert sum(usage_postings(charged, variance, CREDIT).values()) == 0
    assert sum(grant_postings(cost).values()) == 0
