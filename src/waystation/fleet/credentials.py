"""What can be done with credentials: also those of the file's providers, of which only the use can be changed."""

import msgspec
from sqlalchemy import Connection

from waystation import tables
from waystation.errors import InvalidRequest, NotFound, ServiceUnavailable
from waystation.fleet import store
from waystation.fleet.ground import Ground, already_there, set_in_file, too_many
from waystation.fleet.model import (
    CREDENTIALS_PER_PROVIDER_MAX,
    NOTICES_MAX,
    CredentialRow,
    CredentialState,
    Source,
)
from waystation.fleet.registry import credential_of, place_of
from waystation.fleet.rules import check_name, check_secret, check_weight, near, redacted
from waystation.terms import Credential, Secret

REFUSED = "credential_refused"  # the kind of the notice
DETAIL_CHARS_MAX = 500


class ListedCredential(msgspec.Struct, frozen=True):
    """As it may be shown: the secret itself never is."""

    id: str
    provider: str
    name: str
    source: Source
    redacted: str
    weight: int
    enabled: bool
    state: CredentialState | None  # why it is not in use, if that was said here
    problem: str | None
    created_at: int | None
    updated_at: int | None


class Credentials:
    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def create(
        self, connection: Connection, provider: str, name: str, secret: Secret, weight: int = 1
    ) -> ListedCredential:
        checked, text = check_name(name), check_secret(secret.reveal())
        check_weight(weight)
        names = self._ground.provider_names(connection)
        if provider not in names:
            raise NotFound(f"There is no provider {provider[:100]!r}{near(provider, names)}.", param="provider")
        self._check_name_is_free(connection, provider, checked)
        mine = tables.credentials.c.provider == provider
        if store.count(connection, tables.credentials, mine) >= CREDENTIALS_PER_PROVIDER_MAX:
            raise too_many(f"credentials of {provider!r}", CREDENTIALS_PER_PROVIDER_MAX)
        now = self._ground.tell(connection, provider)
        row = CredentialRow(self._ground.new_id("cred_"), provider, checked, b"", "", weight, now, now)
        return self._write(connection, self._sealed(row, text))

    def update(
        self,
        connection: Connection,
        id_: str,
        *,
        name: str | None = None,
        secret: Secret | None = None,
        weight: int | None = None,
        enabled: bool | None = None,
    ) -> ListedCredential:
        """What is None stays. A new secret takes the place of the old one, and what was refused is in use again."""
        of_file = self._of_file(id_)
        if of_file is not None:
            if (name, secret, weight) != (None, None, None):
                raise set_in_file("credential", id_, "credential_id")
            if enabled and of_file[1].disabled:
                raise set_in_file("credential", id_, "enabled")
            return self._switch(connection, self.one(connection, id_), enabled)
        row = self._row(connection, id_)
        if name is not None and name != row.name:
            self._check_name_is_free(connection, row.provider, check_name(name))
            row = msgspec.structs.replace(row, name=name)
        if weight is not None:
            row = msgspec.structs.replace(row, weight=check_weight(weight))
        if secret is not None:
            row = self._sealed(row, check_secret(secret.reveal()))
            state = store.states(connection).get(id_)
            if state is not None and state.reason == "refused":
                store.enable_credential(connection, id_)
        now = self._ground.tell(connection, row.provider)
        written = self._write(connection, msgspec.structs.replace(row, updated_at=now))
        return self._switch(connection, written, enabled)

    def remove(self, connection: Connection, id_: str) -> None:
        if self._of_file(id_) is not None:
            raise set_in_file("credential", id_, "credential_id")
        row = self._row(connection, id_)
        store.remove_credential(connection, id_)
        self._ground.tell(connection, row.provider)

    def all(self, connection: Connection, provider: str | None = None) -> list[ListedCredential]:
        """By id; `provider`: only its."""
        states = store.states(connection)
        found = [self._listed(row, states.get(row.id)) for row in store.credentials(connection, provider=provider)]
        for config in self._ground.fixed().providers.values():
            if provider in (None, config.name):
                found += [_file_listed(config.name, each, states.get(each.id)) for each in config.credentials]
        return sorted(found, key=lambda each: each.id)

    def one(self, connection: Connection, id_: str) -> ListedCredential:
        state = store.states(connection).get(id_)
        of_file = self._of_file(id_)
        return self._listed(self._row(connection, id_), state) if of_file is None else _file_listed(*of_file, state)

    def refuse(self, connection: Connection, id_: str, provider: str, detail: str, shown: Secret | None = None) -> bool:
        """The provider has refused it: it is disabled and a notice says so, once. True: that is news.

        `shown`: the secret that was refused; one that was replaced in the meantime refuses nothing.
        """
        now = self._secret(connection, id_)
        if now is None or (shown is not None and shown != now):
            return False
        words = _cleaned(detail, now)
        at = self._ground.clock.now_s()
        if not store.disable_credential_once(connection, CredentialState(id_, provider, "refused", words, at)):
            return False
        what = {"provider": provider, "credential": id_, "detail": words}
        store.add_notice(connection, at, REFUSED, id_, what, NOTICES_MAX)
        self._ground.tell(connection, provider)
        return True

    def _switch(self, connection: Connection, listed: ListedCredential, enabled: bool | None) -> ListedCredential:
        if enabled is not None:
            now = self._ground.tell(connection, listed.provider)
            if enabled:
                store.enable_credential(connection, listed.id)
            else:
                off = CredentialState(listed.id, listed.provider, "administrator", "Disabled by an administrator.", now)
                store.disable_credential(connection, off)
        return self.one(connection, listed.id)

    def _sealed(self, row: CredentialRow, text: str) -> CredentialRow:
        sealed = self._ground.sealer.seal(place_of(row), text)
        return msgspec.structs.replace(row, sealed=sealed, redacted=redacted(text))

    def _write(self, connection: Connection, row: CredentialRow) -> ListedCredential:
        store.put_credential(connection, row)
        return self._listed(row, store.states(connection).get(row.id))

    def _row(self, connection: Connection, id_: str) -> CredentialRow:
        found = store.credentials(connection, id_=id_)
        if not found:
            raise NotFound(f"There is no credential {id_[:100]!r}.", param="credential_id")
        return found[0]

    def _of_file(self, id_: str) -> tuple[str, Credential] | None:
        for config in self._ground.fixed().providers.values():
            for each in config.credentials:
                if each.id == id_:
                    return config.name, each
        return None

    def _secret(self, connection: Connection, id_: str) -> Secret | None:
        of_file = self._of_file(id_)
        if of_file is not None:
            return of_file[1].secret or Secret("")
        try:
            return credential_of(self._row(connection, id_), self._ground.sealer, disabled=False).secret
        except (InvalidRequest, ServiceUnavailable):  # removed in the meantime, or not readable any more
            return None

    def _check_name_is_free(self, connection: Connection, provider: str, name: str) -> None:
        if any(each.name == name for each in self.all(connection, provider)):
            raise already_there(f"credential of {provider!r} called", name, "name")

    def _listed(self, row: CredentialRow, state: CredentialState | None) -> ListedCredential:
        problem = None
        try:
            credential_of(row, self._ground.sealer, disabled=False)
        except ServiceUnavailable as error:
            problem = error.message
        made = (row.created_at, row.updated_at)
        use = (state is None, state, problem)
        return ListedCredential(row.id, row.provider, row.name, "api", row.redacted, row.weight, *use, *made)


def _file_listed(provider: str, credential: Credential, state: CredentialState | None) -> ListedCredential:
    text = "" if credential.secret is None else redacted(credential.secret.reveal())
    enabled = state is None and not credential.disabled
    return ListedCredential(
        credential.id, provider, credential.name, "file", text, credential.weight, enabled, state, None, None, None
    )


def _cleaned(detail: str, secret: Secret) -> str:
    """Words for people, without the secret and without what a terminal would obey."""
    text = detail.replace(secret.reveal(), "***") if secret.reveal() else detail
    return "".join(char if char.isprintable() else " " for char in text)[:DETAIL_CHARS_MAX]
