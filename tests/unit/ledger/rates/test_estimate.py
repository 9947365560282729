"""How many tokens a call is taken to use before anybody knows."""

import pytest

from tests.unit.ledger.ledger_stand import MODEL, Asked, call
from waystation.ledger.rates.estimate import tokens_estimated
from waystation.terms import Operation


@pytest.mark.parametrize(
    ("asked", "body_bytes", "tokens"),
    [
        (Asked(), 401, 101),  # nothing asked for: the input by its size, rounded up
        (Asked(output_tokens_asked=50), 400, 100),
        (Asked(output_tokens_asked=300), 400, 300),
        (Asked(output_tokens_asked=300, choices=3), 400, 900),
        (Asked(output_tokens_asked=10**9), 400, 1_000),  # no more than the model can do
        (Asked(has_images=True), 4_000_000, 4_096),  # a picture's bytes are no characters
        (Asked(), 4_000_000, 1_000_000),
        (Asked(), 0, 0),
    ],
)
def test_the_larger_of_what_is_asked_for_and_what_is_given_counts(asked: Asked, body_bytes: int, tokens: int) -> None:
    assert tokens_estimated(call("req_1", asked, Operation.CHAT, b"x" * body_bytes), MODEL) == tokens
