"""`/v1/waystation/credentials`: what providers are shown. Secrets come in here and never go out again."""

from functools import partial

from waystation.fleet.credentials import ListedCredential
from waystation.http.v1.control import PAGE, Asked, Control, Query, Resource
from waystation.terms import Secret
from waystation.wire.listing import Deleted, is_name, listing, part_of
from waystation.wire.providers import (
    CreateCredential,
    CredentialDisabled,
    CredentialList,
    CredentialObject,
    UpdateCredential,
)
from waystation.wire.read import Reader

_read_create, _read_update = Reader(CreateCredential).read, Reader(UpdateCredential).read


async def create(control: Control, asked: Asked) -> CredentialObject:
    wanted = _read_create(asked.body)
    verb = partial(
        control.fleet.credentials.create,
        provider=wanted.provider,
        name=wanted.name,
        secret=Secret(wanted.secret),
        weight=wanted.weight,
    )
    return credential_object(await control.change(verb))


async def list_(control: Control, asked: Asked) -> CredentialList:
    page, provider = asked.page(is_name), asked.query.get("provider")
    all_ = await control.read(partial(control.fleet.credentials.all, provider=provider))
    return listing(
        CredentialList, page, [credential_object(each) for each in part_of(page, all_, lambda each: each.id)]
    )


async def retrieve(control: Control, asked: Asked) -> CredentialObject:
    verb = partial(control.fleet.credentials.one, id_=asked.path["credential_id"])
    return credential_object(await control.read(verb))


async def update(control: Control, asked: Asked) -> CredentialObject:
    wanted = _read_update(asked.body)
    verb = partial(
        control.fleet.credentials.update,
        id_=asked.path["credential_id"],
        name=wanted.name,
        secret=None if wanted.secret is None else Secret(wanted.secret),
        weight=wanted.weight,
        enabled=wanted.enabled,
    )
    return credential_object(await control.change(verb))


async def delete(control: Control, asked: Asked) -> Deleted:
    id_ = asked.path["credential_id"]
    await control.change(partial(control.fleet.credentials.remove, id_=id_))
    return Deleted(object="credential.deleted", id=id_)


def credential_object(listed: ListedCredential) -> CredentialObject:
    state = listed.state
    disabled = (
        None if state is None else CredentialDisabled(reason=state.reason, detail=state.detail, at=state.disabled_at)
    )
    return CredentialObject(
        id=listed.id,
        provider=listed.provider,
        name=listed.name,
        source=listed.source,
        redacted=listed.redacted,
        weight=listed.weight,
        enabled=listed.enabled,
        disabled=disabled,
        problem=listed.problem,
        created_at=listed.created_at,
        updated_at=listed.updated_at,
    )


_ALL, _ONE = "/waystation/credentials", "/waystation/credentials/{credential_id:path}"
_PROVIDER = Query("provider", {"type": "string"}, "Of this provider alone.")
_CHANGE = "Change, enable or disable a credential, or give it a new secret."
RESOURCES = (
    Resource("GET", _ALL, list_, "listCredentials", "The credentials.", CredentialList, query=(*PAGE, _PROVIDER)),
    Resource("POST", _ALL, create, "createCredential", "Add a credential.", CredentialObject, CreateCredential),
    Resource("GET", _ONE, retrieve, "retrieveCredential", "A credential.", CredentialObject),
    Resource("POST", _ONE, update, "updateCredential", _CHANGE, CredentialObject, UpdateCredential),
    Resource("DELETE", _ONE, delete, "deleteCredential", "Remove a credential.", Deleted),
)
