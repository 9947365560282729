"""The rules of the books: what a provider takes above a hold is ours, and postings add up to zero."""

from hypothesis import given
from hypothesis import strategies as st

from waystation.ledger.model import (
    CREDIT,
    correction_postings,
    expiry_postings,
    grant_postings,
    split,
    usage_postings,
)


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_postings_add_up_to_zero(cost: int, held: int) -> None:
    charged, variance = split(cost, held)
    assert charged + variance == cost
    assert charged <= held
    assert sum(usage_postings(charged, variance, CREDIT).values()) == 0
    assert sum(grant_postings(cost).values()) == 0
    assert sum(expiry_postings(cost).values()) == 0
    assert sum(correction_postings(cost - held, CREDIT).values()) == 0
