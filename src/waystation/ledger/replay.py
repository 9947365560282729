"""Finish what a crashed worker left: post what its journal has settled, recover the holds that it has not."""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
from sqlalchemy import Connection

from waystation.ledger import store
from waystation.ledger.journal import lock_epoch, read_segment, remove_epoch, segments
from waystation.ledger.model import split
from waystation.ledger.poster import Database
from waystation.ledger.records import EXTEND, HOLD, PROGRESS, SETTLE, VOID, HoldRecord, Record
from waystation.metering.cost import cost_nano
from waystation.metering.guess import tokens_of_bytes
from waystation.terms import Price, Usage

REPLAY_RECORDS_MAX = 10_000  # in one transaction

log = logging.getLogger("waystation.ledger")


class Now(Protocol):
    def now_s(self) -> int: ...


class Replayed(msgspec.Struct):
    """What was found in the journals of those who are gone."""

    journals: int = 0
    posted: int = 0  # settlements that had not been posted
    recovered: int = 0  # holds without an end
    damaged: int = (
        0  # lines that can't be read; one at the very end of a journal is what a crash leaves, and not counted
    )


class Left(msgspec.Struct):
    """What a journal has beyond its mark."""

    settled: list[tuple[int, Record]]  # with the position after each
    open: dict[str, HoldRecord]
    progress: dict[str, tuple[int, int]]  # pieces and bytes of text received, by request
    end: int = 0
    damaged: int = 0


Closed = Callable[[Connection, int], object]


def nothing_else(_connection: Connection, _epoch: int) -> None:
    """Nobody but the ledger keeps anything under a worker's epoch."""


async def replay(folder: Path, database: Database, clock: Now, on_closed: Closed = nothing_else) -> Replayed:
    """Post and recover what is in `folder`, except the journals of workers that live. Can be broken off and done again.

    `on_closed` is called with the epoch of a worker that crashed, in the transaction that recovers its holds.
    Raises ServiceUnavailable. To be called before a worker serves; the files are a few segments of 16 MiB each.
    """
    told = Replayed()
    for epoch in sorted({segment.epoch for segment in segments(folder)}):
        lock = lock_epoch(folder, epoch)
        if lock is None:
            continue
        try:
            await _replay_epoch(folder, epoch, database, clock, told, on_closed)
            remove_epoch(folder, epoch)
        finally:
            os.close(lock)
    if told.journals:
        log.warning(
            "journals of %d workers that did not stop in order: %d settlements posted, %d open holds recovered, "
            "%d lines damaged",
            told.journals,
            told.posted,
            told.recovered,
            told.damaged,
        )
    return told


async def _replay_epoch(
    folder: Path, epoch: int, database: Database, clock: Now, told: Replayed, on_closed: Closed
) -> None:
    position, closed = await database.read(lambda connection: store.mark(connection, epoch))
    if closed:
        return  # the crash came between the last transaction and the deletion of the files
    left = read_left(folder, epoch, position)
    now = clock.now_s()

    for start in range(0, len(left.settled), REPLAY_RECORDS_MAX):
        some = left.settled[start : start + REPLAY_RECORDS_MAX]
        post = partial(_post, records=[record for _, record in some], epoch=epoch, position=some[-1][0], at=now)
        told.posted += await database.write(post, durable=True)
    recovered = [recover(hold, *left.progress.get(hold.request_id, (0, 0))) for hold in left.open.values()]
    # The open holds and the closing of the journal in one transaction: so they are recovered once.
    # A power cut may have taken the end of a journal that is posted beyond it: the mark never goes back.
    end = max(position, left.end)
    post = partial(_post, records=recovered, epoch=epoch, position=end, at=now, on_closed=on_closed)
    told.recovered += await database.write(post, durable=True)
    told.journals += 1
    told.damaged += left.damaged


def _post(
    connection: Connection,
    *,
    records: list[Record],
    epoch: int,
    position: int,
    at: int,
    on_closed: Closed | None = None,
) -> int:
    """Post what is not posted yet; returns how many that were."""
    new = store.not_posted(connection, records)
    store.post(connection, new, epoch, position, at)
    if on_closed is not None:
        store.close_epoch(connection, epoch, at)
        on_closed(connection, epoch)
    return len(new)


def read_left(folder: Path, epoch: int, mark: int) -> Left:
    """What of a journal is not posted yet, when everything that settled before `mark` is."""
    left = Left([], {}, {})
    torn = 0
    for segment in (segment for segment in segments(folder) if segment.epoch == epoch):
        for end, record in read_segment(segment):
            left.damaged += torn
            torn = 0 if record is not None else 1
            left.end = end
            if record is not None:
                _take(left, record, end, mark)
    return left


def _take(left: Left, record: Record, end: int, mark: int) -> None:
    kind, request_id = record[0], record[1]
    if kind == HOLD:
        left.open[request_id] = msgspec.convert(record, HoldRecord)
    elif kind == EXTEND:
        if request_id in left.open:
            left.open[request_id] = msgspec.structs.replace(left.open[request_id], held_nano=record[2])
    elif kind == PROGRESS:
        left.progress[request_id] = (record[2], record[3])
    elif kind in (SETTLE, VOID):
        left.open.pop(request_id, None)
        left.progress.pop(request_id, None)
        if kind == SETTLE and end > mark:
            left.settled.append((end, record))


def recover(hold: HoldRecord, pieces: int, text_bytes: int) -> Record:
    """The settlement of a hold whose worker died: its input, and what the journal shows was received."""
    price = Price(
        hold.currency, hold.input_nano_per_million, hold.output_nano_per_million, request_nano=hold.request_nano
    )
    usage = Usage(tokens_of_bytes(hold.body_bytes), max(pieces, tokens_of_bytes(text_bytes)), estimated=True)
    charged, variance = split(cost_nano(usage, price), hold.held_nano)
    return (
        SETTLE,
        hold.request_id,
        hold.at,
        hold.organization_id,
        hold.project_id,
        hold.key_id,
        hold.operation,
        hold.model,
        hold.currency,
        hold.deployment,
        hold.end_user,
        usage.input_tokens,
        usage.output_tokens,
        0,
        0,
        1,
        "recovered",
        charged,
        variance,
        0,
        hold.stream,
        hold.payer,
        0,
        None,
        None,
        hold.funds,
    )
