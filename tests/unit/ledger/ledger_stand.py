"""What the ledger's tests share: a model, a caller, calls, and a ledger on real files."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from waystation.accounts import store as accounts_store
from waystation.accounts.model import Organization, Project
from waystation.gateway.call import Call
from waystation.ledger.budgets.model import Budget
from waystation.ledger.budgets.service import Budgets
from waystation.ledger.credit.model import Grant
from waystation.ledger.credit.service import Credit
from waystation.ledger.funds.store import Standing, standings
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
    service_tier: str | None = None


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


_ids = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}{next(_ids):06d}"


def found_accounts(connection: Connection) -> None:
    """The organizations and projects of the callers above, in a database that has none."""
    if accounts_store.organizations(connection):
        return
    for name, postpaid in (("1", True), ("2", False)):
        organization = Organization(f"org-{name}", name, "USD", postpaid, "UTC", 1)
        accounts_store.add_organization(connection, organization)
        accounts_store.add_project(connection, Project(f"proj_{name}", organization.id, name, 1))


async def give(
    database: Database, ledger: Ledger, amount_nano: int, *, expires_at: int | None = None, clock: Any = None
) -> Grant:
    """Credit for the prepaid organization, which the ledger has heard of."""
    credit = Credit(clock or CLOCK, new_id)
    made = await database.write(lambda c: credit.grant(c, "org-2", amount_nano, expires_at=expires_at))
    await ledger.credit_changed(["org-2"])
    return made


async def budget(database: Database, *ledgers: Ledger, cap_nano: int, **given: Any) -> Budget:
    """A budget of org-1, or whatever else is said, which the ledgers have heard of."""
    asked = {"scope": "organization", "subject": "org-1", "window": "total"} | given
    made = await database.write(lambda c: Budgets(CLOCK, new_id).create(c, "org-1", cap_nano=cap_nano, **asked))
    for ledger in ledgers:
        await ledger.budgets_changed([made.id])
    return made


async def standing(database: Database, owner: str, at: int | None = None) -> Standing:
    """How the only fund of a budget or of an organization's credit stands."""
    (found,) = await database.read(lambda c: standings(c, [owner], CLOCK.now_s() if at is None else at))
    return found


@asynccontextmanager
async def opened(folder: Path, *, clock: Any = CLOCK, workers: int = 1) -> AsyncIterator[tuple[Database, Ledger]]:
    """A ledger on the files of a folder, and closed in order."""
    database = Database.open(f"sqlite:///{folder / 'w.db'}")
    try:
        await database.write(found_accounts)
        ledger = await Ledger.open(database, folder / "journal", 0, clock, count_words, workers=workers)
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
