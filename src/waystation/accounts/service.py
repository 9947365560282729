"""What can be done with organizations, projects, keys and local models: the rules and the order, no SQL.

Every verb runs inside the transaction that it is given (`db.write(lambda c: accounts.revoke_key(c, id),
durable=True)`), so it is one transaction whether a server or a command asks; and it records the change that the
workers follow.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec
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
    check_cache_s,
    check_currency,
    check_model_name,
    check_name,
    check_on_disconnect,
    check_time_zone,
    digest,
    make_secret,
    redact,
)
from waystation.errors import InvalidRequest, NotFound
from waystation.metering.cost import check_price
from waystation.terms import Price

KEYS, ORGANIZATIONS, PROJECTS, LOCAL_MODELS = "keys", "organizations", "projects", "local_models"  # topics of changes

# With those that were archived or revoked: every worker has all keys in memory.
PROJECTS_PER_ORGANIZATION_MAX = 10_000
KEYS_PER_ORGANIZATION_MAX = 500_000


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

    def first_organization(self, connection: Connection) -> Organization | None:
        """The one whose administrators run this server."""
        return store.first_organization(connection)

    def organization(self, connection: Connection, organization_id: str) -> Organization:
        """Raises NotFound."""
        found = store.organization(connection, organization_id)
        if found is None:
            raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        return found

    def organizations(
        self, connection: Connection, after_id: str, rows_max: int, *, ascending: bool = True
    ) -> list[Organization]:
        return store.organizations_page(connection, after_id, rows_max, ascending=ascending)

    def update_organization(
        self,
        connection: Connection,
        organization_id: str,
        *,
        name: str | None = None,
        currency: str | None = None,
        postpaid: bool | None = None,
        time_zone: str | None = None,
    ) -> Organization:
        """What is None stays. Raises InvalidRequest where the books forbid it, NotFound."""
        before = self.organization(connection, organization_id)
        after = msgspec.structs.replace(
            before,
            name=before.name if name is None else check_name(name),
            currency=before.currency if currency is None else check_currency(currency),
            postpaid=before.postpaid if postpaid is None else postpaid,
            time_zone=before.time_zone if time_zone is None else check_time_zone(time_zone),
        )
        self._check_books_allow(connection, before, after)
        if after != before:
            store.replace_organization(connection, after)
            store.record_change(connection, ORGANIZATIONS, after.id, self._clock.now_s())
        return after

    def _check_books_allow(self, connection: Connection, before: Organization, after: Organization) -> None:
        for param, what in (("currency", "The currency"), ("postpaid", "Whether it is postpaid")):
            if getattr(before, param) != getattr(after, param) and store.money_has_moved(connection, before.id):
                raise InvalidRequest(
                    f"{what} can't be changed any more: money of this organization has moved. Make another organization.",
                    param=param,
                )
        if before.currency != after.currency and store.has_budgets(connection, before.id):
            raise InvalidRequest(
                f"The currency can't be changed while there are budgets in {before.currency}. Remove them first.",
                param="currency",
            )
        if before.time_zone != after.time_zone and store.has_usage(connection, before.id):
            raise InvalidRequest(
                "The time zone can't be changed any more: days of usage were counted in it.", param="time_zone"
            )

    def create_project(self, connection: Connection, organization_id: str, name: str) -> Project:
        """Raises InvalidRequest."""
        if store.organization(connection, organization_id) is None:
            raise InvalidRequest(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        if store.count_projects(connection, organization_id) >= PROJECTS_PER_ORGANIZATION_MAX:
            raise InvalidRequest(f"This organization has {PROJECTS_PER_ORGANIZATION_MAX} projects already.")
        now = self._clock.now_s()
        made = Project(self._new_id("proj_"), organization_id, check_name(name), now)
        store.add_project(connection, made)
        store.record_change(connection, PROJECTS, made.id, now)
        return made

    def project(self, connection: Connection, organization_id: str, project_id: str) -> Project:
        """A project of this organization. Raises NotFound, also where it is another's."""
        found = store.project(connection, project_id)
        if found is None or found.organization_id != organization_id:
            raise NotFound(f"There is no project {project_id[:80]!r}.", param="project_id")
        return found

    def projects(
        self,
        connection: Connection,
        organization_id: str,
        after_id: str,
        rows_max: int,
        *,
        ascending: bool = True,
        archived: bool = False,
    ) -> list[Project]:
        return store.projects_page(
            connection, organization_id, after_id, rows_max, ascending=ascending, archived=archived
        )

    def update_project(
        self,
        connection: Connection,
        organization_id: str,
        project_id: str,
        *,
        name: str | None = None,
        on_disconnect: str | None = None,
        cache_s: int | None = None,
    ) -> Project:
        """What is None stays. Raises InvalidRequest, NotFound."""
        before = self.project(connection, organization_id, project_id)
        if before.archived_at is not None:
            raise InvalidRequest("This project has been archived: it can't be changed any more.", param="project_id")
        after = msgspec.structs.replace(
            before,
            name=before.name if name is None else check_name(name),
            on_disconnect=before.on_disconnect if on_disconnect is None else check_on_disconnect(on_disconnect),
            cache_s=before.cache_s if cache_s is None else check_cache_s(cache_s),
        )
        if after != before:
            self._put_project(connection, after)
        return after

    def archive_project(self, connection: Connection, organization_id: str, project_id: str) -> Project:
        """Its keys are refused from now on; calls under way end and are charged. To do it again changes nothing."""
        before = self.project(connection, organization_id, project_id)
        if before.archived_at is not None:
            return before
        after = msgspec.structs.replace(before, archived_at=self._clock.now_s())
        self._put_project(connection, after)
        return after

    def _put_project(self, connection: Connection, project: Project) -> None:
        store.replace_project(connection, project)
        store.record_change(connection, PROJECTS, project.id, self._clock.now_s())

    def ensure_first(self, connection: Connection) -> tuple[Organization, Project]:
        """The first organization (postpaid, without a limit) and its first project in use, made if there are none."""
        organization = store.first_organization(connection)
        if organization is None:
            organization = self.create_organization(connection, "Default organization")
            store.write_fact(connection, store.FIRST_ORGANIZATION, organization.id)
        projects = store.projects(connection, organization.id)
        first = next((project for project in projects if project.archived_at is None), None)
        return organization, first or self.create_project(connection, organization.id, "Default project")

    # -- keys

    def create_key(
        self, connection: Connection, project_id: str, name: str, *, expires_at: int | None = None
    ) -> NewKey:
        """A project's key. Raises InvalidRequest."""
        project = store.project(connection, project_id)
        if project is None:
            raise InvalidRequest(f"There is no project {project_id[:80]!r}.", param="project")
        if project.archived_at is not None:
            raise InvalidRequest("This project has been archived: it gets no new keys.", param="project_id")
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
        if store.count_keys(connection, organization_id) >= KEYS_PER_ORGANIZATION_MAX:
            raise InvalidRequest(f"This organization has {KEYS_PER_ORGANIZATION_MAX} keys already.")
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

    def key(self, connection: Connection, organization_id: str, key_id: str, project_id: str | None = None) -> Key:
        """A key of this organization, and of this project where one is said. Raises NotFound."""
        found = store.key(connection, key_id)
        ours = found is not None and found.organization_id == organization_id
        if found is None or not ours or (project_id is not None and found.project_id != project_id):
            raise NotFound(f"There is no key {key_id[:80]!r}.", param="key_id")
        return found

    def keys(
        self,
        connection: Connection,
        organization_id: str,
        after_id: str,
        rows_max: int,
        *,
        ascending: bool = True,
        project_id: str | None = None,
        revoked: bool = True,
    ) -> list[Key]:
        return store.keys_page(
            connection,
            organization_id,
            after_id,
            rows_max,
            ascending=ascending,
            project_id=project_id,
            revoked=revoked,
        )

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
