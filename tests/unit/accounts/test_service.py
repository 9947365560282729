"""Organizations, projects, keys and local models on a real database."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from waystation.accounts import store
from waystation.accounts.model import digest
from waystation.accounts.service import Accounts
from waystation.errors import InvalidRequest
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.terms import Price
from waystation.testing.clock import FakeClock

CLOCK = FakeClock(1_000)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'w.db'}")
    yield database
    database.close()


@pytest.fixture
def accounts() -> Accounts:
    return Accounts(CLOCK, Ids().new)


def changes(connection: Connection) -> list[tuple[str, str]]:
    return [(topic, subject) for _, topic, subject in store.changes_after(connection, 0, 100)]


def test_the_first_start_makes_one_postpaid_organization_with_a_project_and_the_second_finds_it(
    database: Database, accounts: Accounts
) -> None:
    organization, project = database.write_sync(accounts.ensure_first)
    assert database.write_sync(accounts.ensure_first) == (organization, project)
    assert (organization.postpaid, organization.currency, project.organization_id) == (True, "USD", organization.id)


def test_a_key_is_found_by_its_digest_and_its_secret_is_nowhere(
    database: Database, accounts: Accounts, tmp_path: Path
) -> None:
    organization, project = database.write_sync(accounts.ensure_first)
    new = database.write_sync(lambda c: accounts.create_key(c, project.id, " laptop "))
    admin = database.write_sync(lambda c: accounts.create_admin_key(c, organization.id, "me"))
    callers = database.read_sync(store.callers)
    caller = callers[digest(new.secret)]
    assert (caller.key_id, caller.project_id, caller.organization_id) == (new.key.id, project.id, organization.id)
    assert (caller.admin, caller.revoked, caller.postpaid) == (False, False, True)
    assert (callers[digest(admin.secret)].admin, callers[digest(admin.secret)].project_id) == (True, "")
    assert database.read_sync(lambda c: store.key(c, new.key.id)) == new.key
    assert new.key.name == "laptop"
    assert new.secret not in repr(new)
    database.close()
    assert all(new.secret.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_a_revoked_key_stays_in_the_list_and_is_told_once(database: Database, accounts: Accounts) -> None:
    _, project = database.write_sync(accounts.ensure_first)
    new = database.write_sync(lambda c: accounts.create_key(c, project.id, "laptop"))
    told = len(database.read_sync(changes))
    for _ in range(2):
        assert database.write_sync(lambda c: accounts.revoke_key(c, new.key.id)).revoked_at == CLOCK.now_s()
    assert database.read_sync(changes)[told:] == [("keys", new.key.id)]
    assert [key.revoked_at for key in database.read_sync(lambda c: store.keys(c, "", 10))] == [CLOCK.now_s()]
    assert database.read_sync(store.callers)[digest(new.secret)].revoked


def test_keys_are_listed_a_page_at_a_time(database: Database, accounts: Accounts) -> None:
    _, project = database.write_sync(accounts.ensure_first)

    def many(connection: Connection) -> set[str]:
        return {accounts.create_key(connection, project.id, f"key {number}").key.id for number in range(7)}

    made = database.write_sync(many)
    seen: list[str] = []
    while page := database.read_sync(partial(store.keys, after_id=seen[-1] if seen else "", rows_max=3)):
        seen += [key.id for key in page]
    assert seen == sorted(made)


def test_a_local_model_has_a_price_or_is_unmetered_and_its_name_can_be_used_again(
    database: Database, accounts: Accounts
) -> None:
    price = Price("CNY", 1_000, 2_000, None, source="local model")
    added = database.write_sync(lambda c: accounts.add_local_model(c, "my/model", "/m.gguf", "chat", price))
    free = database.write_sync(lambda c: accounts.add_local_model(c, "free", "/f.gguf", "embedding", None))
    assert database.read_sync(store.local_models) == [free, added]
    with pytest.raises(InvalidRequest, match="already"):
        database.write_sync(lambda c: accounts.add_local_model(c, "free", "/other.gguf", "chat", None))
    database.write_sync(lambda c: accounts.remove_local_model(c, "free"))
    again = database.write_sync(lambda c: accounts.add_local_model(c, "free", "/other.gguf", "chat", price))
    assert database.read_sync(store.local_models) == [again, added]
    assert database.read_sync(changes) == [("local_models", name) for name in ("my/model", "free", "free", "free")]
    rows = database.read_sync(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM local_models").scalar())
    assert rows == 3, "a price once given stays in the table"


def test_what_makes_no_sense_is_refused_and_changes_nothing(database: Database, accounts: Accounts) -> None:
    organization, project = database.write_sync(accounts.ensure_first)
    before = database.read_sync(changes)
    refused: list[tuple[Callable[[Connection], object], str]] = [
        (lambda c: accounts.create_organization(c, ""), "name"),
        (lambda c: accounts.create_organization(c, "a\nb"), "name"),
        (lambda c: accounts.create_organization(c, "a", currency="XXX"), "currency"),
        (lambda c: accounts.create_organization(c, "a", time_zone="Mars/Olympus"), "time_zone"),
        (lambda c: accounts.create_organization(c, "a", time_zone="../../etc/passwd"), "time_zone"),
        (lambda c: accounts.create_project(c, "org-none", "a"), "organization_id"),
        (lambda c: accounts.create_key(c, "proj_none", "a"), "project"),
        (lambda c: accounts.create_key(c, project.id, "x" * 201), "name"),
        (lambda c: accounts.create_key(c, project.id, "a", expires_at=CLOCK.now_s()), "expires_at"),
        (lambda c: accounts.create_admin_key(c, "org-none", "a"), "organization_id"),
        (lambda c: accounts.revoke_key(c, "key_none"), "key_id"),
        (lambda c: accounts.add_local_model(c, "../x", "/m", "chat", None), "name"),
        (lambda c: accounts.add_local_model(c, "x", "/m", "chat", Price("USD", -1, 0)), "price"),
        (lambda c: accounts.add_local_model(c, "x", "/m", "chat", Price("EUR", 1, 0)), "currency"),
        (lambda c: accounts.remove_local_model(c, "none"), "name"),
    ]
    for verb, param in refused:
        with pytest.raises(InvalidRequest) as error:
            database.write_sync(verb)
        assert error.value.param == param
    assert database.read_sync(changes) == before
    assert database.read_sync(store.organizations) == [organization]


def test_the_first_organization_stays_the_first_whatever_else_is_made_in_its_second(
    database: Database, accounts: Accounts
) -> None:
    first, _ = database.write_sync(accounts.ensure_first)
    for number in range(20):
        database.write_sync(lambda c, name=f"o{number}": accounts.create_organization(c, name))  # type: ignore[misc]
    assert database.read_sync(accounts.first_organization) == first


def test_a_project_is_changed_and_archived_once_and_the_next_first_one_is_another(
    database: Database, accounts: Accounts
) -> None:
    organization, project = database.write_sync(accounts.ensure_first)
    told = len(database.read_sync(changes))
    change = partial(accounts.update_project, organization_id=organization.id, project_id=project.id)
    changed = database.write_sync(partial(change, name=" Search ", on_disconnect="drain"))
    assert (changed.name, changed.on_disconnect, changed.created_at) == ("Search", "drain", project.created_at)
    assert database.write_sync(partial(change, name="Search")) == changed, "nothing is told that is not new"
    archive = partial(accounts.archive_project, organization_id=organization.id, project_id=project.id)
    archived = database.write_sync(archive)
    assert archived.archived_at == CLOCK.now_s()
    assert database.write_sync(archive) == archived
    assert database.read_sync(changes)[told:] == [("projects", project.id)] * 2
    assert database.read_sync(lambda c: accounts.projects(c, organization.id, "", 10)) == []
    assert database.read_sync(lambda c: accounts.projects(c, organization.id, "", 10, archived=True)) == [archived]
    with pytest.raises(InvalidRequest, match="archived"):
        database.write_sync(partial(change, name="x"))
    with pytest.raises(InvalidRequest, match="archived"):
        database.write_sync(lambda c: accounts.create_key(c, project.id, "k"))
    assert database.write_sync(accounts.ensure_first)[1].id != project.id


def test_facts_are_kept_and_changed(database: Database) -> None:
    assert database.read_sync(lambda c: store.read_fact(c, "secret_key_check")) is None
    for value in ("one", "two"):
        database.write_sync(partial(store.write_fact, name="secret_key_check", value=value))
        assert database.read_sync(lambda c: store.read_fact(c, "secret_key_check")) == value
