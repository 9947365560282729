"""The rules of the books: what is available, what a hold binds, what a settlement charges. Pure, integers only.

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


class Books:
    """The money of one prepaid organization in one currency: what was granted, what is held, what is settled.

    Each call is held once and then settled or voided once. A refused move changes nothing.
    """

    __slots__ = ("held_nano", "open", "settled")

    def __init__(self, granted_nano: int = 0) -> None:
        self.settled: dict[str, int] = {GRANTS: 0, CREDIT: 0, REVENUE: 0, PROVIDER_VARIANCE: 0}
        self.open: dict[str, int] = {}  # what each open hold binds, by request
        self.held_nano = 0
        if granted_nano:
            self._post(grant_postings(granted_nano))

    def available_nano(self) -> int:
        """What a new hold may bind."""
        return -self.settled[CREDIT] - self.held_nano

    def grant(self, amount_nano: int) -> bool:
        if amount_nano <= 0:
            return False
        self._post(grant_postings(amount_nano))
        return True

    def hold(self, request_id: str, amount_nano: int) -> bool:
        """False when it can't be paid, or the request holds already."""
        if request_id in self.open or amount_nano < 0 or amount_nano > self.available_nano():
            return False
        self.open[request_id] = amount_nano
        self.held_nano += amount_nano
        return True

    def settle(self, request_id: str, cost_nano: int) -> bool:
        """False when there is no such hold (any more), so a settlement counts once."""
        held = self.open.get(request_id)
        if held is None or cost_nano < 0:
            return False
        self._release(request_id)
        self._post(usage_postings(*split(cost_nano, held), CREDIT))
        return True

    def void(self, request_id: str) -> bool:
        """Give a hold back. False when there is none."""
        if request_id not in self.open:
            return False
        self._release(request_id)
        return True

    def _release(self, request_id: str) -> None:
        self.held_nano -= self.open.pop(request_id)

    def _post(self, postings: dict[str, int]) -> None:
        for kind, amount in postings.items():
            self.settled[kind] += amount


class Problem(msgspec.Struct, frozen=True):
    """Something in the books that doesn't add up: the table, the row, and what is wrong with it."""

    table: str
    row: str
    message: str
