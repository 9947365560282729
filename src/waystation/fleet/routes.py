"""What can be done with routes. Every verb runs in the transaction that it is given and raises ApiErrors."""

from collections.abc import Iterator, Mapping

import msgspec
from sqlalchemy import Connection

from waystation import tables
from waystation.errors import NotFound
from waystation.fleet import store
from waystation.fleet.ground import Ground, in_use, set_in_file, too_many
from waystation.fleet.model import ROUTES_MAX, RouteRow, Source
from waystation.fleet.nouns import RouteConfig, check_routes
from waystation.fleet.rules import check_long_name, near, refuse


class ListedRoute(msgspec.Struct, frozen=True):
    name: str
    source: Source
    config: RouteConfig
    created_at: int | None
    updated_at: int | None


class Routes:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def put(self, connection: Connection, name: str, config: RouteConfig) -> ListedRoute:
        """Set the whole route of a name, whether there is one or not."""
        check_long_name(name)
        before = self._ground.routes(connection)
        self._check_not_in_file(name)
        if name not in before and store.count(connection, tables.routes) >= ROUTES_MAX:
            raise too_many("routes", ROUTES_MAX)
        models = self._ground.models(connection)
        found = [each for each in check_routes(models, {}, before | {name: config}) if each.topic == "routes"]
        refuse(each for each in found if each.name == name)
        if found:  # of others: what was wrong before, since the file has changed, stands in nobody's way
            known = set(check_routes(models, {}, before))
            refuse(each for each in found if each not in known)
        now = self._ground.tell(connection, name)
        made_at = next((row.created_at for row in store.routes(connection) if row.name == name), now)
        row = RouteRow(name, config, made_at, now)
        store.put_route(connection, row)
        return _listed(row)

    def remove(self, connection: Connection, name: str) -> None:
        row = self._row(connection, name)
        named = named_by(self._ground.routes(connection), name) if row.config.is_name else []
        if named:
            raise in_use(f"The route {named[0]!r} names {name!r}. Change or remove that one first.", "name")
        store.remove_route(connection, name)
        self._ground.tell(connection, name)

    def all(self, connection: Connection) -> list[ListedRoute]:
        """By name."""
        fixed = self._ground.fixed().routes
        found = [_listed(row) for row in store.routes(connection) if row.name not in fixed]
        found += [_of_file(name, config) for name, config in fixed.items()]
        return sorted(found, key=lambda each: each.name)

    def one(self, connection: Connection, name: str) -> ListedRoute:
        fixed = self._ground.fixed().routes
        return _of_file(name, fixed[name]) if name in fixed else _listed(self._row(connection, name))

    def _row(self, connection: Connection, name: str) -> RouteRow:
        self._check_not_in_file(name)
        rows = store.routes(connection)
        found = next((row for row in rows if row.name == name), None)
        if found is None:
            close = near(name, [row.name for row in rows])
            raise NotFound(f"There is no route {name[:128]!r}{close}.", param="name")
        return found

    def _check_not_in_file(self, name: str) -> None:
        if name in self._ground.fixed().routes:
            raise set_in_file("route", name, "name")


def named_by(routes: Mapping[str, RouteConfig], name: str) -> list[str]:
    """The routes that need this name: their own model's, or one that they send calls to."""
    return sorted(
        key for key, route in routes.items() if name in _names_in(route) or (key == name and not route.is_name)
    )


def _names_in(route: RouteConfig) -> Iterator[str]:
    yield from route.fallbacks
    yield from route.prefer
    if route.canary is not None:
        yield route.canary.model
    for each in (route.local, route.alias_of, route.replacement):
        if each is not None:
            yield each
    for rule in route.auto:
        yield from rule.among
        if rule.use is not None:
            yield rule.use


def _listed(row: RouteRow) -> ListedRoute:
    return ListedRoute(row.name, "api", row.config, row.created_at, row.updated_at)


def _of_file(name: str, config: RouteConfig) -> ListedRoute:
    return ListedRoute(name, "file", config, None, None)
