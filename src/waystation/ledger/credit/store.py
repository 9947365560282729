"""The SQL of credit: grants and what is left of them, the fund that calls hold from, redeem codes.

The fund's cap is what was granted and has not expired, and the overdraft that the organization is allowed; what is spent
of it is what postings took from the credit account.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, insert, select, update

from waystation import tables
from waystation.ledger.credit.model import CreditStanding, Grant, RedeemCode, drawn
from waystation.ledger.funds.store import CREDIT, lock

_grants, _codes, _funds = tables.grants.c, tables.redeem_codes.c, tables.funds.c
_GRANT = [_grants[name] for name in Grant.__struct_fields__]
_CODE = [_codes[name] for name in RedeemCode.__struct_fields__]


def add_grant(connection: Connection, grant: Grant, overdraft_nano: int) -> None:
    """Write a grant, and let its credit be held. A debt is paid from it first."""
    lock(connection)
    mine = (_funds.owner == grant.organization_id, _funds.kind == CREDIT)
    raised = update(tables.funds).where(*mine).values(cap_nano=_funds.cap_nano + grant.amount_nano)
    if connection.execute(raised).rowcount == 0:
        _open(connection, grant.organization_id, grant.currency, grant.amount_nano + overdraft_nano)
    values = {name: getattr(grant, name) for name in Grant.__struct_fields__}
    values["left_nano"] = _not_in_grants(connection, grant.organization_id)
    connection.execute(insert(tables.grants).values(**values))


def _open(connection: Connection, organization_id: str, currency: str, cap_nano: int) -> None:
    made = {"kind": CREDIT, "owner": organization_id, "subject": "", "period_at": 0, "currency": currency}
    connection.execute(insert(tables.funds).values(**made, cap_nano=cap_nano, spent_nano=0, allowed_nano=0))


def spend(connection: Connection, organization_id: str, amount_nano: int) -> None:
    """Count a correction of what a prepaid organization spent. Less than nothing: in its favour."""
    spend_held(connection, organization_id, {0: amount_nano})


def spend_held(connection: Connection, organization_id: str, spent: Mapping[int, int]) -> None:
    """Count what a prepaid organization spent, in the fund and of its grants, by the time at which it was held."""
    amount_nano = sum(spent.values())
    mine = (_funds.owner == organization_id, _funds.kind == CREDIT)
    connection.execute(update(tables.funds).where(*mine).values(spent_nano=_funds.spent_nano + amount_nano))
    if amount_nano < 0:
        _give_to_newest(connection, organization_id)
        return
    left = {grant.id: grant for grant in live_grants(connection, organization_id)}
    before = dict(left)
    for at in sorted(spent):
        for grant, taken in drawn(list(left.values()), spent[at], at):
            left[grant.id] = msgspec.structs.replace(grant, left_nano=grant.left_nano - taken)
    for grant in before.values():
        if taken := grant.left_nano - left[grant.id].left_nano:
            _take_from(connection, grant, taken)


def _give_to_newest(connection: Connection, organization_id: str) -> None:
    """What came back goes to the grants that live longest, none of which gets more than it had."""
    rows = connection.execute(
        select(*_GRANT)
        .where(_grants.organization_id == organization_id, _grants.left_nano < _grants.amount_nano)
        .order_by(_grants.expires_at.is_(None).desc(), _grants.expires_at.desc(), _grants.created_at.desc())
    )
    amount_nano = _not_in_grants(connection, organization_id)
    for grant in [Grant(*row) for row in rows]:
        given = min(grant.amount_nano - grant.left_nano, amount_nano)
        if given:
            _take_from(connection, grant, -given)
            amount_nano -= given


def _not_in_grants(connection: Connection, organization_id: str) -> int:
    """What of the balance is in no grant yet: what is left of all grants together is the balance, unless that is a debt."""
    left = connection.execute(
        select(func.coalesce(func.sum(_grants.left_nano), 0)).where(_grants.organization_id == organization_id)
    ).scalar_one()
    return max(0, balance(connection, organization_id)) - int(left)


def _take_from(connection: Connection, grant: Grant, amount_nano: int) -> None:
    connection.execute(
        update(tables.grants).where(_grants.id == grant.id).values(left_nano=_grants.left_nano - amount_nano)
    )


def live_grants(connection: Connection, organization_id: str) -> list[Grant]:
    """Those of which something is left."""
    rows = connection.execute(select(*_GRANT).where(_grants.organization_id == organization_id, _grants.left_nano > 0))
    return [Grant(*row) for row in rows]


def grants(
    connection: Connection, organization_id: str, after_id: str, rows_max: int, *, ascending: bool = False
) -> list[Grant]:
    """A page of an organization's grants, the newest first or last."""
    query = select(*_GRANT).where(_grants.organization_id == organization_id)
    return [Grant(*row) for row in connection.execute(_page(query, _grants.id, after_id, rows_max, ascending))]


def _page(query: Select[Any], id_: Any, after_id: str, rows_max: int, ascending: bool) -> Select[Any]:
    if after_id:
        query = query.where(id_ > after_id if ascending else id_ < after_id)
    return query.order_by(id_ if ascending else id_.desc()).limit(rows_max)


def granted(connection: Connection, organization_id: str) -> int:
    """All that an organization was ever granted."""
    total = select(func.coalesce(func.sum(_grants.amount_nano), 0)).where(_grants.organization_id == organization_id)
    return int(connection.execute(total).scalar_one())


def standing(connection: Connection, whose: CreditStanding, at: int) -> CreditStanding:
    """How the credit of `whose` organization stands."""
    mine = _grants.organization_id == whose.organization_id
    total, count = granted(connection, whose.organization_id), select(func.count()).select_from(tables.grants)
    expiring = select(func.coalesce(func.sum(_grants.left_nano), 0)).where(mine, _grants.expires_at <= at)
    fund = connection.execute(
        select(tables.funds).where(_funds.owner == whose.organization_id, _funds.kind == CREDIT)
    ).first()
    if fund is None:
        return whose
    return msgspec.structs.replace(
        whose,
        granted_nano=total,
        used_nano=fund.spent_nano,
        expired_nano=total - (fund.cap_nano - whose.overdraft_nano),
        held_nano=fund.allowed_nano,
        expiring_nano=int(connection.execute(expiring).scalar_one()),
        grants=int(connection.execute(count.where(mine)).scalar_one()),
        next_expiry=_next_expiry(connection, whose.organization_id, at),
    )


def _next_expiry(connection: Connection, organization_id: str, at: int) -> tuple[int, int] | None:
    row = connection.execute(
        select(_grants.expires_at, func.sum(_grants.left_nano))
        .where(_grants.organization_id == organization_id, _grants.left_nano > 0, _grants.expires_at > at)
        .group_by(_grants.expires_at)
        .order_by(_grants.expires_at)
        .limit(1)
    ).first()
    return None if row is None else (int(row[0]), int(row[1]))


def change_overdraft(
    connection: Connection, organization_id: str, currency: str, overdraft_nano: int, before_nano: int
) -> bool:
    """Move the fund's cap with the overdraft; the fund is made when there was none. False: too much is spent and held."""
    lock(connection)
    mine = (_funds.owner == organization_id, _funds.kind == CREDIT)
    delta = overdraft_nano - before_nano
    if connection.execute(select(_funds.id).where(*mine)).first() is None:
        _open(connection, organization_id, currency, overdraft_nano)
    else:
        fits = _funds.spent_nano + _funds.allowed_nano <= _funds.cap_nano + delta
        # More of it always fits, also while a debt stands.
        where = mine if delta > 0 else (*mine, fits)
        moved = update(tables.funds).where(*where).values(cap_nano=_funds.cap_nano + delta)
        if connection.execute(moved).rowcount == 0:
            return False
    organization = tables.organizations.c
    connection.execute(
        update(tables.organizations).where(organization.id == organization_id).values(overdraft_nano=overdraft_nano)
    )
    return True


def change_currency(connection: Connection, organization_id: str, currency: str) -> bool:
    """Of a fund that nothing was granted to or spent from. False while something is held from it."""
    mine = (_funds.owner == organization_id, _funds.kind == CREDIT)
    if connection.execute(select(_funds.id).where(*mine, _funds.allowed_nano > 0)).first() is not None:
        return False
    connection.execute(update(tables.funds).where(*mine).values(currency=currency))
    return True


def balance(connection: Connection, organization_id: str) -> int:
    """What is left of an organization's credit: below zero when it is overdrawn."""
    organization = tables.organizations.c
    found = connection.execute(
        select(_funds.cap_nano - _funds.spent_nano - organization.overdraft_nano)
        .join_from(tables.funds, tables.organizations, organization.id == _funds.owner)
        .where(_funds.owner == organization_id, _funds.kind == CREDIT)
    ).scalar()
    return 0 if found is None else int(found)


# -- expiry


def expirable(connection: Connection, at: int, rows_max: int) -> list[tuple[Grant, int]]:
    """Grants that have expired and are not spent, each with what of it nobody holds: that much can go now."""
    rows = connection.execute(
        select(*_GRANT, _funds.cap_nano - _funds.spent_nano - _funds.allowed_nano)
        .join_from(tables.grants, tables.funds, (_funds.owner == _grants.organization_id) & (_funds.kind == CREDIT))
        .where(_grants.expires_at <= at, _grants.left_nano > 0)
        .order_by(_grants.expires_at, _grants.id)
        .limit(rows_max)
    )
    found: list[tuple[Grant, int]] = []
    free: dict[str, int] = {}
    for row in rows:
        grant = Grant(*row[:-1])
        left = free.setdefault(grant.organization_id, int(row[-1]))
        gone = min(grant.left_nano, max(0, left))
        free[grant.organization_id] = left - gone
        if gone:
            found.append((grant, gone))
    return found


def expire(connection: Connection, grant: Grant, amount_nano: int) -> None:
    _take_from(connection, grant, amount_nano)
    mine = (_funds.owner == grant.organization_id, _funds.kind == CREDIT)
    connection.execute(update(tables.funds).where(*mine).values(cap_nano=_funds.cap_nano - amount_nano))


# -- redeem codes


def add_codes(connection: Connection, codes: Sequence[tuple[RedeemCode, bytes]]) -> None:
    rows = [
        {name: getattr(code, name) for name in RedeemCode.__struct_fields__} | {"digest": digest}
        for code, digest in codes
    ]
    connection.execute(insert(tables.redeem_codes), rows)


def code_of(connection: Connection, digest: bytes) -> RedeemCode | None:
    row = connection.execute(select(*_CODE).where(_codes.digest == digest)).first()
    return None if row is None else RedeemCode(*row)


def use_code(connection: Connection, code_id: str, organization_id: str, grant_id: str, at: int) -> bool:
    """False when somebody else was first: the row is changed by one of them only."""
    used = (
        update(tables.redeem_codes)
        .where(_codes.id == code_id, _codes.redeemed_at.is_(None), _codes.voided_at.is_(None))
        .values(redeemed_at=at, organization_id=organization_id, grant_id=grant_id)
    )
    return connection.execute(used).rowcount == 1


def void_code(connection: Connection, code_id: str, at: int) -> bool:
    voided = (
        update(tables.redeem_codes)
        .where(_codes.id == code_id, _codes.redeemed_at.is_(None), _codes.voided_at.is_(None))
        .values(voided_at=at)
    )
    return connection.execute(voided).rowcount == 1


def codes(connection: Connection, after_id: str, rows_max: int, *, ascending: bool = False) -> list[RedeemCode]:
    """A page of codes, the newest first or last."""
    query = _page(select(*_CODE), _codes.id, after_id, rows_max, ascending)
    return [RedeemCode(*row) for row in connection.execute(query)]
