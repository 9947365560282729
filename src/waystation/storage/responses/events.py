"""The events of responses in the background: numbered anew as they are recorded, kept as rows, read again from any number on."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select, update

from waystation.storage.vault import Vault
from waystation.tables import jobs, response_events, responses
from waystation.wire.sse import Framer, data_of

ROWS_AT_ONCE_MAX = 64
RUNNING = ("queued", "in_progress")
JOB = "response"  # the kind of job that answers one

Object = dict[str, Any]

_decode = msgspec.json.Decoder(Object).decode


class Recorder:
    """Takes the events that a call is answered with, as they go out to a caller who waits, and numbers them on from `first`.

    `response.created` is left out, since the reader has had it when the response was queued. `response` is the object as the
    last event that has one says it; `ended` whether that was the answer's end.
    """

    def __init__(self, first: int) -> None:
        self.next_number = first
        self.response: Object | None = None
        self.ended = False
        self.error: Object | None = None  # of an event "error", which ends an answer too
        self._framer = Framer()

    def feed(self, data: bytes) -> bytes:
        """The events that are whole now, as they are recorded."""
        return b"".join(self._recorded(event) for event in self._framer.feed(data))

    def _recorded(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data.startswith(b"{"):  # a comment, or the [DONE] of another dialect
            return b""
        members = _decode(data)
        kind = members.get("type")
        if isinstance(members.get("response"), dict):
            self.response = members["response"]
            self.response["background"] = True
            self.ended = self.response.get("status") not in RUNNING
        if kind == "response.created":
            return b""
        if kind == "error":
            self.error = members
        return self.add(members)

    def add(self, members: Object) -> bytes:
        """One more event."""
        members["sequence_number"] = self.next_number
        self.next_number += 1
        return b"event: %b\ndata: %b\n\n" % (str(members.get("type")).encode(), msgspec.json.encode(members))


def later_than(data: bytes, number: int) -> bytes:
    """Of recorded events those with a higher sequence number."""
    return b"".join(event for event in Framer().feed(data) if _decode(data_of(event))["sequence_number"] > number)


# -- rows


class Found(NamedTuple):
    """Recorded events in order, each row with the highest number in it."""

    rows: list[tuple[int, bytes]]
    is_over: bool  # no more will come after these
    has_more: bool


def keep(connection: Connection, vault: Vault, response_id: str, last: int, data: bytes) -> None:
    sealed = vault.seal(f"{response_id} event {last}", data)
    connection.execute(insert(response_events).values(response_id=response_id, last=last, data=sealed))


def last_number(connection: Connection, response_id: str) -> int:
    """The number of the last event that is recorded; -1: none is."""
    its = select(response_events.c.last).where(response_events.c.response_id == response_id)
    found = connection.execute(its.order_by(response_events.c.last.desc()).limit(1)).scalar()
    return -1 if found is None else int(found)


def requeue(connection: Connection, vault: Vault, response_id: str, body: bytes) -> None:
    """Nobody has begun with it after all: it waits again."""
    values = {"status": "queued", "body": vault.seal(f"{response_id} body", body)}
    connection.execute(
        update(responses).where(responses.c.id == response_id, responses.c.status == "in_progress").values(**values)
    )


def after(connection: Connection, vault: Vault, response_id: str, number: int) -> Found:
    """What is recorded beyond an event, as far as it is read at once. Raises ContentUnreadable."""
    its = select(response_events.c.last, response_events.c.data).where(
        response_events.c.response_id == response_id, response_events.c.last > number
    )
    found = connection.execute(its.order_by(response_events.c.last).limit(ROWS_AT_ONCE_MAX)).all()
    rows = [(last, vault.unseal(f"{response_id} event {last}", data)) for last, data in found]
    has_more = len(rows) == ROWS_AT_ONCE_MAX
    return Found(rows, not has_more and not _goes_on(connection, response_id), has_more)


def _goes_on(connection: Connection, response_id: str) -> bool:
    """The last events are written in the transaction that ends the job, or the response was cancelled or deleted in one."""
    status = connection.execute(select(responses.c.status).where(responses.c.id == response_id)).scalar()
    if status is None:
        return False
    active = select(jobs.c.id).where(jobs.c.subject == response_id, jobs.c.kind == JOB, jobs.c.state != "done")
    return connection.execute(active.limit(1)).first() is not None


def joined(rows: Iterable[tuple[int, bytes]], number: int) -> Iterator[bytes]:
    """The events of rows beyond a number: only the first row can have earlier ones."""
    for place, (_, data) in enumerate(rows):
        chosen = later_than(data, number) if place == 0 and number >= 0 else data
        if chosen:
            yield chosen
