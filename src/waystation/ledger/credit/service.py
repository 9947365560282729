"""What can be done with credit: the rules and the order. Every verb runs in the transaction that it is given."""

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select

from waystation import tables
from waystation.errors import InvalidRequest, NotFound, TemporarilyHeld
from waystation.ledger import entries
from waystation.ledger.budgets.model import CAP_NANO_MAX, check_amount
from waystation.ledger.credit import store
from waystation.ledger.credit.model import (
    CODES_PER_BATCH_MAX,
    CreditStanding,
    Grant,
    Kind,
    RedeemCode,
    check_note,
    code_digest,
    make_code,
    redact_code,
)
from waystation.ledger.model import expiry_postings, grant_postings

CREDIT_TOPIC = "credit"  # of changes; the subject is the organization's id
EXPIRIES_PER_TICK_MAX = 500
GRANTED_NANO_MAX = 8 * CAP_NANO_MAX  # to one organization, ever: with its overdraft that still fits 64 bits


class Now(Protocol):
    def now_s(self) -> int: ...


class Credit:
    """The verbs. `new_id` makes an id with the prefix that it is given. All raise InvalidRequest or NotFound."""

    def __init__(self, clock: Now, new_id: Callable[[str], str]) -> None:
        self._clock = clock
        self._new_id = new_id

    def grant(
        self,
        connection: Connection,
        organization_id: str,
        amount_nano: object,
        *,
        currency: str | None = None,
        kind: Kind = "grant",
        expires_at: int | None = None,
        note: str = "",
    ) -> Grant:
        """Give a prepaid organization credit. `currency`, when it is said, must be the organization's."""
        now = self._clock.now_s()
        amount = check_amount(amount_nano, "amount_nano", least=1)
        self._check_future(expires_at, "expires_at", now)
        organization = self._prepaid(connection, organization_id, currency)
        if store.granted(connection, organization_id) + amount > GRANTED_NANO_MAX:
            raise InvalidRequest("That is more than one organization can be granted.", param="amount_nano")
        entry_id = entries.enter(
            connection, "grant", organization_id, organization.currency, grant_postings(amount), now
        )
        made = Grant(
            self._new_id("grant_"),
            organization_id,
            kind,
            organization.currency,
            amount,
            amount,
            expires_at,
            check_note(note),
            now,
            entry_id,
        )
        store.add_grant(connection, made, organization.overdraft_nano)
        connection.execute(insert(tables.changes).values(topic=CREDIT_TOPIC, subject=organization_id, at=now))
        return made

    def expire(self, connection: Connection) -> int:
        """Let go what has expired and nobody holds; returns how many grants that was. What is held goes a little later."""
        now = self._clock.now_s()
        expired = store.expirable(connection, now, EXPIRIES_PER_TICK_MAX)
        for grant, amount in expired:
            entries.enter(connection, "expiry", grant.organization_id, grant.currency, expiry_postings(amount), now)
            store.expire(connection, grant, amount)
        return len(expired)

    def set_overdraft(self, connection: Connection, organization_id: str, overdraft_nano: object) -> None:
        """How far below zero the credit may go. It can't be made less than what is owed and held already."""
        now = self._clock.now_s()
        overdraft = check_amount(overdraft_nano, "overdraft_nano")
        organization = self._organization(connection, organization_id)
        if overdraft == organization.overdraft_nano:
            return
        if not store.change_overdraft(
            connection, organization_id, organization.currency, overdraft, organization.overdraft_nano
        ):
            raise InvalidRequest(
                "The overdraft can't be less than what is owed and held by calls under way.", param="overdraft_nano"
            )
        connection.execute(insert(tables.changes).values(topic=CREDIT_TOPIC, subject=organization_id, at=now))

    def change_currency(self, connection: Connection, organization_id: str, currency: str) -> None:
        """The organization, of which no money has moved yet, has another currency. Raises TemporarilyHeld."""
        if not store.change_currency(connection, organization_id, currency):
            raise TemporarilyHeld("Calls of this organization are being answered.", retry_after_ms=1_000)

    # -- reading

    def standing(self, connection: Connection, organization_id: str) -> CreditStanding:
        """How an organization's credit stands now."""
        organization = self._organization(connection, organization_id)
        return store.standing(
            connection,
            CreditStanding(
                organization_id, organization.currency, bool(organization.postpaid), organization.overdraft_nano
            ),
            self._clock.now_s(),
        )

    def grants(
        self, connection: Connection, organization_id: str, after_id: str, rows_max: int, *, ascending: bool = False
    ) -> list[Grant]:
        return store.grants(connection, organization_id, after_id, rows_max, ascending=ascending)

    def codes(
        self, connection: Connection, after_id: str, rows_max: int, *, ascending: bool = False
    ) -> list[RedeemCode]:
        return store.codes(connection, after_id, rows_max, ascending=ascending)

    # -- redeem codes

    def create_codes(
        self,
        connection: Connection,
        count: int,
        amount_nano: object,
        currency: str,
        *,
        expires_at: int | None = None,
        credit_expires_at: int | None = None,
    ) -> list[tuple[RedeemCode, str]]:
        """New codes, with what is to be handed out: this is the only time that it can be seen."""
        now = self._clock.now_s()
        amount = check_amount(amount_nano, "amount_nano", least=1)
        if not 1 <= count <= CODES_PER_BATCH_MAX:
            raise InvalidRequest(f"'count' is between 1 and {CODES_PER_BATCH_MAX}.", param="count")
        self._check_future(expires_at, "expires_at", now)
        self._check_future(credit_expires_at, "credit_expires_at", now)
        made: list[tuple[RedeemCode, str]] = []
        for _ in range(count):
            secret = make_code()
            code = RedeemCode(
                self._new_id("code_"), redact_code(secret), currency, amount, credit_expires_at, expires_at, now
            )
            made.append((code, secret))
        store.add_codes(connection, [(code, code_digest(secret)) for code, secret in made])
        return made

    def redeem(self, connection: Connection, organization_id: str, code: str) -> Grant:
        """Turn a code into credit. Of several who try at once one gets it."""
        now = self._clock.now_s()
        found = store.code_of(connection, code_digest(code))
        if found is None or found.voided_at is not None:
            raise NotFound("There is no such code. Check it for typos, or ask who gave it to you.", param="code")
        if found.redeemed_at is not None:
            raise InvalidRequest("This code has been redeemed already.", param="code", code="code_redeemed")
        if found.expires_at is not None and found.expires_at <= now:
            raise InvalidRequest("This code has expired.", param="code", code="code_expired")
        if found.credit_expires_at is not None and found.credit_expires_at <= now:
            raise InvalidRequest("The credit of this code has expired.", param="code", code="code_expired")
        made = self.grant(
            connection,
            organization_id,
            found.amount_nano,
            currency=found.currency,
            kind="redeem_code",
            expires_at=found.credit_expires_at,
            note=found.redacted,
        )
        if not store.use_code(connection, found.id, organization_id, made.id, now):
            # Raised, so that the transaction takes the grant back.
            raise InvalidRequest("This code has been redeemed already.", param="code", code="code_redeemed")
        return made

    def void_code(self, connection: Connection, code_id: str) -> None:
        """A code that was not redeemed never will be."""
        if not store.void_code(connection, code_id, self._clock.now_s()):
            raise NotFound(f"There is no code {code_id[:80]!r} that could be voided.", param="code_id")

    def _prepaid(self, connection: Connection, organization_id: str, currency: str | None) -> Any:
        organization = self._organization(connection, organization_id)
        if organization.postpaid:
            raise InvalidRequest(
                "This organization is postpaid: it needs no credit, its budgets limit it.", param="organization_id"
            )
        if currency is not None and currency != organization.currency:
            raise InvalidRequest(
                f"The organization's currency is {organization.currency}, not {currency[:20]}.", param="currency"
            )
        return organization

    def _organization(self, connection: Connection, organization_id: str) -> Any:
        organization = connection.execute(
            select(tables.organizations).where(tables.organizations.c.id == organization_id)
        ).first()
        if organization is None:
            raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        return organization

    def _check_future(self, at: int | None, param: str, now: int) -> None:
        if at is not None and at <= now:
            raise InvalidRequest(f"'{param}' must be in the future.", param=param)
