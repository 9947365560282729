"""The accounts, opened on the database for one command. The rules are those of `accounts.service`."""

from waystation.accounts import store
from waystation.accounts.model import Key, LocalModel, NewKey, Organization, Project
from waystation.accounts.service import Accounts
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.settings_reader import nearest
from waystation.terms import Price

PAGE_ROWS = 500


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

    def organization(self, wanted: str | None) -> Organization:
        """An organization by id or name; without one, the first. Raises LookupError, in words for who typed it."""
        first, _ = self.first()
        if wanted is None:
            return first
        organizations = self.database.read_sync(store.organizations)
        for organization in organizations:
            if wanted in (organization.id, organization.name):
                return organization
        raise LookupError(
            f"There is no organization {wanted!r}{nearest(wanted, [each.name for each in organizations])}."
        )

    def has_keys(self) -> bool:
        return bool(self.database.read_sync(lambda connection: store.keys(connection, "", 1)))

    def project(self, wanted: str | None) -> Project:
        """A project by id or name; without one, the first. Raises LookupError, in words for who typed it."""
        organization, first = self.first()
        if wanted is None:
            return first
        projects = self.database.read_sync(lambda connection: store.projects(connection, organization.id))
        for project in projects:
            if wanted in (project.id, project.name):
                return project
        raise LookupError(f"There is no project {wanted!r}{nearest(wanted, [project.name for project in projects])}.")

    def create_key(self, project: str | None, name: str, *, expires_at: int | None = None) -> NewKey:
        project_id = self.project(project).id
        return self.database.write_sync(
            lambda connection: self._accounts.create_key(connection, project_id, name, expires_at=expires_at),
            durable=True,
        )

    def create_admin_key(self, name: str, *, expires_at: int | None = None) -> NewKey:
        organization, _ = self.first()
        return self.database.write_sync(
            lambda connection: self._accounts.create_admin_key(
                connection, organization.id, name, expires_at=expires_at
            ),
            durable=True,
        )

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
