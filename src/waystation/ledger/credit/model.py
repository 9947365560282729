"""Credit as plain data: grants, the order in which they are spent, and how a redeem code looks. No database."""

import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Literal

import msgspec

from waystation.errors import InvalidRequest

Kind = Literal["sign_up", "grant", "top_up", "redeem_code"]
KINDS: tuple[Kind, ...] = ("sign_up", "grant", "top_up", "redeem_code")

NOTE_CHARS_MAX = 500
CODES_PER_BATCH_MAX = 1_000
_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # 32 letters that nobody mistakes for one another
_CODE_CHARS, _CODE_GROUP = 20, 4  # 100 bits of chance, in groups that can be read aloud


class Grant(msgspec.Struct, frozen=True):
    """Credit that was given. `left_nano` is what is not spent of it yet."""

    id: str
    organization_id: str
    kind: Kind
    currency: str
    amount_nano: int
    left_nano: int
    expires_at: int | None
    note: str
    created_at: int
    entry_id: int


class RedeemCode(msgspec.Struct, frozen=True):
    """A code that gives credit once. The code itself is in no table."""

    id: str
    redacted: str
    currency: str
    amount_nano: int
    credit_expires_at: int | None
    expires_at: int | None
    created_at: int
    voided_at: int | None = None
    redeemed_at: int | None = None
    organization_id: str | None = None
    grant_id: str | None = None

    def status(self, now_s: int) -> Literal["open", "redeemed", "expired", "voided"]:
        if self.redeemed_at is not None:
            return "redeemed"
        if self.voided_at is not None:
            return "voided"
        ends = [at for at in (self.expires_at, self.credit_expires_at) if at is not None]
        return "expired" if ends and min(ends) <= now_s else "open"


class CreditStanding(msgspec.Struct, frozen=True):
    """How an organization's credit stands: granted = balance + used + expired."""

    organization_id: str
    currency: str
    postpaid: bool
    overdraft_nano: int
    granted_nano: int = 0
    used_nano: int = 0
    expired_nano: int = 0
    held_nano: int = 0  # the allowances of workers: for calls under way, and what they keep for the next ones
    expiring_nano: int = 0  # its time is over, but it has not been taken out of the books yet
    grants: int = 0
    next_expiry: tuple[int, int] | None = None  # when, and how much

    @property
    def balance_nano(self) -> int:
        return self.granted_nano - self.used_nano - self.expired_nano

    @property
    def available_nano(self) -> int:
        """What a new call could hold."""
        return max(0, self.balance_nano + self.overdraft_nano - self.held_nano - self.expiring_nano)


def spending_order(grants: Sequence[Grant], at: int) -> list[Grant]:
    """What expires first is spent first; of the rest the oldest. What had expired when a call was held can't pay for it
    while there is anything else."""

    def order(grant: Grant) -> tuple[bool, bool, int, int, str]:
        ends = grant.expires_at
        return ends is not None and ends <= at, ends is None, ends or 0, grant.created_at, grant.id

    return sorted(grants, key=order)


def drawn(grants: Sequence[Grant], amount_nano: int, at: int) -> Iterator[tuple[Grant, int]]:
    """From which grants an amount is taken that was held at a time. What is more than all of them have is an overdraft,
    and of no grant."""
    for grant in spending_order(grants, at):
        taken = min(grant.left_nano, amount_nano)
        if taken > 0:
            yield grant, taken
            amount_nano -= taken


def check_note(note: str) -> str:
    if len(note) > NOTE_CHARS_MAX or not note.isprintable():
        raise InvalidRequest(f"'note' has at most {NOTE_CHARS_MAX} printable characters.", param="note")
    return note


# -- redeem codes


def make_code(random: Callable[[int], bytes] = os.urandom) -> str:
    """A new code: WAY-ABCD-EFGH-JKLM-NPQR-STUV."""
    letters = "".join(_CODE_ALPHABET[byte % 32] for byte in random(_CODE_CHARS))
    groups = (letters[start : start + _CODE_GROUP] for start in range(0, _CODE_CHARS, _CODE_GROUP))
    return "-".join(("WAY", *groups))


def code_digest(code: str) -> bytes:
    """What is kept of a code. Case, blanks and dashes don't matter to who types it."""
    return sha256("".join(letter for letter in code.upper() if letter.isalnum()).encode()).digest()


def redact_code(code: str) -> str:
    return f"{code[:8]}…{code[-4:]}"
