"""What `POST /v1/waystation/ledger/verify` answers with."""

from typing import Literal

from waystation.wire.answers import Shape


class LedgerProblem(Shape, frozen=True, kw_only=True):
    table: str
    row: str
    message: str


class LedgerVerification(Shape, frozen=True, kw_only=True):
    """`problems` has the first thousand of `problems_total`."""

    object: Literal["ledger.verification"] = "ledger.verification"
    ok: bool
    problems: list[LedgerProblem]
    problems_total: int
    took_ms: int
