"""What all verbs of a fleet stand on: the clock, ids, sealing, what the file has, and the whole picture of names."""

from collections.abc import Callable, Iterable
from typing import Protocol

from sqlalchemy import Connection

from waystation.errors import InvalidRequest
from waystation.fleet import store
from waystation.fleet.model import FLEET_TOPIC, DeploymentRow, Fixed
from waystation.fleet.nouns import ModelFacts, RouteConfig
from waystation.fleet.sealing import Sealer
from waystation.terms import ENGINE


class Now(Protocol):
    def now_s(self) -> int: ...


class Ground:
    """`new_id` makes an id with the prefix that it is given; `fixed` says what the file and the engine have now."""

    def __init__(self, clock: Now, new_id: Callable[[str], str], sealer: Sealer, fixed: Callable[[], Fixed]) -> None:
        self.clock = clock
        self.new_id = new_id
        self.sealer = sealer
        self.fixed = fixed

    def tell(self, connection: Connection, subject: str, topic: str = FLEET_TOPIC) -> int:
        """Record the change that workers follow. The time of it, in UTC seconds."""
        now = self.clock.now_s()
        store.record_change(connection, topic, subject, now)
        return now

    def provider_names(self, connection: Connection) -> set[str]:
        return {row.name for row in store.providers(connection)} | self.fixed().providers.keys()

    def models(self, connection: Connection) -> dict[str, ModelFacts]:
        """Every model that has a deployment, by name."""
        return self._models(connection, store.deployments(connection))

    def model(self, connection: Connection, name: str) -> ModelFacts | None:
        """One of them, without reading all."""
        return self._models(connection, store.deployments(connection, model=name)).get(name)

    def _models(self, connection: Connection, rows: Iterable[DeploymentRow]) -> dict[str, ModelFacts]:
        fixed = self.fixed()
        found = {name: ModelFacts(kind, ENGINE, name) for name, kind in store.local_models(connection)}
        found |= fixed.models
        for config in (*fixed.deployments.values(), *(row.config for row in rows)):
            if config.new_model is not None:
                facts = ModelFacts(config.new_model.kind, config.provider, config.upstream_model or config.model)
                found.setdefault(config.model, facts)
        return found

    def routes(self, connection: Connection) -> dict[str, RouteConfig]:
        """By name; the file's win, as they do for calls."""
        return {row.name: row.config for row in store.routes(connection)} | dict(self.fixed().routes)


def set_in_file(kind: str, name: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"The {kind} {name[:128]!r} is set in the configuration file. Change it there and restart.",
        param=param,
        code="set_in_file",
    )


def already_there(kind: str, name: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"There is a {kind} {name[:128]!r} already. Change that one, or choose another name.",
        param=param,
        code="already_exists",
    )


def too_many(what: str, most: int, param: str | None = None) -> InvalidRequest:
    return InvalidRequest(f"There are {most} {what} already. Remove some.", param=param, code="too_many")


def in_use(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="in_use")
