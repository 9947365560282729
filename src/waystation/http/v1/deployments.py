"""`/v1/waystation/deployments`: the places that serve a model, in tiers."""

from functools import partial
from typing import Any

import msgspec

from waystation.fleet.deployments import ListedDeployment
from waystation.fleet.nouns import DeploymentConfig, NewModel
from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.http.v1.providers import changed
from waystation.wire.listing import Deleted, is_name, listing, part_of
from waystation.wire.read import Reader
from waystation.wire.routes import (
    CreateDeployment,
    DeploymentList,
    DeploymentObject,
    NewModelAsked,
    NewModelObject,
    UpdateDeployment,
)

_read_create, _read_update = Reader(CreateDeployment).read, Reader(UpdateDeployment).read


async def create(control: Control, asked: Asked) -> DeploymentObject:
    wanted = _read_create(asked.body)
    given = msgspec.structs.asdict(wanted)
    name, (model, price) = given.pop("name"), _new_model(wanted.new_model)
    config = DeploymentConfig(**(given | {"new_model": model}))
    verb = partial(control.fleet.deployments.create, config=config, name=name, price=price)
    return deployment_object(await control.change(verb))


async def list_(control: Control, asked: Asked) -> DeploymentList:
    page = asked.page(is_name)
    found = part_of(page, await control.read(control.fleet.deployments.all), lambda each: each.id)
    return listing(DeploymentList, page, [deployment_object(each) for each in found])


async def retrieve(control: Control, asked: Asked) -> DeploymentObject:
    verb = partial(control.fleet.deployments.one, ref=asked.path["deployment_id"])
    return deployment_object(await control.read(verb))


async def update(control: Control, asked: Asked) -> DeploymentObject:
    wanted = _read_update(asked.body)
    changes, price = changed(wanted), None
    if isinstance(wanted.new_model, NewModelAsked):
        changes["new_model"], price = _new_model(wanted.new_model)
    verb = partial(control.fleet.deployments.update, ref=asked.path["deployment_id"], changes=changes, price=price)
    return deployment_object(await control.change(verb))


async def delete(control: Control, asked: Asked) -> Deleted:
    id_ = await control.change(partial(control.fleet.deployments.remove, ref=asked.path["deployment_id"]))
    return Deleted(object="deployment.deleted", id=id_)


def _new_model(asked: NewModelAsked | None) -> tuple[NewModel | None, Any]:
    """What it can do, and what it costs."""
    if asked is None:
        return None, None
    given = msgspec.structs.asdict(asked)
    price = given.pop("price")
    return NewModel(**given), price


def deployment_object(listed: ListedDeployment) -> DeploymentObject:
    config = listed.config
    model = config.new_model
    return DeploymentObject(
        id=listed.id,
        name=listed.name,
        source=listed.source,
        model=config.model,
        provider=config.provider,
        upstream_model=config.upstream_model or config.model,
        tier=config.tier,
        weight=config.weight,
        prefill=config.prefill,
        rules=config.rules,
        new_model=None if model is None else NewModelObject(price=listed.price, **msgspec.structs.asdict(model)),
        created_at=listed.created_at,
        updated_at=listed.updated_at,
    )


_ALL, _ONE = "/waystation/deployments", "/waystation/deployments/{deployment_id:path}"
_ADD = "Add a place that serves a model, and the model with it if it is a new one."
RESOURCES = (
    Resource("GET", _ALL, list_, "listDeployments", "The deployments.", DeploymentList, query=PAGE),
    Resource("POST", _ALL, create, "createDeployment", _ADD, DeploymentObject, CreateDeployment),
    Resource("GET", _ONE, retrieve, "retrieveDeployment", "A deployment, by id or name.", DeploymentObject),
    Resource("POST", _ONE, update, "updateDeployment", "Change a deployment.", DeploymentObject, UpdateDeployment),
    Resource("DELETE", _ONE, delete, "deleteDeployment", "Remove a deployment.", Deleted),
)
