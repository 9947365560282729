"""`/v1/waystation/organization` and `/v1/waystation/organizations`: who pays, in which currency, by which clock."""

from functools import partial
from typing import Any

import msgspec

from waystation.accounts.model import Organization
from waystation.http.v1.control import PAGE, Asked, Control, Resource, operator_only
from waystation.wire.listing import listing
from waystation.wire.money import asked_nano
from waystation.wire.organizations import (
    CreateOrganization,
    OrganizationList,
    OrganizationObject,
    UpdateOrganization,
)
from waystation.wire.read import Reader

_read_create, _read_update = Reader(CreateOrganization).read, Reader(UpdateOrganization).read


async def retrieve(control: Control, asked: Asked) -> OrganizationObject:
    return organization_object(
        await control.read(partial(control.accounts.organization, organization_id=asked.organization_id))
    )


async def update(control: Control, asked: Asked) -> OrganizationObject:
    wanted = _read_update(asked.body)
    overdraft_nano = asked_nano(wanted.overdraft_nano, wanted.overdraft, "overdraft")
    on_trust = wanted.postpaid is not None or overdraft_nano is not None
    if on_trust and not await control.is_operator(asked.caller):
        raise operator_only("To change 'postpaid' or the overdraft")
    return organization_object(
        await control.change(partial(_update, control, asked.organization_id, wanted, overdraft_nano))
    )


def _update(
    control: Control, organization_id: str, wanted: UpdateOrganization, overdraft_nano: int | None, connection: Any
) -> Organization:
    """What an organization has in several folders, in one transaction."""
    before = control.accounts.organization(connection, organization_id)
    after = control.accounts.update_organization(
        connection,
        organization_id,
        name=wanted.name,
        currency=wanted.currency,
        postpaid=wanted.postpaid,
        time_zone=wanted.time_zone,
    )
    if after.currency != before.currency:
        control.credit.change_currency(connection, organization_id, after.currency)
    if after.time_zone != before.time_zone:
        control.budgets.time_zone_changed(connection, organization_id)
    if overdraft_nano is not None:
        control.credit.set_overdraft(connection, organization_id, overdraft_nano)
    return control.accounts.organization(connection, organization_id)


async def create(control: Control, asked: Asked) -> OrganizationObject:
    """A prepaid organization with a project and the credit of a sign-up."""
    wanted = _read_create(asked.body)

    def make(connection: Any) -> OrganizationObject:
        made = control.accounts.create_organization(
            connection,
            wanted.name,
            currency=wanted.currency or "USD",
            postpaid=False,
            time_zone=wanted.time_zone or "UTC",
        )
        project = control.accounts.create_project(connection, made.id, "Default project")
        if control.signup_grant_nano:
            control.credit.grant(connection, made.id, control.signup_grant_nano, kind="sign_up")
        return msgspec.structs.replace(organization_object(made), default_project_id=project.id)

    return await control.change(make)


async def list_(control: Control, asked: Asked) -> OrganizationList:
    page = asked.page()
    found = await control.read(
        lambda connection: control.accounts.organizations(
            connection, page.after, page.rows_max, ascending=page.ascending
        )
    )
    return listing(OrganizationList, page, [organization_object(each) for each in found])


def organization_object(organization: Organization) -> OrganizationObject:
    return OrganizationObject(
        id=organization.id,
        name=organization.name,
        currency=organization.currency,
        postpaid=bool(organization.postpaid),
        overdraft_nano=str(organization.overdraft_nano),
        time_zone=organization.time_zone,
        created_at=organization.created_at,
    )


_ONE, _ALL = "/waystation/organization", "/waystation/organizations"
RESOURCES = (
    Resource("GET", _ONE, retrieve, "retrieveOrganization", "The organization of this key.", OrganizationObject),
    Resource(
        "POST", _ONE, update, "updateOrganization", "Change an organization.", OrganizationObject, UpdateOrganization
    ),
    Resource("GET", _ALL, list_, "listOrganizations", "All organizations.", OrganizationList, query=PAGE),
    Resource(
        "POST",
        _ALL,
        create,
        "createOrganization",
        "Make a prepaid organization, with a project and the credit of a sign-up.",
        OrganizationObject,
        CreateOrganization,
    ),
)
