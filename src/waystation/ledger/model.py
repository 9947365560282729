"""The rules of the books: what a settlement charges, and the postings that follow. Pure, integers only.

What may be held is the rule of `funds/`.

Signs: a debit is positive, a credit negative, so the accounts of an organization always add up to zero. `credit` is
what we owe a prepaid customer: it starts at minus what was granted and rises to zero as it is spent.
"""

import msgspec

# Kinds of accounts. Calls are charged to the first of a postpaid organization, to the second of a prepaid one.
RECEIVABLE = "receivable"
CREDIT = "credit"
GRANTS = "grants"
REVENUE = "revenue"
PROVIDER_VARIANCE = "provider_variance"


def split(cost_nano: int, held_nano: int) -> tuple[int, int]:
    """What the customer is charged, never above the hold, and what a provider took above it: that is ours."""
    return (cost_nano, 0) if cost_nano <= held_nano else (held_nano, cost_nano - held_nano)


def usage_postings(charged_nano: int, variance_nano: int, payer: str) -> dict[str, int]:
    """The postings of used tokens by kind of account, without those of nothing. They add up to zero."""
    postings = {payer: charged_nano, PROVIDER_VARIANCE: variance_nano, REVENUE: -(charged_nano + variance_nano)}
    return {kind: amount for kind, amount in postings.items() if amount}


def grant_postings(amount_nano: int) -> dict[str, int]:
    """The postings of credit that is given."""
    return {GRANTS: amount_nano, CREDIT: -amount_nano}


def expiry_postings(amount_nano: int) -> dict[str, int]:
    """The postings of credit that has expired unspent."""
    return {CREDIT: amount_nano, GRANTS: -amount_nano}


def correction_postings(delta_nano: int, payer: str) -> dict[str, int]:
    """The postings of a charge that turned out to be too low or, below zero, too high."""
    return {payer: delta_nano, REVENUE: -delta_nano}


class Problem(msgspec.Struct, frozen=True):
    """Something in the books that doesn't add up: the table, the row, and what is wrong with it."""

    table: str
    row: str
    message: str
