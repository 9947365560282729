"""Verbs on stored completions; each runs in one transaction that its caller makes."""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.errors import NotFound
from waystation.storage.completions import store
from waystation.storage.completions.model import Body, StoredCompletion, shown_messages
from waystation.storage.vault import Vault
from waystation.wire.listing import Page

_decode = msgspec.json.Decoder(Body).decode
_decode_messages = msgspec.json.Decoder(list[Body]).decode


class Clock(Protocol):
    def now_s(self) -> int: ...


class StoredCompletions:
    """All raise NotFound, alike for what never was, what has expired and what is another project's."""

    def __init__(self, clock: Clock, new_id: Callable[[str], str], vault: Vault) -> None:
        self._clock = clock
        self._new_id = new_id
        self._vault = vault

    def keep(self, connection: Connection, made: StoredCompletion) -> None:
        """Its body and messages come plain."""
        sealed = msgspec.structs.replace(
            made,
            body=self._vault.seal(made.id, made.body),
            messages=self._vault.seal(f"{made.id}/messages", made.messages),
        )
        store.add(connection, sealed)

    def completion(self, connection: Connection, project_id: str, completion_id: str) -> Body:
        return self._shown(self._found(connection, project_id, completion_id))

    def page(
        self,
        connection: Connection,
        project_id: str,
        page: Page,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> list[Body]:
        """At most `page.rows_max`, in the order in which they were read. A cursor that is gone still says where it was."""
        found = store.page(
            connection,
            project_id,
            self._clock.now_s(),
            page.rows_max,
            model=model,
            metadata=metadata or {},
            cursor=page.cursor,
            ascending=page.reads_ascending,
        )
        return [self._shown(each) for each in found]

    def update(self, connection: Connection, project_id: str, completion_id: str, metadata: dict[str, str]) -> Body:
        """Its metadata becomes this."""
        found = self._found(connection, project_id, completion_id)
        store.set_metadata(connection, project_id, completion_id, metadata)
        return self._shown(msgspec.structs.replace(found, metadata=metadata))

    def delete(self, connection: Connection, project_id: str, completion_id: str) -> None:
        self._found(connection, project_id, completion_id)
        store.remove(connection, [completion_id])

    def messages(self, connection: Connection, project_id: str, completion_id: str) -> list[Body]:
        """What was sent, the first message first."""
        found = self._found(connection, project_id, completion_id)
        sent = _decode_messages(self._vault.unseal(f"{found.id}/messages", found.messages))
        return shown_messages(found.id, sent)

    def _found(self, connection: Connection, project_id: str, completion_id: str) -> StoredCompletion:
        found = store.find(connection, project_id, completion_id, self._clock.now_s())
        if found is None:
            raise NotFound(f"Chat completion with id '{completion_id[:100]}' not found.", param="completion_id")
        return found

    def _shown(self, found: StoredCompletion) -> Body:
        body: Body = _decode(self._vault.unseal(found.id, found.body))
        return body | {"metadata": found.metadata}


def sweep(connection: Connection, now: int, most: int) -> int:
    """Forget what has expired, at most so many; how many those were."""
    ids = store.expired(connection, now, most)
    store.remove(connection, ids)
    return len(ids)
