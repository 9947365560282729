"""The accounts, opened on the database for one command. The rules are those of `accounts.service`."""

from collections.abc import Sequence
from typing import TypeVar

from waystation.accounts import store
from waystation.accounts.model import Key, LocalModel, NewKey, Organization, Project
from waystation.accounts.service import Accounts
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.settings_reader import nearest
from waystation.terms import Price

PAGE_ROWS = 500
T = TypeVar("T", Organization, Project)


class Books:
    """Verbs for the commands, each in one durable transaction. All raise ApiErrors with sentences fit for a person."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self.database = database
        self._accounts = accounts

    @classmethod
    def open(cls, url: str) -> "Books":
        """Open the database, with its schema brought up to date."""
        return cls(Database.open(url), Accounts(Clock(), Ids().new))

    def close(self) -> None:
        self.database.close()

    def first(self) -> tuple[Organization, Project]:
        """The first organization and project, made if there are none."""
        return self.database.write_sync(self._accounts.ensure_first, durable=True)

    def has_keys(self) -> bool:
        return bool(self.database.read_sync(lambda connection: store.keys(connection, "", 1)))

    def organization(self, wanted: str | None) -> Organization:
        """An organization by id or name; without one, the first. Raises LookupError, in words for who typed it."""
        first, _ = self.first()
        if wanted is None:
            return first
        return _named("organization", wanted, self.database.read_sync(store.organizations))

    def project(self, wanted: str | None, organization: str | None = None) -> Project:
        """A project by id or name; without one, the first that is in use. Raises LookupError, in words for who typed it."""
        if wanted is None and organization is None:
            return self.first()[1]
        organization_id = self.organization(organization).id
        projects = self.database.read_sync(lambda connection: store.projects(connection, organization_id))
        in_use = [project for project in projects if project.archived_at is None]
        if wanted is None and in_use:
            return in_use[0]
        return _named("project", wanted or "", [*in_use, *projects])

    def create_key(
        self, project: str | None, name: str, *, organization: str | None = None, expires_at: int | None = None
    ) -> NewKey:
        project_id = self.project(project, organization).id
        return self.database.write_sync(
            lambda connection: self._accounts.create_key(connection, project_id, name, expires_at=expires_at),
            durable=True,
        )

    def create_admin_key(self, name: str, *, organization: str | None = None, expires_at: int | None = None) -> NewKey:
        organization_id = self.organization(organization).id
        return self.database.write_sync(
            lambda connection: self._accounts.create_admin_key(
                connection, organization_id, name, expires_at=expires_at
            ),
            durable=True,
        )

    def last_change(self) -> int:
        """The number of the newest change: who knows it knows all that was done here so far."""
        return self.database.read_sync(store.last_change)

    def keys(self) -> list[Key]:
        """All of them, the oldest first."""
        found: list[Key] = []
        while True:
            after = found[-1].id if found else ""
            page = self._page(after)
            found += page
            if len(page) < PAGE_ROWS:
                return found

    def _page(self, after: str) -> list[Key]:
        return self.database.read_sync(lambda connection: store.keys(connection, after, PAGE_ROWS))

    def revoke_key(self, key_id: str) -> Key:
        return self.database.write_sync(lambda connection: self._accounts.revoke_key(connection, key_id), durable=True)

    def local_models(self) -> list[LocalModel]:
        return self.database.read_sync(store.local_models)

    def add_local_model(self, name: str, path: str, kind: str, price: Price | None) -> LocalModel:
        return self.database.write_sync(
            lambda connection: self._accounts.add_local_model(
                connection, name, path, "embedding" if kind == "embedding" else "chat", price
            ),
            durable=True,
        )

    def remove_local_model(self, name: str) -> None:
        self.database.write_sync(lambda connection: self._accounts.remove_local_model(connection, name), durable=True)


def _named(kind: str, wanted: str, among: Sequence[T]) -> T:
    """What is called so, by id or name. Raises LookupError."""
    for each in among:
        if wanted in (each.id, each.name):
            return each
    raise LookupError(f"There is no {kind} {wanted!r}{nearest(wanted, [each.name for each in among])}.")
