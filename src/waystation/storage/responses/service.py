"""Verbs on responses; each runs in one transaction that its caller makes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection

from waystation.errors import NotFound
from waystation.storage.responses import store
from waystation.storage.responses.model import (
    ANSWERED,
    CHAIN_BYTES_MAX,
    CHAIN_RESPONSES_MAX,
    Item,
    Row,
    Turn,
    chain_broken,
    chain_too_long,
    not_found,
    previous_not_found,
    refuse_unready,
)
from waystation.storage.vault import Vault
from waystation.wire.listing import Page


class Clock(Protocol):
    def now_s(self) -> int: ...


class Conversations(Protocol):
    """Where what was said in a conversation is added to (`storage/conversations/`)."""

    def append(self, connection: Connection, project_id: str, conversation_id: str, items: Sequence[Item]) -> Any:
        """Raises NotFound."""
        ...


class _Answered(msgspec.Struct):
    """Of a response's body just what the next one reads."""

    output: list[Item] = []


TURNS_AT_ONCE = 50  # that are read for a page of what a model was given

_read_items = msgspec.json.Decoder(list[Item]).decode
_read_answered = msgspec.json.Decoder(_Answered).decode


class Responses:
    """`conversations`: without them nothing is added to any."""

    def __init__(
        self,
        clock: Clock,
        new_id: Callable[[str], str],
        vault: Vault,
        conversations: Conversations | None = None,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._vault = vault
        self._conversations = conversations

    # -- writing

    def insert(self, connection: Connection, row: Row, items: Sequence[Item]) -> None:
        """Keep a response, note where its items are, and add to its conversation what was said, once it has ended.

        `items`: those of its input and its output, which were read already.
        """
        values = msgspec.structs.asdict(row)
        values |= {
            "background": int(row.background),
            "stream": int(row.stream),
            **self._sealed(row.id, row.input, row.body),
        }
        store.add(connection, values)
        self._note_items(connection, row.project_id, row.id, items)
        self.converse(connection, row, items)

    def converse(self, connection: Connection, row: Row, items: Sequence[Item]) -> None:
        """Add what was said to the response's conversation. One that was deleted meanwhile takes nothing more."""
        if row.conversation_id is None or row.status not in ANSWERED or self._conversations is None:
            return
        with suppress(NotFound):
            self._conversations.append(connection, row.project_id, row.conversation_id, items)

    def begin(self, connection: Connection, response_id: str, body: bytes) -> bool:
        """A queued response is in progress now. False: it has ended meanwhile, or was deleted."""
        values = {"status": "in_progress", **self._sealed(response_id, body=body)}
        return store.change(connection, response_id, values, running=True)

    def finish(self, connection: Connection, project_id: str, response_id: str, status: str, body: bytes) -> bool:
        """A running response has ended so. False: it had ended before (it was cancelled), or was deleted; nothing is changed."""
        values = {"status": status, **self._sealed(response_id, body=body)}
        if not store.change(connection, response_id, values, running=True):
            return False
        row = self._find(connection, project_id, response_id)
        if row is not None:
            output = _read_answered(body).output
            self._note_items(connection, project_id, response_id, output)
            self.converse(connection, row, [*_read_items(row.input), *output])
        return True

    def delete(self, connection: Connection, project_id: str, response_id: str) -> None:
        """Delete a response, its events, and what is still to be done for it. Raises ResponseNotFound."""
        self.retrieve(connection, project_id, response_id)
        store.remove(connection, [response_id])

    def sweep(self, connection: Connection, now: int, most: int) -> int:
        """Delete what has expired, at most so many; returns how many were dealt with.

        What a living response builds on lives as long as that one does.
        """
        ids = store.expired(connection, now, most)
        needed = store.needed_until(connection, ids)
        doomed: set[str] = set()
        longer: dict[str, int] = {}
        for response_id in ids:  # the youngest first: who builds on another is dealt with before that
            until, children = needed.get(response_id, (0, []))
            if all(child in doomed for child in children):
                doomed.add(response_id)
            else:  # one that is dealt with later: look again
                longer[response_id] = max([until, now + 1, *(longer.get(child, 0) for child in children)])
        store.remove(connection, sorted(doomed))
        store.postpone(connection, longer)
        return len(ids)

    # -- reading

    def retrieve(self, connection: Connection, project_id: str, response_id: str) -> Row:
        """A response of the project. Raises ResponseNotFound."""
        row = self._find(connection, project_id, response_id)
        if row is None:
            raise not_found(response_id)
        return row

    def input_items(self, connection: Connection, project_id: str, response_id: str, page: Page) -> list[Item]:
        """Of what the model was given for this response, earlier turns too, the stretch that this page is in, in order.

        Raises ResponseNotFound, InvalidRequest.
        """
        row = self.retrieve(connection, project_id, response_id)
        links = [] if row.previous_id is None else self._links(connection, project_id, row.previous_id)
        ids = [row.id, *(link.id for link in links)]  # the newest first
        ids = ids[::-1] if page.reads_ascending else ids
        if page.cursor:
            having = store.having(connection, project_id, page.cursor)
            ids = ids[next((at for at, each in enumerate(ids) if each in having), len(ids)) :]
        read: list[Item] = []
        for start in range(0, len(ids), TURNS_AT_ONCE):
            some = ids[start : start + TURNS_AT_ONCE]
            turns = self._contents(connection, some)
            for each in some:
                items = [*turns[each].input, *([] if each == row.id else turns[each].output)]
                read += items if page.reads_ascending else items[::-1]
            begin = next((at for at, item in enumerate(read) if item.get("id") == page.cursor), -1)
            if len(read) - begin > page.rows_max or (page.cursor and begin < 0):
                break
        return read if page.reads_ascending else read[::-1]

    def recall(self, connection: Connection, project_id: str, response_id: str) -> list[Item]:
        """What was said up to the end of a response, to go on from: inputs and outputs in order.

        Raises PreviousNotFound, and InvalidRequest where it can't be gone on with.
        """
        row = self._find(connection, project_id, response_id)
        if row is None:
            raise previous_not_found(response_id)
        refuse_unready(response_id, row.status)
        return _flat(self._turns(connection, project_id, response_id))

    def find_items(self, connection: Connection, project_id: str, item_ids: Sequence[str]) -> dict[str, Item]:
        """Items of the project's responses by their ids; what isn't there is left out."""
        places = store.places(connection, project_id, item_ids, self._clock.now_s())
        found: dict[str, Item] = {}
        for response_id, turn in self._contents(connection, sorted(set(places.values()))).items():
            for item in (*turn.input, *turn.output):
                if places.get(item.get("id", "")) == response_id:
                    found[item["id"]] = item
        return found

    # -- parts of these

    def _find(self, connection: Connection, project_id: str, response_id: str) -> Row | None:
        found = store.find(connection, project_id, response_id, self._clock.now_s())
        if found is None:
            return None
        values = dict(found._mapping)
        values |= {
            "background": bool(found.background),
            "stream": bool(found.stream),
            "input": self._vault.unseal(f"{response_id} input", found.input),
            "body": self._vault.unseal(f"{response_id} body", found.body),
        }
        return Row(**values)

    def _turns(self, connection: Connection, project_id: str, response_id: str) -> list[Turn]:
        """The turns up to a response, the oldest first. Raises InvalidRequest where there are too many, or one is gone."""
        links = self._links(connection, project_id, response_id)
        turns = self._contents(connection, [link.id for link in links])
        return [turns[link.id] for link in reversed(links)]

    def _links(self, connection: Connection, project_id: str, response_id: str) -> list[store.Link]:
        """The responses up to this one, the newest first. Raises InvalidRequest where there are too many, or one is gone."""
        links = store.chain(connection, project_id, response_id, CHAIN_RESPONSES_MAX + 1)
        if len(links) > CHAIN_RESPONSES_MAX or sum(link.size_bytes for link in links) > CHAIN_BYTES_MAX:
            raise chain_too_long(response_id)
        if not links or links[-1].previous_id is not None:
            raise chain_broken(response_id)
        return links

    def _contents(self, connection: Connection, ids: Sequence[str]) -> dict[str, Turn]:
        return {
            row.id: Turn(
                _read_items(self._vault.unseal(f"{row.id} input", row.input)),
                _read_answered(self._vault.unseal(f"{row.id} body", row.body)).output,
            )
            for row in store.contents(connection, ids)
        }

    def _sealed(self, response_id: str, input: bytes | None = None, body: bytes | None = None) -> dict[str, Any]:  # noqa: A002 - the column's name
        given = {"input": input, "body": body}
        return {
            name: self._vault.seal(f"{response_id} {name}", content)
            for name, content in given.items()
            if content is not None
        }

    def _note_items(self, connection: Connection, project_id: str, response_id: str, items: Sequence[Item]) -> None:
        ids = [item["id"] for item in items if isinstance(item.get("id"), str)]
        store.add_items(connection, project_id, response_id, ids)


def _flat(turns: Sequence[Turn]) -> list[Item]:
    return [item for turn in turns for item in (*turn.input, *turn.output)]
