"""What can be done with organizations, projects, keys and local models: the rules and the order, no SQL.

Every verb runs inside the transaction that it is given (`db.write(lambda c: accounts.revoke_key(c, id),
durable=True)`), so it is one transaction whether a server or a command asks; and it records the change that the
workers follow.
"""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from waystation.accounts import store
from waystation.accounts.model import (
    Key,
    Kind,
    LocalModel,
    NewKey,
    Organization,
    Project,
    check_currency,
    check_model_name,
    check_name,
    check_time_zone,
    digest,
    make_secret,
    redact,
)
from waystation.errors import InvalidRequest
from waystation.metering.cost import check_price
from waystation.terms import Price

KEYS, ORGANIZATIONS, PROJECTS, LOCAL_MODELS = "keys", "organizations", "projects", "local_models"  # topics of changes


class Now(Protocol):
    def now_s(self) -> int: ...


class Accounts:
    """The verbs. `new_id` makes an id with the prefix that it is given."""

    def __init__(self, clock: Now, new_id: Callable[[str], str]) -> None:
        self._clock = clock
        self._new_id = new_id

    # -- organizations and projects

    def create_organization(
        self, connection: Connection, name: str, *, currency: str = "USD", postpaid: bool = True, time_zone: str = "UTC"
    ) -> Organization:
        """Raises InvalidRequest."""
        now = self._clock.now_s()
        made = Organization(
            self._new_id("org-"), check_name(name), check_currency(currency), postpaid, check_time_zone(time_zone), now
        )
        store.add_organization(connection, made)
        store.record_change(connection, ORGANIZATIONS, made.id, now)
        return made

    def create_project(self, connection: Connection, organization_id: str, name: str) -> Project:
        """Raises InvalidRequest."""
        if store.organization(connection, organization_id) is None:
            raise InvalidRequest(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        now = self._clock.now_s()
        made = Project(self._new_id("proj_"), organization_id, check_name(name), now)
        store.add_project(connection, made)
        store.record_change(connection, PROJECTS, made.id, now)
        return made

    def ensure_first(self, connection: Connection) -> tuple[Organization, Project]:
        """The first organization (postpaid, without a limit) and its first project, made if there are none."""
        organizations = store.organizations(connection)
        organization = (
            organizations[0] if organizations else self.create_organization(connection, "Default organization")
        )
        projects = store.projects(connection, organization.id)
        return organization, projects[0] if projects else self.create_project(
            connection, organization.id, "Default project"
        )

    # -- keys

    def create_key(
        self, connection: Connection, project_id: str, name: str, *, expires_at: int | None = None
    ) -> NewKey:
        """A project's key. Raises InvalidRequest."""
        project = store.project(connection, project_id)
        if project is None:
            raise InvalidRequest(f"There is no project {project_id[:80]!r}.", param="project")
        return self._make_key(connection, project.organization_id, project.id, name, expires_at)

    def create_admin_key(
        self, connection: Connection, organization_id: str, name: str, *, expires_at: int | None = None
    ) -> NewKey:
        """A key for the control plane. Raises InvalidRequest."""
        if store.organization(connection, organization_id) is None:
            raise InvalidRequest(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        return self._make_key(connection, organization_id, None, name, expires_at)

    def _make_key(
        self, connection: Connection, organization_id: str, project_id: str | None, name: str, expires_at: int | None
    ) -> NewKey:
        now = self._clock.now_s()
        if expires_at is not None and expires_at <= now:
            raise InvalidRequest("The key would have expired already.", param="expires_at")
        admin = project_id is None
        secret = make_secret(admin=admin)
        key = Key(
            self._new_id("key_"),
            redact(secret),
            check_name(name),
            organization_id,
            project_id,
            admin,
            now,
            expires_at,
            None,
        )
        store.add_key(connection, key, digest(secret))
        store.record_change(connection, KEYS, key.id, now)
        return NewKey(key, secret)

    def revoke_key(self, connection: Connection, key_id: str) -> Key:
        """It stays in the list. To do it again changes nothing. Raises InvalidRequest when there is none."""
        now = self._clock.now_s()
        if store.revoke_key(connection, key_id, now):
            store.record_change(connection, KEYS, key_id, now)
        key = store.key(connection, key_id)
        if key is None:
            raise InvalidRequest(f"There is no key {key_id[:80]!r}.", param="key_id")
        return key

    # -- local models

    def add_local_model(
        self, connection: Connection, name: str, path: str, kind: Kind, price: Price | None
    ) -> LocalModel:
        """Add a model file. `price` None: unmetered. Raises InvalidRequest."""
        if price is not None:
            check_currency(price.currency)
            check_price(price)
        now = self._clock.now_s()
        made = LocalModel(check_model_name(name), path, kind, price, now)
        try:
            with connection.begin_nested():
                store.add_local_model(connection, made)
        except IntegrityError as error:
            raise InvalidRequest(
                f"There is a local model {name!r} already. Remove it first (`waystation models remove {name}`).",
                param="name",
            ) from error
        store.record_change(connection, LOCAL_MODELS, made.name, now)
        return made

    def remove_local_model(self, connection: Connection, name: str) -> None:
        """Raises InvalidRequest when there is none. The file stays where it is."""
        now = self._clock.now_s()
        if not store.remove_local_model(connection, name, now):
            raise InvalidRequest(f"There is no local model {name[:80]!r}.", param="name")
        store.record_change(connection, LOCAL_MODELS, name, now)
