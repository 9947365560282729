"""`/v1/waystation/providers`: who is asked, over which network; and how far a request gets there."""

from functools import partial
from typing import Any

import msgspec

from waystation.errors import ServiceUnavailable
from waystation.fleet.model import ProviderFields
from waystation.fleet.providers import ListedProvider
from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.wire.listing import Deleted, is_name, listing, part_of
from waystation.wire.providers import (
    CreateProvider,
    ProviderHop,
    ProviderList,
    ProviderObject,
    ProviderTest,
    TestProvider,
    UpdateProvider,
)
from waystation.wire.read import Reader

_read_create, _read_update = Reader(CreateProvider).read, Reader(UpdateProvider).read
_read_test = Reader(TestProvider).read


async def create(control: Control, asked: Asked) -> ProviderObject:
    wanted = _read_create(asked.body)
    given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    fields = msgspec.convert({name: value for name, value in given.items() if name != "name"}, ProviderFields)
    made = await control.change(partial(control.fleet.providers.create, name=wanted.name, fields=fields))
    return provider_object(made)


async def list_(control: Control, asked: Asked) -> ProviderList:
    page = asked.page(is_name)
    found = part_of(page, await control.read(control.fleet.providers.all), lambda each: each.name)
    return listing(ProviderList, page, [provider_object(each) for each in found])


async def retrieve(control: Control, asked: Asked) -> ProviderObject:
    return provider_object(await control.read(partial(control.fleet.providers.one, name=asked.path["provider"])))


async def update(control: Control, asked: Asked) -> ProviderObject:
    changes = changed(_read_update(asked.body))
    verb = partial(control.fleet.providers.update, name=asked.path["provider"], changes=changes)
    return provider_object(await control.change(verb))


async def delete(control: Control, asked: Asked) -> Deleted:
    name = asked.path["provider"]
    await control.change(partial(control.fleet.providers.remove, name=name))
    return Deleted(object="provider.deleted", id=name)


async def test(control: Control, asked: Asked) -> ProviderTest:
    wanted = _read_test(asked.body or b"{}")
    config = await control.read(partial(control.fleet.providers.config, name=asked.path["provider"]))
    if control.test_provider is None:
        raise ServiceUnavailable("Providers can't be tested here: ask a server that answers calls.")
    report = await control.test_provider(config, wanted.model)
    hops = msgspec.convert(msgspec.to_builtins(report.hops), list[ProviderHop])
    return ProviderTest(provider=config.name, ok=report.ok, hops=hops)


def changed(wanted: msgspec.Struct) -> dict[str, Any]:
    """What was said, null too; what was left out isn't in it."""
    return {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not msgspec.UNSET}


def provider_object(listed: ListedProvider) -> ProviderObject:
    tools = listed.fields.hosted_tools
    return ProviderObject(
        id=listed.name,
        name=listed.name,
        source=listed.source,
        problem=listed.problem,
        created_at=listed.created_at,
        updated_at=listed.updated_at,
        **msgspec.structs.asdict(listed.fields) | {"hosted_tools": tools if tools is None else list(tools)},
    )


_ALL, _ONE = "/waystation/providers", "/waystation/providers/{provider:path}"
_TEST = f"{_ONE}/test"
RESOURCES = (
    Resource("GET", _ALL, list_, "listProviders", "The providers, by name.", ProviderList, query=PAGE),
    Resource("POST", _ALL, create, "createProvider", "Add a provider.", ProviderObject, CreateProvider),
    # Before the one below, whose path would take it for a part of a name.
    Resource("POST", _TEST, test, "testProvider", "How far a request gets, hop by hop.", ProviderTest, TestProvider),
    Resource("GET", _ONE, retrieve, "retrieveProvider", "A provider.", ProviderObject),
    Resource("POST", _ONE, update, "updateProvider", "Change a provider.", ProviderObject, UpdateProvider),
    Resource("DELETE", _ONE, delete, "deleteProvider", "Remove a provider and its credentials.", Deleted),
)
