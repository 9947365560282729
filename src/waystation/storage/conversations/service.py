"""Verbs on conversations; each runs in one transaction that its caller makes."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.errors import InvalidRequest, NotFound
from waystation.storage.conversations import store
from waystation.storage.conversations.model import Conversation
from waystation.storage.vault import Vault
from waystation.wire.items import Item, resource
from waystation.wire.listing import Page

ITEMS_FOR_A_MODEL_MAX = 10_000
"""Of a longer conversation, a model reads the latest."""
ITEMS_AT_ONCE_MAX = 1_000
"""Of those that are removed in one transaction: nobody else writes meanwhile."""

_decode = msgspec.json.Decoder(Item).decode


class Clock(Protocol):
    def now_s(self) -> int: ...


class Conversations:
    """All raise NotFound, alike for what never was and for what is another project's."""

    def __init__(self, clock: Clock, new_id: Callable[[str], str], vault: Vault) -> None:
        self._clock = clock
        self._new_id = new_id
        self._vault = vault

    def create(
        self, connection: Connection, project_id: str, metadata: dict[str, str], items: Sequence[Item]
    ) -> Conversation:
        """`items`: checked by `wire/`."""
        made = Conversation(self._new_id("conv_"), project_id, metadata, self._clock.now_s())
        store.add(connection, made)
        self._add(connection, made.id, items)
        return made

    def conversation(self, connection: Connection, project_id: str, conversation_id: str) -> Conversation:
        return self._found(connection, project_id, conversation_id)

    def update(
        self, connection: Connection, project_id: str, conversation_id: str, metadata: dict[str, str]
    ) -> Conversation:
        """Its metadata becomes this."""
        found = self._found(connection, project_id, conversation_id)
        store.set_metadata(connection, conversation_id, metadata)
        return msgspec.structs.replace(found, metadata=metadata)

    def delete(self, connection: Connection, project_id: str, conversation_id: str) -> None:
        """With its items: nothing else refers to them. Of a long conversation the sweep removes the rest."""
        self._found(connection, project_id, conversation_id)
        store.remove(connection, conversation_id, ITEMS_AT_ONCE_MAX)

    # -- items

    def append(
        self, connection: Connection, project_id: str, conversation_id: str, items: Sequence[Item]
    ) -> list[Item]:
        """Add checked items at the end, in their order. Returns them as they are kept: one whose id is taken gets a new one."""
        self._found(connection, project_id, conversation_id, lock=True)
        return self._add(connection, conversation_id, items)

    def items(
        self, connection: Connection, project_id: str, conversation_id: str, items_max: int = ITEMS_FOR_A_MODEL_MAX
    ) -> list[Item]:
        """What a model reads of it: the latest items, the oldest of them first."""
        self._found(connection, project_id, conversation_id)
        rows = store.items(connection, conversation_id, items_max, beyond=None, ascending=False)
        return self._opened(conversation_id, rows[::-1])

    def page(self, connection: Connection, project_id: str, conversation_id: str, page: Page) -> list[Item]:
        """At most `page.rows_max` items, in the order in which they were read. Raises InvalidRequest for a cursor that
        is no item of this conversation."""
        self._found(connection, project_id, conversation_id)
        beyond = None
        if page.cursor:
            beyond = store.position(connection, conversation_id, page.cursor)
            if beyond is None:
                name = "after" if page.after else "before"
                raise InvalidRequest(
                    f"Invalid '{name}': there is no item {page.cursor!r} in this conversation.", param=name
                )
        rows = store.items(connection, conversation_id, page.rows_max, beyond=beyond, ascending=page.reads_ascending)
        return self._opened(conversation_id, rows)

    def item(self, connection: Connection, project_id: str, conversation_id: str, item_id: str) -> Item:
        self._found(connection, project_id, conversation_id)
        sealed = store.item(connection, conversation_id, item_id)
        if sealed is None:
            raise _no_item(item_id)
        return self._opened(conversation_id, [(item_id, sealed)])[0]

    def find_items(self, connection: Connection, project_id: str, item_ids: Sequence[str]) -> dict[str, Item]:
        """Items of any of the project's conversations by their ids, the newest of several; what isn't there is left out."""
        rows = store.find_items(connection, project_id, item_ids)
        return {id_: self._opened(conversation_id, [(id_, sealed)])[0] for conversation_id, id_, sealed in rows}

    def delete_item(self, connection: Connection, project_id: str, conversation_id: str, item_id: str) -> Conversation:
        found = self._found(connection, project_id, conversation_id)
        if not store.remove_item(connection, conversation_id, item_id):
            raise _no_item(item_id)
        return found

    # -- parts of these

    def _found(
        self, connection: Connection, project_id: str, conversation_id: str, *, lock: bool = False
    ) -> Conversation:
        found = store.find(connection, project_id, conversation_id, lock=lock)
        if found is None:
            raise NotFound(f"Conversation with id '{conversation_id[:100]}' not found.", param="conversation_id")
        return found

    def _add(self, connection: Connection, conversation_id: str, items: Sequence[Item]) -> list[Item]:
        asked = {id_ for each in items if isinstance(id_ := each.get("id"), str)}
        taken = store.taken(connection, conversation_id, asked)
        kept = []
        for each in items:
            made = resource(each, self._new_id, taken)
            taken.add(made["id"])
            kept.append(made)
        rows = [
            (made["id"], self._vault.seal(_place(conversation_id, made["id"]), msgspec.json.encode(made)))
            for made in kept
        ]
        store.add_items(connection, conversation_id, rows, self._clock.now_s())
        return kept

    def _opened(self, conversation_id: str, rows: Sequence[store.Row]) -> list[Item]:
        return [_decode(self._vault.unseal(_place(conversation_id, id_), sealed)) for id_, sealed in rows]


def sweep(connection: Connection, most: int) -> int:
    """Go on with removing a long conversation, at most so many items; how many those were."""
    conversation_id = store.removed(connection)
    return 0 if conversation_id is None else max(store.remove(connection, conversation_id, most), 1)


def _place(conversation_id: str, item_id: str) -> str:
    return f"{conversation_id}/{item_id}"


def _no_item(item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id[:100]}' not found.", param="item_id")
