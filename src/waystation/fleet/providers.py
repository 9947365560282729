"""What can be done with providers. Every verb runs in the transaction that it is given and raises ApiErrors."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from waystation import tables
from waystation.errors import NotFound, ServiceUnavailable
from waystation.fleet import store
from waystation.fleet.ground import Ground, already_there, in_use, set_in_file, too_many
from waystation.fleet.model import (
    PROVIDERS_MAX,
    FleetRows,
    ProviderFields,
    ProviderRow,
    Source,
    fields_of,
)
from waystation.fleet.registry import join, opened
from waystation.fleet.rules import check_fields, near, private_parts, shown
from waystation.providers.model import ProviderConfig

_SEALED = ("proxy", "headers", "client_key_file")


class ListedProvider(msgspec.Struct, frozen=True):
    """As it may be shown."""

    name: str
    source: Source
    fields: ProviderFields
    problem: str | None  # why it can't be used at the moment
    created_at: int | None
    updated_at: int | None


class Providers:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def create(self, connection: Connection, name: str, fields: ProviderFields) -> ListedProvider:
        check_fields(name, fields)
        if name in self._ground.provider_names(connection):
            raise already_there("provider", name, "name")
        if store.count(connection, tables.providers) >= PROVIDERS_MAX:
            raise too_many("providers", PROVIDERS_MAX)
        return self._write(connection, name, fields, None)

    def update(self, connection: Connection, name: str, changes: Mapping[str, Any]) -> ListedProvider:
        """`changes`: fields by name; None: back to the default. What isn't in it stays."""
        row = self._row(connection, name)
        before = self._known(row, changes)
        given = msgspec.structs.asdict(before) | dict(changes)
        kept = {field: value for field, value in given.items() if value is not None}
        return self._write(connection, name, check_fields(name, msgspec.convert(kept, ProviderFields)), row)

    def remove(self, connection: Connection, name: str) -> None:
        """With its credentials. Refused while a deployment is there."""
        self._row(connection, name)
        served = [row.name for row in store.deployments(connection) if row.config.provider == name]
        served += [key for key, config in self._ground.fixed().deployments.items() if config.provider == name]
        if served:
            raise in_use(
                f"The provider {name!r} has {len(served)} deployments, such as {served[0]!r}. Remove them first.",
                "name",
            )
        store.remove_provider(connection, name)
        self._ground.tell(connection, name)

    def all(self, connection: Connection) -> list[ListedProvider]:
        """By name."""
        found = [self._listed(row) for row in store.providers(connection)]
        found += [_of_file(config) for config in self._ground.fixed().providers.values()]
        return sorted(found, key=lambda each: each.name)

    def one(self, connection: Connection, name: str) -> ListedProvider:
        fixed = self._ground.fixed().providers
        return _of_file(fixed[name]) if name in fixed else self._listed(self._row(connection, name))

    def config(self, connection: Connection, name: str) -> ProviderConfig:
        """Ready for use, with its credentials. Raises what stands in the way of using it."""
        fixed = self._ground.fixed()
        rows = () if name in fixed.providers else (self._row(connection, name),)
        for row in rows:
            opened(row, self._ground.sealer)
        part = FleetRows(
            providers=rows,
            credentials=tuple(store.credentials(connection, provider=name)),
            states=store.states(connection),
        )
        return join(fixed, part, self._ground.sealer).providers[name]

    def _row(self, connection: Connection, name: str) -> ProviderRow:
        if name in self._ground.fixed().providers:
            raise set_in_file("provider", name, "name")
        found = store.providers(connection, name)
        if not found:
            close = near(name, self._ground.provider_names(connection))
            raise NotFound(f"There is no provider {name[:100]!r}{close}.", param="name")
        return found[0]

    def _known(self, row: ProviderRow, changes: Mapping[str, Any]) -> ProviderFields:
        """What it is now. What can't be decrypted any more is left behind by who sets it anew."""
        try:
            return opened(row, self._ground.sealer)
        except ServiceUnavailable:
            if not any(field in changes for field in _SEALED):
                raise
            return row.fields

    def _write(
        self, connection: Connection, name: str, fields: ProviderFields, before: ProviderRow | None
    ) -> ListedProvider:
        public, private = private_parts(fields)
        sealed = None
        if private is not None:
            sealed = self._ground.sealer.seal(f"provider {name}", msgspec.json.encode(private).decode())
        now = self._ground.tell(connection, name)
        row = ProviderRow(name, public, sealed, now if before is None else before.created_at, now)
        store.put_provider(connection, row)
        return self._listed(row)

    def _listed(self, row: ProviderRow) -> ListedProvider:
        fields, problem = row.fields, None
        try:
            fields = opened(row, self._ground.sealer)
        except ServiceUnavailable as error:
            problem = error.message
        return ListedProvider(row.name, "api", shown(fields), problem, row.created_at, row.updated_at)


def _of_file(config: ProviderConfig) -> ListedProvider:
    return ListedProvider(config.name, "file", shown(fields_of(config)), None, None, None)
