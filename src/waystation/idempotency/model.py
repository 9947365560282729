"""What a call with an Idempotency-Key is compared by, and what follows from what is known of its key. Pure.

Source: draft-ietf-httpapi-idempotency-key-header, and how Stripe answers repeats.
"""

from hashlib import sha256
from typing import Literal

import msgspec

from waystation.errors import IdempotencyConflict, InvalidRequest

HEADER = "Idempotency-Key"
KEY_CHARS_MAX = 255
RETRY_AFTER_MS = 1_000  # while the first call is still running

State = Literal["running", "done", "lost", "too_large"]


class Asked(msgspec.Struct, frozen=True):
    """A call that is to be answered once."""

    project_id: str
    digest: bytes  # SHA-256 of the key: the key itself is nowhere
    body_digest: bytes  # SHA-256 of what was asked for, and where
    request_id: str
    stream: bool


class Row(msgspec.Struct, frozen=True):
    """What is known of a key."""

    body_digest: bytes
    state: State
    epoch: int  # of the worker that runs it or ran it
    request_id: str
    stream: bool
    headers: bytes = b""  # of the answer, as encoded lines
    body: bytes = b""


class Run(msgspec.Struct, frozen=True):
    """Nobody has asked before: the key is ours now."""


class Replay(msgspec.Struct, frozen=True):
    """The answer is there."""

    row: Row


class Wait(msgspec.Struct, frozen=True):
    """Another worker is about it."""


class Refuse(msgspec.Struct, frozen=True):
    code: Literal["idempotency_key_reused", "idempotency_answer_lost", "idempotency_answer_too_large"]


Move = Run | Replay | Wait | Refuse


def next_move(row: Row | None, asked: Asked, epoch: int) -> Move:
    """What to do about a call, given what was found under its key; None: nothing. `epoch` is the asking worker's own.

    To be asked for a call that this worker is not running already.
    """
    if row is None:
        return Run()
    if row.body_digest != asked.body_digest:
        return Refuse("idempotency_key_reused")
    if row.state == "done":
        return Replay(row)
    if row.state == "too_large":
        return Refuse("idempotency_answer_too_large")
    # One that we have run and whose end could not be written down is as lost as one of a worker that crashed.
    if row.state == "lost" or row.epoch == epoch:
        return Refuse("idempotency_answer_lost")
    return Wait()


_WORDS = {
    "idempotency_key_reused": "This Idempotency-Key was used before for a request with another body or URL. Send a new key "
    "for a new request, or the first request's own body to get its answer again.",
    "idempotency_answer_lost": "The first request with this Idempotency-Key was cut off by a restart of the server, and its "
    "answer was lost; what had been received of it was charged. Send the request with a new key.",
    "idempotency_answer_too_large": "The answer to the first request with this Idempotency-Key was too large to be kept. It "
    "was charged once. Send the request with a new key to have it answered anew.",
}


def refused(code: str) -> IdempotencyConflict:
    """The 409 for a repeat that can have no answer; SDKs are told not to try again."""
    return IdempotencyConflict(_WORDS[code], param=HEADER, code=code, headers=(("x-should-retry", "false"),))


def in_progress() -> IdempotencyConflict:
    return IdempotencyConflict(
        "The first request with this Idempotency-Key is still being answered. Send the same request again in a moment.",
        param=HEADER,
        code="idempotency_in_progress",
        retry_after_ms=RETRY_AFTER_MS,
    )


def read_asked(project_id: str, key: bytes, operation: str, body: bytes, request_id: str, stream: bool) -> Asked:
    """A call as it is compared. Raises InvalidRequest when the key is none.

    `operation` stands for the URL: the same call under another prefix is the same call. The body counts byte by byte.
    """
    if not 1 <= len(key) <= KEY_CHARS_MAX or not all(0x20 <= char <= 0x7E for char in key):
        raise InvalidRequest(
            f"Invalid '{HEADER}': it must have 1 to {KEY_CHARS_MAX} printable ASCII characters. A UUID will do.",
            param=HEADER,
            code="invalid_idempotency_key",
        )
    body_digest = sha256(operation.encode() + b"\n" + body).digest()
    return Asked(project_id, sha256(key).digest(), body_digest, request_id, stream)
