"""The SQL of organizations, projects, keys and local models. Each function runs in the transaction that it is given."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from waystation import tables
from waystation.accounts.model import Key, LocalModel, Organization, Project
from waystation.terms import Caller, Price

_organizations, _projects, _keys, _models = (
    tables.organizations.c,
    tables.projects.c,
    tables.api_keys.c,
    tables.local_models.c,
)
FIRST_ORGANIZATION = "first_organization"  # a fact: two organizations may be of the same second
_IN_MAX = 500  # values in one IN (…): SQLite allows 32 766, short statements are prepared faster


# -- organizations and projects


def add_organization(connection: Connection, organization: Organization) -> None:
    connection.execute(
        insert(tables.organizations).values(
            id=organization.id,
            name=organization.name,
            currency=organization.currency,
            postpaid=organization.postpaid,
            time_zone=organization.time_zone,
            created_at=organization.created_at,
            overdraft_nano=organization.overdraft_nano,
        )
    )


def organizations(connection: Connection) -> list[Organization]:
    """All of them, the oldest first."""
    rows = connection.execute(select(tables.organizations).order_by(_organizations.created_at, _organizations.id))
    return [Organization(*row) for row in rows]


def organization(connection: Connection, organization_id: str) -> Organization | None:
    row = connection.execute(select(tables.organizations).where(_organizations.id == organization_id)).first()
    return None if row is None else Organization(*row)


def first_organization(connection: Connection) -> Organization | None:
    """The one that runs this server: what was written down when it was made; of older databases the oldest."""
    known = read_fact(connection, FIRST_ORGANIZATION)
    found = None if known is None else organization(connection, known)
    if found is not None:
        return found
    query = select(tables.organizations).order_by(_organizations.created_at, _organizations.id).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Organization(*row)


def organizations_page(
    connection: Connection, after_id: str, rows_max: int, *, ascending: bool = True
) -> list[Organization]:
    """A page in the order of their ids, which is that of their making."""
    query = _page(select(tables.organizations), _organizations.id, after_id, rows_max, ascending)
    return [Organization(*row) for row in connection.execute(query)]


def replace_organization(connection: Connection, organization: Organization) -> None:
    """Write what of it can be changed here; its overdraft is the ledger's."""
    names = ("name", "currency", "postpaid", "time_zone")
    connection.execute(
        update(tables.organizations)
        .where(_organizations.id == organization.id)
        .values(**{name: getattr(organization, name) for name in names})
    )


def money_has_moved(connection: Connection, organization_id: str) -> bool:
    """Whether the books have an entry of this organization: a grant, or a call that was paid."""
    c = tables.entries.c
    return connection.execute(select(c.id).where(c.organization_id == organization_id).limit(1)).first() is not None


def has_usage(connection: Connection, organization_id: str) -> bool:
    c = tables.usage_series.c
    return connection.execute(select(c.id).where(c.organization_id == organization_id).limit(1)).first() is not None


def has_budgets(connection: Connection, organization_id: str) -> bool:
    c = tables.budgets.c
    mine = select(c.id).where(c.organization_id == organization_id, c.removed_at.is_(None)).limit(1)
    return connection.execute(mine).first() is not None


def _page(query: Select[Any], id_: Any, after_id: str, rows_max: int, ascending: bool) -> Select[Any]:
    if after_id:
        query = query.where(id_ > after_id if ascending else id_ < after_id)
    return query.order_by(id_ if ascending else id_.desc()).limit(rows_max)


def add_project(connection: Connection, project: Project) -> None:
    connection.execute(
        insert(tables.projects).values(
            id=project.id, organization_id=project.organization_id, name=project.name, created_at=project.created_at
        )
    )


def projects(connection: Connection, organization_id: str) -> list[Project]:
    """An organization's projects, the oldest first."""
    rows = connection.execute(
        select(tables.projects)
        .where(_projects.organization_id == organization_id)
        .order_by(_projects.created_at, _projects.id)
    )
    return [Project(*row) for row in rows]


def project(connection: Connection, project_id: str) -> Project | None:
    row = connection.execute(select(tables.projects).where(_projects.id == project_id)).first()
    return None if row is None else Project(*row)


def projects_page(
    connection: Connection,
    organization_id: str,
    after_id: str,
    rows_max: int,
    *,
    ascending: bool = True,
    archived: bool = False,
) -> list[Project]:
    """A page of an organization's projects; `archived`: those too."""
    query = select(tables.projects).where(_projects.organization_id == organization_id)
    if not archived:
        query = query.where(_projects.archived_at.is_(None))
    return [Project(*row) for row in connection.execute(_page(query, _projects.id, after_id, rows_max, ascending))]


def count_projects(connection: Connection, organization_id: str) -> int:
    query = select(func.count()).select_from(tables.projects).where(_projects.organization_id == organization_id)
    return int(connection.execute(query).scalar_one())


def count_keys(connection: Connection, organization_id: str) -> int:
    query = select(func.count()).select_from(tables.api_keys).where(_keys.organization_id == organization_id)
    return int(connection.execute(query).scalar_one())


def replace_project(connection: Connection, project: Project) -> None:
    """Write what of it can be changed."""
    names = ("name", "archived_at", "on_disconnect", "cache_s")
    connection.execute(
        update(tables.projects)
        .where(_projects.id == project.id)
        .values(**{name: getattr(project, name) for name in names})
    )


# -- keys

_SHOWN = [_keys[name] for name in Key.__struct_fields__]  # all but the digest


def add_key(connection: Connection, key: Key, digest: bytes) -> None:
    connection.execute(
        insert(tables.api_keys).values(
            id=key.id,
            digest=digest,
            redacted=key.redacted,
            name=key.name,
            organization_id=key.organization_id,
            project_id=key.project_id,
            admin=key.admin,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )
    )


def key(connection: Connection, key_id: str) -> Key | None:
    row = connection.execute(select(*_SHOWN).where(_keys.id == key_id)).first()
    return None if row is None else Key(*row)


def keys(connection: Connection, after_id: str, rows_max: int) -> list[Key]:
    """A page of keys in the order of their ids, which is that of their making."""
    rows = connection.execute(select(*_SHOWN).where(_keys.id > after_id).order_by(_keys.id).limit(rows_max))
    return [Key(*row) for row in rows]


def keys_page(
    connection: Connection,
    organization_id: str,
    after_id: str,
    rows_max: int,
    *,
    ascending: bool = True,
    project_id: str | None = None,
    revoked: bool = True,
) -> list[Key]:
    """A page of an organization's keys, or of one of its projects; `revoked`: those too."""
    query = select(*_SHOWN).where(_keys.organization_id == organization_id)
    if project_id is not None:
        query = query.where(_keys.project_id == project_id)
    if not revoked:
        query = query.where(_keys.revoked_at.is_(None))
    return [Key(*row) for row in connection.execute(_page(query, _keys.id, after_id, rows_max, ascending))]


def revoke_key(connection: Connection, key_id: str, at: int) -> bool:
    """False when it doesn't exist or had been revoked before."""
    statement = update(tables.api_keys).where(_keys.id == key_id, _keys.revoked_at.is_(None)).values(revoked_at=at)
    return connection.execute(statement).rowcount == 1


# -- keys as calls look them up

_CALLERS = """
SELECT api_keys.digest, api_keys.id, api_keys.project_id, api_keys.organization_id, api_keys.admin, api_keys.revoked_at,
       api_keys.expires_at, organizations.postpaid, organizations.currency, projects.archived_at, projects.on_disconnect,
       projects.cache_s
FROM api_keys JOIN organizations ON organizations.id = api_keys.organization_id
LEFT JOIN projects ON projects.id = api_keys.project_id
"""


def callers(connection: Connection) -> dict[bytes, Caller]:
    """Everybody, by the digest of the key. Plain SQL: 100 k rows through result objects would take twice as long."""
    cursor: Any = connection.exec_driver_sql(_CALLERS).cursor
    return dict(_callers(cursor))


def callers_of_keys(connection: Connection, key_ids: Sequence[str]) -> dict[bytes, Caller]:
    return _callers_where(connection, "api_keys.id", key_ids)


def callers_of_projects(connection: Connection, project_ids: Sequence[str]) -> dict[bytes, Caller]:
    return _callers_where(connection, "api_keys.project_id", project_ids)


def callers_of_organizations(connection: Connection, organization_ids: Sequence[str]) -> dict[bytes, Caller]:
    return _callers_where(connection, "api_keys.organization_id", organization_ids)


def _callers_where(connection: Connection, column: str, values: Sequence[str]) -> dict[bytes, Caller]:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    found: dict[bytes, Caller] = {}
    for start in range(0, len(values), _IN_MAX):
        some = tuple(values[start : start + _IN_MAX])
        marks = ", ".join([mark] * len(some))
        found.update(_callers(connection.exec_driver_sql(f"{_CALLERS} WHERE {column} IN ({marks})", some)))
    return found


def _callers(rows: Iterable[Any]) -> Iterator[tuple[bytes, Caller]]:
    for digest, key_id, project_id, organization_id, admin, revoked_at, expires_at, *of_others in rows:
        postpaid, currency, archived_at, on_disconnect, cache_s = of_others
        yield (
            bytes(digest),
            Caller(
                key_id,
                project_id or "",
                organization_id,
                bool(admin),
                revoked_at is not None,
                expires_at,
                bool(postpaid),
                currency,
                archived_at is not None,
                on_disconnect == "drain",
                cache_s or 0,
            ),
        )


# -- local models


def add_local_model(connection: Connection, model: LocalModel) -> None:
    price = model.price
    connection.execute(
        insert(tables.local_models).values(
            name=model.name,
            path=model.path,
            kind=model.kind,
            unmetered=price is None,
            currency=price and price.currency,
            input_nano_per_million=price and price.input_nano_per_million,
            output_nano_per_million=price and price.output_nano_per_million,
            cached_input_nano_per_million=price and price.cached_input_nano_per_million,
            created_at=model.created_at,
        )
    )


def local_models(connection: Connection) -> list[LocalModel]:
    """Those that were not removed, by name."""
    rows = connection.execute(select(tables.local_models).where(_models.removed_at.is_(None)).order_by(_models.name))
    return [_local_model(row) for row in rows]


def _local_model(row: Row[Any]) -> LocalModel:
    price = None
    if not row.unmetered:
        price = Price(
            row.currency,
            row.input_nano_per_million,
            row.output_nano_per_million,
            row.cached_input_nano_per_million,
            source="local model",
        )
    return LocalModel(row.name, row.path, row.kind, price, row.created_at)


def remove_local_model(connection: Connection, name: str, at: int) -> bool:
    """False when there is none of this name."""
    statement = (
        update(tables.local_models).where(_models.name == name, _models.removed_at.is_(None)).values(removed_at=at)
    )
    return connection.execute(statement).rowcount == 1


# -- numbered changes, and single facts


def record_change(connection: Connection, topic: str, subject: str, at: int) -> None:
    """Tell the workers. Part of the transaction that made the change, so neither is there without the other."""
    connection.execute(insert(tables.changes).values(topic=topic, subject=subject, at=at))


def changes_after(connection: Connection, number: int, rows_max: int) -> list[tuple[int, str, str]]:
    """The changes after a number, the oldest first: (number, topic, subject)."""
    c = tables.changes.c
    rows = connection.execute(select(c.id, c.topic, c.subject).where(c.id > number).order_by(c.id).limit(rows_max))
    return [(row.id, row.topic, row.subject) for row in rows]


def last_change(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(tables.changes.c.id), 0))).scalar_one())


def read_fact(connection: Connection, name: str) -> str | None:
    """A single fact about this installation, such as the check of its secret key."""
    value: str | None = connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == name)).scalar()
    return value


def write_fact(connection: Connection, name: str, value: str) -> None:
    changed = connection.execute(update(tables.meta).where(tables.meta.c.name == name).values(value=value))
    if changed.rowcount == 0:
        connection.execute(insert(tables.meta).values(name=name, value=value))
