"""What has settled and is not posted yet, as the database that is read with it sees that."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from waystation import tables
from waystation.ledger.reading.journals import Journals, Mark, opened
from waystation.ledger.records import SETTLE, SETTLE_FIELDS, Record
from waystation.ledger.store import not_posted

# Clocks of several machines differ, and a call waits for money before its hold is written: only so long after a period's
# end it is certain that no hold of it will still come.
ENDED_S = 300
COME_AGAIN_S = 60  # what who asks too early is told, when it is unknown how long a call will take
POSTED_WITHIN_S = 2
_IN_MAX = 500
_AT = SETTLE_FIELDS.index("at")


class Waiting(msgspec.Struct, frozen=True):
    """Why a period is not final yet, and when to look again."""

    reason: str
    retry_after_s: int


class Unposted(msgspec.Struct, frozen=True):
    """The files, and the settlements in them that are in no table."""

    journals: Journals
    marks: dict[int, Mark]
    records: list[Record]


@contextmanager
def unposted(connection: Connection, folder: Path) -> Iterator[Unposted]:
    """Read the journals along with a transaction: call it before anything else of the transaction is read, or take a
    ServiceUnavailable for what it is, an invitation to read again.

    A disk that refused the end of a call has it written after it was posted: so each is looked up, too.
    """
    with opened(folder) as journals:
        marks = marks_of(connection, journals.epochs)
        records = list(journals.settlements(marks))
        yield Unposted(journals, marks, not_posted(connection, records) if records else [])


def marks_of(connection: Connection, epochs: list[int]) -> dict[int, Mark]:
    c = tables.journal_marks.c
    found: dict[int, Mark] = {}
    for start in range(0, len(epochs), _IN_MAX):
        query = select(c.epoch, c.position, c.closed_at).where(c.epoch.in_(epochs[start : start + _IN_MAX]))
        found |= {row.epoch: Mark(row.position, row.closed_at is not None) for row in connection.execute(query)}
    return found


def not_final(connection: Connection, folder: Path, until_at: int, at: int) -> Waiting | None:
    """Why not everything that was held before `until_at` is in the tables; None when it is, for good."""
    if at < until_at + ENDED_S:
        return Waiting("it is not over long enough", until_at + ENDED_S - at)
    with unposted(connection, folder) as found:
        held = found.journals.open_holds(found.marks)
        open_calls = sum(held_at < until_at for held_at in held.values())
        if open_calls:
            return Waiting(f"{open_calls} calls that were begun in it are still being answered", COME_AGAIN_S)
        waiting = sum(record[_AT] < until_at for record in found.records if record[0] == SETTLE)
        if waiting:
            return Waiting(f"{waiting} calls of it are settled and not posted yet", POSTED_WITHIN_S)
        elsewhere = _journals_elsewhere(connection, found.journals.epochs, until_at)
        if elsewhere:
            return Waiting(f"the journal {elsewhere} of another machine may still have calls of it", COME_AGAIN_S)
    return None


def _journals_elsewhere(connection: Connection, epochs: list[int], until_at: int) -> int:
    """A journal that is not closed, was begun in time, and whose files are not here; 0 when there is none.

    A database that is a file is of one machine: all journals that there are are here.
    """
    if connection.dialect.name == "sqlite":
        return 0
    c = tables.journal_marks.c
    query = select(c.epoch).where(c.closed_at.is_(None), c.opened_at < until_at, c.position > 0)
    return next((epoch for (epoch,) in connection.execute(query) if epoch not in epochs), 0)
