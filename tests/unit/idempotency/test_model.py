"""What a repeat gets, as a table of stories."""

import pytest

from waystation.errors import InvalidRequest
from waystation.idempotency.model import (
    Asked,
    Move,
    Refuse,
    Replay,
    Row,
    Run,
    State,
    Wait,
    in_progress,
    next_move,
    read_asked,
    refused,
)

OURS, ANOTHERS = 7, 8
ASKED = Asked("proj", b"key", b"body", "req_2", stream=False)


def row(state: State, epoch: int = ANOTHERS, body_digest: bytes = b"body") -> Row:
    return Row(body_digest, state, epoch, "req_1", False)


@pytest.mark.parametrize(
    ("found", "then"),
    [
        (None, Run()),
        (row("running"), Wait()),
        (row("done"), Replay(row("done"))),
        (row("done", OURS), Replay(row("done", OURS))),
        (row("lost"), Refuse("idempotency_answer_lost")),
        (row("running", OURS), Refuse("idempotency_answer_lost")),  # we ran it, and its end could not be written down
        (row("too_large"), Refuse("idempotency_answer_too_large")),
        *(
            (row(state, body_digest=b"other"), Refuse("idempotency_key_reused"))
            for state in ("running", "done", "lost", "too_large")
        ),
    ],
)
def test_what_a_repeat_gets(found: Row | None, then: Move) -> None:
    assert next_move(found, ASKED, OURS) == then


@pytest.mark.parametrize("key", [b"a", b"8e03978e-40d5-43dd-bc93-6894a57f9324", b'"quoted, spaced"', b"x" * 255])
def test_a_key_is_1_to_255_printable_characters(key: bytes) -> None:
    read_asked("proj", key, "chat", b"{}", "req", False)


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\tb", b"\x7f", "schlüssel".encode()])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_asked("proj", key, "chat", b"{}", "req", False)
    assert (caught.value.status, caught.value.param) == (400, "Idempotency-Key")


def test_the_same_call_is_the_same_and_any_other_is_not() -> None:
    def digest(operation: str, body: bytes) -> bytes:
        return read_asked("proj", b"k", operation, body, "req", False).body_digest

    assert digest("chat", b"{}") == digest("chat", b"{}")
    assert len({digest("chat", b"{}"), digest("embeddings", b"{}"), digest("chat", b"{ }")}) == 3


def test_sdks_try_again_only_where_that_helps() -> None:
    """They retry a 409 by themselves unless they are told not to."""
    assert in_progress().retry_after_ms
    for code in ("idempotency_key_reused", "idempotency_answer_lost", "idempotency_answer_too_large"):
        error = refused(code)
        assert (error.status, error.code, dict(error.headers)) == (409, code, {"x-should-retry": "false"})
        assert "key" in error.message
