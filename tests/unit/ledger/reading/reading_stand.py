"""Calls at chosen times, for what reads, invoices and corrects usage: posted, or left in a journal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from waystation.ledger import store
from waystation.ledger.journal import Journal
from waystation.ledger.records import SETTLE, SETTLE_FIELDS, Record
from waystation.runtime.db import Database

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
MONTH_AT = 1_793_491_200  # 2026-11-01 00:00 UTC
_counter = iter(range(1, 10**6))


def settlement(at: int, cost_nano: int = 1_000, **other: Any) -> Record:
    """A settled call; whatever isn't said is as of a plain one of org-1."""
    values: dict[str, Any] = {
        "kind": SETTLE,
        "request_id": f"req_{at:08x}{next(_counter):024x}",
        "at": at,
        "organization_id": "org-1",
        "project_id": "proj_1",
        "key_id": "key_1",
        "operation": "chat",
        "model": "small",
        "currency": "USD",
        "deployment": "local/small",
        "end_user": None,
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 2,
        "reasoning_tokens": 1,
        "estimated": 0,
        "status": "ok",
        "cost_nano": cost_nano,
        "variance_nano": 0,
        "duration_ms": 7,
        "stream": 0,
        "payer": "receivable",
        "flagged": 0,
        "tier": None,
        "extra": None,
        "funds": (),
    } | other
    return tuple(values[name] for name in SETTLE_FIELDS)


async def post(database: Database, records: Sequence[Record], at: int = MONTH_AT) -> None:
    """Post calls as a worker would that has ended since."""

    def posted(connection: Any) -> None:
        epoch = store.open_epoch(connection, 9, at)
        store.post(connection, records, epoch, 0, at)
        store.close_epoch(connection, epoch, at)

    await database.write(posted)


def write_journal(folder: Path, epoch: int, records: Sequence[Record]) -> int:
    """A journal with these records whose worker is gone; returns where it ends."""
    journal = Journal(folder, 5, epoch)
    for record in records:
        journal.note(record)
    journal.close(remove=False)
    return journal.position
