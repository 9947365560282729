"""`/v1/organization/projects/{project_id}/api_keys`, as OpenAI has it, and `/v1/waystation/keys`, which makes them."""

from functools import partial
from typing import Any

import msgspec

from waystation.accounts.model import Key, NewKey
from waystation.errors import InvalidRequest, NotFound
from waystation.http.v1.control import PAGE, Asked, Control, Query, Resource
from waystation.wire.keys import (
    CreateKey,
    KeyList,
    KeyObject,
    KeyOwner,
    KeyOwnerAccount,
    ProjectKeyList,
    ProjectKeyObject,
)
from waystation.wire.listing import Deleted, listing
from waystation.wire.read import Reader

_read_create = Reader(CreateKey).read


# -- ours


async def create(control: Control, asked: Asked) -> KeyObject:
    wanted = _read_create(asked.body)
    if (wanted.project_id is None) == (not wanted.admin):
        raise InvalidRequest("Send either 'project_id' or 'admin': true.", param="project_id", code="invalid_value")
    if wanted.expires_at is not None and wanted.expires_in_seconds is not None:
        raise InvalidRequest(
            "Send either 'expires_at' or 'expires_in_seconds', not both.", param="expires_at", code="invalid_value"
        )
    expires_at = wanted.expires_at
    if wanted.expires_in_seconds is not None:
        expires_at = control.clock.now_s() + wanted.expires_in_seconds

    def make(connection: Any) -> NewKey:
        if wanted.project_id is None:
            return control.accounts.create_admin_key(
                connection, asked.organization_id, wanted.name, expires_at=expires_at
            )
        project = control.accounts.project(connection, asked.organization_id, wanted.project_id)
        return control.accounts.create_key(connection, project.id, wanted.name, expires_at=expires_at)

    made = await control.change(make)
    return msgspec.structs.replace(key_object(made.key), value=made.secret)


async def list_(control: Control, asked: Asked) -> KeyList:
    page = asked.page()

    def find(connection: Any) -> list[Key]:
        return control.accounts.keys(
            connection, asked.organization_id, page.after, page.rows_max, ascending=page.ascending
        )

    return listing(KeyList, page, [key_object(key) for key in await control.read(find)])


async def retrieve(control: Control, asked: Asked) -> KeyObject:
    key_id = asked.id("key_id")
    return key_object(
        await control.read(partial(control.accounts.key, organization_id=asked.organization_id, key_id=key_id))
    )


async def delete(control: Control, asked: Asked) -> Deleted:
    """Revoke it; it stays in the list. To do it again changes nothing."""
    key_id = asked.id("key_id")

    def end(connection: Any) -> None:
        control.accounts.key(connection, asked.organization_id, key_id)
        control.accounts.revoke_key(connection, key_id)

    await control.change(end)
    return Deleted(object="key.deleted", id=key_id)


# -- OpenAI's: keys that are revoked are gone


async def list_of_project(control: Control, asked: Asked) -> ProjectKeyList:
    page, project_id = asked.page(), asked.id("project_id")
    access = asked.query.get("owner_project_access", "any")
    if access not in ("active", "inactive", "any"):
        raise InvalidRequest(
            "Invalid 'owner_project_access': it is 'active', 'inactive' or 'any'.", param="owner_project_access"
        )

    def find(connection: Any) -> list[ProjectKeyObject]:
        project = control.accounts.project(connection, asked.organization_id, project_id)
        if access not in ("any", "inactive" if project.archived_at else "active"):
            return []
        found = control.accounts.keys(
            connection,
            asked.organization_id,
            page.after,
            page.rows_max,
            ascending=page.ascending,
            project_id=project_id,
            revoked=False,
        )
        return [project_key_object(key, is_active=project.archived_at is None) for key in found]

    return listing(ProjectKeyList, page, await control.read(find))


async def retrieve_of_project(control: Control, asked: Asked) -> ProjectKeyObject:
    project_id, key_id = asked.id("project_id"), asked.id("key_id")

    def find(connection: Any) -> ProjectKeyObject:
        project = control.accounts.project(connection, asked.organization_id, project_id)
        key = _live_key(control, connection, asked.organization_id, key_id, project_id)
        return project_key_object(key, is_active=project.archived_at is None)

    return await control.read(find)


async def delete_of_project(control: Control, asked: Asked) -> Deleted:
    project_id, key_id = asked.id("project_id"), asked.id("key_id")

    def end(connection: Any) -> None:
        _live_key(control, connection, asked.organization_id, key_id, project_id)
        control.accounts.revoke_key(connection, key_id)

    await control.change(end)
    return Deleted(object="organization.project.api_key.deleted", id=key_id)


def _live_key(control: Control, connection: Any, organization_id: str, key_id: str, project_id: str) -> Key:
    key = control.accounts.key(connection, organization_id, key_id, project_id)
    if key.revoked_at is not None:
        raise NotFound(f"There is no key {key_id[:80]!r}.", param="key_id")
    return key


# -- as they are shown


def key_object(key: Key) -> KeyObject:
    return KeyObject(
        id=key.id,
        redacted_value=key.redacted,
        name=key.name,
        organization_id=key.organization_id,
        project_id=key.project_id,
        admin=bool(key.admin),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def project_key_object(key: Key, *, is_active: bool) -> ProjectKeyObject:
    return ProjectKeyObject(
        id=key.id,
        redacted_value=key.redacted,
        name=key.name,
        created_at=key.created_at,
        last_used_at=None,
        owner_project_access="active" if is_active else "inactive",
        owner=KeyOwner(service_account=KeyOwnerAccount(id=key.id, name=key.name, created_at=key.created_at)),
    )


_ALL, _ONE = "/waystation/keys", "/waystation/keys/{key_id}"
_OF_PROJECT = "/organization/projects/{project_id}/api_keys"
_OWNER = Query("owner_project_access", {"type": "string", "enum": ["active", "inactive", "any"]}, "Of which owners.")
RESOURCES = (
    Resource("GET", _ALL, list_, "listKeys", "The organization's keys, redacted.", KeyList, query=PAGE),
    Resource("POST", _ALL, create, "createKey", "Make a key. It is shown this once.", KeyObject, CreateKey),
    Resource("GET", _ONE, retrieve, "retrieveKey", "A key, redacted.", KeyObject),
    Resource("DELETE", _ONE, delete, "deleteKey", "Revoke a key, within a second.", Deleted),
    Resource(
        "GET",
        _OF_PROJECT,
        list_of_project,
        "list-project-api-keys",
        "A project's keys, redacted.",
        ProjectKeyList,
        query=(*PAGE, _OWNER),
    ),
    Resource(
        "GET",
        f"{_OF_PROJECT}/{{key_id}}",
        retrieve_of_project,
        "retrieve-project-api-key",
        "A project's key, redacted.",
        ProjectKeyObject,
    ),
    Resource(
        "DELETE",
        f"{_OF_PROJECT}/{{key_id}}",
        delete_of_project,
        "delete-project-api-key",
        "Revoke a project's key, within a second.",
        Deleted,
    ),
)
