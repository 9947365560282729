"""`/v1/waystation/credit`: what a prepaid organization has left, and how it is given more."""

from functools import partial
from typing import Any

import msgspec

from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.ledger.credit.model import CreditStanding, Grant, RedeemCode
from waystation.wire.credit import (
    CodeList,
    CodeObject,
    CreateCodes,
    CreateGrant,
    CreditExpiry,
    CreditObject,
    GrantList,
    GrantObject,
    Redeem,
)
from waystation.wire.listing import Deleted, Page, listing
from waystation.wire.money import required_nano
from waystation.wire.read import Reader

_read_grant, _read_redeem, _read_codes = Reader(CreateGrant).read, Reader(Redeem).read, Reader(CreateCodes).read


async def retrieve(control: Control, asked: Asked) -> CreditObject:
    return credit_object(await control.read(partial(control.credit.standing, organization_id=asked.organization_id)))


# -- grants


async def create_grant(control: Control, asked: Asked) -> GrantObject:
    wanted = _read_grant(asked.body)
    give = partial(
        control.credit.grant,
        organization_id=wanted.organization_id or asked.organization_id,
        amount_nano=required_nano(wanted.amount_nano, wanted.amount, "amount"),
        currency=wanted.currency,
        kind=wanted.kind or "grant",
        expires_at=wanted.expires_at,
        note=wanted.note or "",
    )
    return grant_object(await control.change(give))


async def list_grants(control: Control, asked: Asked) -> GrantList:
    page = asked.page()
    found = await control.read(
        lambda connection: control.credit.grants(
            connection, asked.organization_id, page.after, page.rows_max, ascending=page.ascending
        )
    )
    return listing(GrantList, page, [grant_object(grant) for grant in found])


# -- redeem codes


async def redeem(control: Control, asked: Asked) -> GrantObject:
    code = _read_redeem(asked.body).code
    return grant_object(
        await control.change(
            partial(control.credit.redeem, organization_id=asked.organization_id, code=code),
        )
    )


async def create_codes(control: Control, asked: Asked) -> CodeList:
    wanted = _read_codes(asked.body)
    amount_nano = required_nano(wanted.amount_nano, wanted.amount, "amount")

    def make(connection: Any) -> list[tuple[RedeemCode, str]]:
        home = control.accounts.organization(connection, asked.caller.organization_id)
        return control.credit.create_codes(
            connection,
            wanted.count,
            amount_nano,
            wanted.currency or home.currency,
            expires_at=wanted.expires_at,
            credit_expires_at=wanted.credit_expires_at,
        )

    made, now = await control.change(make), control.clock.now_s()
    whole = Page("", len(made), ascending=True)
    return listing(CodeList, whole, [code_object(code, now, secret) for code, secret in made])


async def list_codes(control: Control, asked: Asked) -> CodeList:
    page, now = asked.page(), control.clock.now_s()
    found = await control.read(
        lambda connection: control.credit.codes(connection, page.after, page.rows_max, ascending=page.ascending)
    )
    return listing(CodeList, page, [code_object(code, now) for code in found])


async def delete_code(control: Control, asked: Asked) -> Deleted:
    code_id = asked.id("code_id")
    await control.change(partial(control.credit.void_code, code_id=code_id))
    return Deleted(object="credit.code.deleted", id=code_id)


# -- as they are shown


def credit_object(standing: CreditStanding) -> CreditObject:
    expiry = standing.next_expiry
    return CreditObject(
        organization_id=standing.organization_id,
        currency=standing.currency,
        postpaid=standing.postpaid,
        balance_nano=str(standing.balance_nano),
        held_nano=str(standing.held_nano),
        overdraft_nano=str(standing.overdraft_nano),
        available_nano=str(standing.available_nano),
        granted_nano=str(standing.granted_nano),
        used_nano=str(standing.used_nano),
        expired_nano=str(standing.expired_nano),
        grants=standing.grants,
        next_expiry=None if expiry is None else CreditExpiry(expires_at=expiry[0], left_nano=str(expiry[1])),
    )


def grant_object(grant: Grant) -> GrantObject:
    return GrantObject(
        id=grant.id,
        organization_id=grant.organization_id,
        kind=grant.kind,
        currency=grant.currency,
        amount_nano=str(grant.amount_nano),
        left_nano=str(grant.left_nano),
        expires_at=grant.expires_at,
        note=grant.note,
        created_at=grant.created_at,
    )


def code_object(code: RedeemCode, now_s: int, secret: str | None = None) -> CodeObject:
    shown = CodeObject(
        id=code.id,
        redacted_value=code.redacted,
        currency=code.currency,
        amount_nano=str(code.amount_nano),
        credit_expires_at=code.credit_expires_at,
        expires_at=code.expires_at,
        created_at=code.created_at,
        status=code.status(now_s),
        redeemed_at=code.redeemed_at,
        redeemed_by=code.organization_id,
        grant_id=code.grant_id,
    )
    return shown if secret is None else msgspec.structs.replace(shown, code=secret)


_CREDIT = "/waystation/credit"
RESOURCES = (
    Resource("GET", _CREDIT, retrieve, "retrieveCredit", "What is left of an organization's credit.", CreditObject),
    Resource(
        "GET", f"{_CREDIT}/grants", list_grants, "listGrants", "The credit that was given.", GrantList, query=PAGE
    ),
    Resource(
        "POST",
        f"{_CREDIT}/grants",
        create_grant,
        "createGrant",
        "Give an organization credit.",
        GrantObject,
        CreateGrant,
    ),
    Resource("POST", f"{_CREDIT}/redeem", redeem, "redeemCode", "Turn a code into credit.", GrantObject, Redeem),
    Resource("GET", f"{_CREDIT}/codes", list_codes, "listCodes", "Redeem codes, redacted.", CodeList, query=PAGE),
    Resource(
        "POST",
        f"{_CREDIT}/codes",
        create_codes,
        "createCodes",
        "Make redeem codes. They are shown this once.",
        CodeList,
        CreateCodes,
    ),
    Resource(
        "DELETE", f"{_CREDIT}/codes/{{code_id}}", delete_code, "deleteCode", "Void a code nobody has redeemed.", Deleted
    ),
)
