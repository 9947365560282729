"""`/v1/waystation/routes`: how calls of a model travel, and names that stand for models."""

from functools import partial

import msgspec

from waystation.fleet.nouns import RouteConfig
from waystation.fleet.routes import ListedRoute
from waystation.http.v1.control import PAGE, Asked, Control, Resource
from waystation.wire.listing import Deleted, is_name, listing, part_of
from waystation.wire.read import Reader
from waystation.wire.routes import RouteList, RouteObject, SetRoute

_read = Reader(SetRoute).read


async def put(control: Control, asked: Asked) -> RouteObject:
    config = msgspec.convert(msgspec.to_builtins(_read(asked.body)), RouteConfig)
    verb = partial(control.fleet.routes.put, name=asked.path["route"], config=config)
    return route_object(await control.change(verb))


async def list_(control: Control, asked: Asked) -> RouteList:
    page = asked.page(is_name)
    found = part_of(page, await control.read(control.fleet.routes.all), lambda each: each.name)
    return listing(RouteList, page, [route_object(each) for each in found])


async def retrieve(control: Control, asked: Asked) -> RouteObject:
    return route_object(await control.read(partial(control.fleet.routes.one, name=asked.path["route"])))


async def delete(control: Control, asked: Asked) -> Deleted:
    name = asked.path["route"]
    await control.change(partial(control.fleet.routes.remove, name=name))
    return Deleted(object="route.deleted", id=name)


def route_object(listed: ListedRoute) -> RouteObject:
    return RouteObject(
        id=listed.name,
        name=listed.name,
        source=listed.source,
        route=msgspec.convert(msgspec.to_builtins(listed.config), SetRoute),
        created_at=listed.created_at,
        updated_at=listed.updated_at,
    )


_ALL, _ONE = "/waystation/routes", "/waystation/routes/{route:path}"
_SET = "Set the whole route of a model, or what a new name stands for."
RESOURCES = (
    Resource("GET", _ALL, list_, "listRoutes", "The routes, by name.", RouteList, query=PAGE),
    Resource("GET", _ONE, retrieve, "retrieveRoute", "The route of a name.", RouteObject),
    Resource("POST", _ONE, put, "setRoute", _SET, RouteObject, SetRoute),
    Resource("DELETE", _ONE, delete, "deleteRoute", "Remove a route: all is as usual.", Deleted),
)
