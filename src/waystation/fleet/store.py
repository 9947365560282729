"""The SQL of a fleet. Each function runs in the transaction that it is given."""

from base64 import b64decode, b64encode
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from waystation import tables
from waystation.fleet.model import (
    CredentialRow,
    CredentialState,
    DeploymentRow,
    Drill,
    FleetRows,
    Notice,
    ProviderFields,
    ProviderRow,
    RouteRow,
)
from waystation.fleet.nouns import DeploymentConfig, RouteConfig

_SEALED, _PRICE = "sealed", "price"  # beside the fields, in a row's JSON


def load(connection: Connection) -> FleetRows:
    return FleetRows(
        providers=tuple(providers(connection)),
        credentials=tuple(credentials(connection)),
        states=states(connection),
        deployments=tuple(deployments(connection)),
        routes=tuple(routes(connection)),
    )


def count(connection: Connection, table: Table, *where: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())


def record_change(connection: Connection, topic: str, subject: str, at: int) -> None:
    connection.execute(insert(tables.changes).values(topic=topic, subject=subject, at=at))


def _put(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> None:
    """Write a row whether it is there or not. What it was made at stays."""
    kept = {name: value for name, value in values.items() if name not in (key, "created_at")}
    if connection.execute(update(table).where(table.c[key] == values[key]).values(**kept)).rowcount == 0:
        connection.execute(insert(table).values(**values))


# -- providers


def providers(connection: Connection, name: str | None = None) -> list[ProviderRow]:
    query = select(tables.providers).order_by(tables.providers.c.name)
    if name is not None:
        query = query.where(tables.providers.c.name == name)
    found = []
    for row in connection.execute(query):
        config = msgspec.json.decode(row.config, type=dict[str, Any])
        sealed = config.pop(_SEALED, None)
        fields = msgspec.convert(config, ProviderFields)
        found.append(
            ProviderRow(row.name, fields, None if sealed is None else b64decode(sealed), row.created_at, row.updated_at)
        )
    return found


def put_provider(connection: Connection, row: ProviderRow) -> None:
    config = msgspec.to_builtins(row.fields)
    if row.sealed is not None:
        config[_SEALED] = b64encode(row.sealed).decode()
    values = {"name": row.name, "config": _text(config), "created_at": row.created_at, "updated_at": row.updated_at}
    _put(connection, tables.providers, "name", values)


def remove_provider(connection: Connection, name: str) -> None:
    """With its credentials."""
    for table in (tables.credentials, tables.credential_states):
        connection.execute(delete(table).where(table.c.provider == name))
    connection.execute(delete(tables.providers).where(tables.providers.c.name == name))


# -- credentials


def credentials(connection: Connection, *, id_: str | None = None, provider: str | None = None) -> list[CredentialRow]:
    c = tables.credentials.c
    query = select(tables.credentials).order_by(c.id)
    if id_ is not None:
        query = query.where(c.id == id_)
    if provider is not None:
        query = query.where(c.provider == provider)
    return [CredentialRow(**{**dict(row._mapping), "sealed": bytes(row.sealed)}) for row in connection.execute(query)]


def put_credential(connection: Connection, row: CredentialRow) -> None:
    _put(connection, tables.credentials, "id", msgspec.structs.asdict(row))


def remove_credential(connection: Connection, id_: str) -> None:
    enable_credential(connection, id_)
    connection.execute(delete(tables.credentials).where(tables.credentials.c.id == id_))


def states(connection: Connection) -> dict[str, CredentialState]:
    rows = connection.execute(select(tables.credential_states))
    return {row.credential_id: CredentialState(**dict(row._mapping)) for row in rows}


def disable_credential(connection: Connection, state: CredentialState) -> None:
    _put(connection, tables.credential_states, "credential_id", msgspec.structs.asdict(state))


def disable_credential_once(connection: Connection, state: CredentialState) -> bool:
    """False when it is disabled already, whoever did it, also at this moment."""
    try:
        with connection.begin_nested():
            connection.execute(insert(tables.credential_states).values(**msgspec.structs.asdict(state)))
    except IntegrityError:
        return False
    return True


def enable_credential(connection: Connection, id_: str) -> bool:
    """False when it was not disabled."""
    c = tables.credential_states.c
    return connection.execute(delete(tables.credential_states).where(c.credential_id == id_)).rowcount > 0


# -- deployments and routes


def deployments(connection: Connection, *, model: str | None = None, ref: str | None = None) -> list[DeploymentRow]:
    """By id. `model`: only its; `ref`: only the one of this id or name."""
    c = tables.deployments.c
    query = select(tables.deployments).order_by(c.id)
    if model is not None:
        query = query.where(c.model == model)
    if ref is not None:
        query = query.where((c.id == ref) | (c.name == ref))
    found = []
    for row in connection.execute(query):
        config = msgspec.json.decode(row.config, type=dict[str, Any])
        price = config.pop(_PRICE, None)
        made = msgspec.convert({**config, "model": row.model, "provider": row.provider}, DeploymentConfig)
        found.append(DeploymentRow(row.id, row.name, made, price, row.created_at, row.updated_at))
    return found


def put_deployment(connection: Connection, row: DeploymentRow) -> None:
    config = {name: value for name, value in msgspec.to_builtins(row.config).items() if value is not None}
    model, provider = config.pop("model"), config.pop("provider")
    if row.price is not None:
        config[_PRICE] = row.price
    values = {
        "id": row.id,
        "name": row.name,
        "model": model,
        "provider": provider,
        "config": _text(config),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
    _put(connection, tables.deployments, "id", values)


def remove_deployment(connection: Connection, id_: str) -> None:
    connection.execute(delete(tables.deployments).where(tables.deployments.c.id == id_))


def routes(connection: Connection) -> list[RouteRow]:
    rows = connection.execute(select(tables.routes).order_by(tables.routes.c.name))
    return [
        RouteRow(row.name, msgspec.json.decode(row.config, type=RouteConfig), row.created_at, row.updated_at)
        for row in rows
    ]


def put_route(connection: Connection, row: RouteRow) -> None:
    config = {name: value for name, value in msgspec.to_builtins(row.config).items() if value not in (None, [])}
    values = {"name": row.name, "config": _text(config), "created_at": row.created_at, "updated_at": row.updated_at}
    _put(connection, tables.routes, "name", values)


def remove_route(connection: Connection, name: str) -> None:
    connection.execute(delete(tables.routes).where(tables.routes.c.name == name))


# -- drills and notices


def drills(connection: Connection, now: int | None = None, *, organization_id: str | None = None) -> list[Drill]:
    """By their ids. `now`: only those that are on; `organization_id`: only of its projects."""
    c = tables.drills.c
    query = select(tables.drills).order_by(c.id)
    if now is not None:
        query = query.where(c.ended_at.is_(None), c.until_at > now)
    if organization_id is not None:
        mine = select(tables.projects.c.id).where(tables.projects.c.organization_id == organization_id)
        query = query.where(c.project_id.in_(mine))
    return [Drill(**dict(row._mapping)) for row in connection.execute(query)]


def put_drill(connection: Connection, drill: Drill) -> None:
    _put(connection, tables.drills, "id", msgspec.structs.asdict(drill))


def forget_drills(connection: Connection, before: int) -> None:
    connection.execute(delete(tables.drills).where(tables.drills.c.until_at < before))


def project_owner(connection: Connection, project_id: str) -> str | None:
    c = tables.projects.c
    owner: str | None = connection.execute(select(c.organization_id).where(c.id == project_id)).scalar()
    return owner


def add_notice(connection: Connection, at: int, kind: str, subject: str, detail: dict[str, Any], kept_max: int) -> None:
    """The oldest above `kept_max` are forgotten."""
    c = tables.notices.c
    values = {"at": at, "kind": kind, "subject": subject, "detail": _text(detail)}
    made = connection.execute(insert(tables.notices).values(**values)).inserted_primary_key
    if made is not None:
        connection.execute(delete(tables.notices).where(c.id <= made[0] - kept_max))


def notices(connection: Connection, after_id: int | None, rows_max: int, *, ascending: bool) -> list[Notice]:
    c = tables.notices.c
    query = select(tables.notices).order_by(c.id if ascending else c.id.desc()).limit(rows_max)
    if after_id is not None:
        query = query.where(c.id > after_id if ascending else c.id < after_id)
    return [
        Notice(row.id, row.at, row.kind, row.subject, msgspec.json.decode(row.detail))
        for row in connection.execute(query)
    ]


def local_models(connection: Connection) -> list[tuple[str, str]]:
    """Those that were added to this machine's engine: name and kind."""
    c = tables.local_models.c
    rows = connection.execute(select(c.name, c.kind).where(c.removed_at.is_(None)))
    return [(row.name, row.kind) for row in rows]


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
