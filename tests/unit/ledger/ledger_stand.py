"""What the ledger's tests share: a model, a caller, calls, and a ledger on real files."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from waystation.gateway.call import Call
from waystation.ledger.service import Ledger
from waystation.ledger.verify import verify
from waystation.runtime.db import Database
from waystation.terms import Abilities, Caller, Deployment, Done, Model, Operation, Piece, Price, Usage
from waystation.testing.clock import FakeClock

PRICE = Price(
    "USD", 2_000_000_000, 8_000_000_000, 500_000_000
)  # 2, 8 and 0.5 USD for a million: 2000, 8000, 500 nano each
MODEL = Model(
    "small", Deployment("local/small", "local", "small"), Abilities(frozenset(Operation), 4_096, 1_000), PRICE
)
POSTPAID = Caller("key_1", "proj_1", "org-1")
PREPAID = Caller("key_2", "proj_2", "org-2", postpaid=False)
BODY = b'{"messages":[{"role":"user","content":"one two three"}]}'
USED = Usage(10, 5)
USED_NANO = 10 * 2_000 + 5 * 8_000
CLOCK = FakeClock()


class Asked(msgspec.Struct):
    """What the wire would have read of a request."""

    model: str = "small"
    stream: bool = False
    output_tokens_asked: int | None = None
    choices: int = 1
    end_user: str | None = None
    has_images: bool = False


def call(
    request_id: str, asked: Asked | None = None, operation: Operation = Operation.CHAT, body: bytes = BODY
) -> Call:
    return Call(operation, request_id, body, asked or Asked(), None, {}, "127.0.0.1", CLOCK.monotonic_ns())


def done(usage: Usage | None = USED) -> Done:
    return Done(b"{}", usage)


def piece(text: str) -> Piece:
    return Piece(b"data: {}\n\n", text)


def count_words(text: str, _model: str) -> int:
    return len(text.split())


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Database, Ledger]]:
    """A ledger on the files of a folder, and closed in order."""
    database = Database.open(f"sqlite:///{folder / 'w.db'}")
    try:
        ledger = await Ledger.open(database, folder / "journal", 0, CLOCK, count_words)
        try:
            yield database, ledger
        finally:
            await ledger.close()
    finally:
        database.close()


async def answered(ledger: Ledger, request_id: str, caller: Caller = POSTPAID, usage: Usage | None = USED) -> Done:
    """A call that went well; returns its end."""
    async with ledger.hold(caller, MODEL, call(request_id)) as hold:
        event = hold.meter(done(usage))
    assert isinstance(event, Done)
    return event


def killed(folder: Path, copy: Path) -> Path:
    """What `kill -9` at this moment would leave: a copy of the files as they are."""
    shutil.rmtree(copy, ignore_errors=True)
    return Path(shutil.copytree(folder, copy))


async def usage_rows(database: Database) -> dict[str, Any]:
    """The usage rows by request."""
    rows = await database.read(lambda connection: connection.exec_driver_sql("SELECT * FROM usage").fetchall())
    return {row.request_id: row for row in rows}


async def problems(database: Database) -> list[str]:
    return [f"{problem.table} {problem.row}: {problem.message}" for problem in await database.read(verify)]


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())
