"""What the tests of the response cache share: a model, callers, calls, and caches on real files."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from waystation.gateway.call import Call
from waystation.providers.cache.service import Cache
from waystation.runtime.db import Database
from waystation.terms import Abilities, Caller, Deployment, Done, Event, Model, Operation, Piece, Price, Route, Usage
from waystation.testing.clock import FakeClock
from waystation.wire.chat import read_chat
from waystation.wire.embeddings import read_embeddings

MODEL = Model(
    "small",
    Deployment("x/small", "x", "small"),
    Abilities(frozenset(Operation), 4_096, 1_000),
    Price("USD", 1_000_000, 1_000_000),
)
CALLER = Caller("key_1", "proj_1", "org-1", cache_s=60)
OTHER = Caller("key_2", "proj_2", "org-1", cache_s=60)
BODY: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "why?"}]}
USED = Usage(10, 5)


def routed(**route: Any) -> Model:
    return msgspec.structs.replace(MODEL, route=Route(**route))


def call(
    body: dict[str, Any] | bytes = BODY,
    caller: Caller = CALLER,
    *,
    operation: Operation = Operation.CHAT,
    control: str | None = None,
    **other: Any,
) -> Call:
    """A call as the door and auth have left it; `other` is added to its body."""
    data = body if isinstance(body, bytes) else json.dumps(body | other).encode()
    read = read_embeddings if operation is Operation.EMBEDDINGS else read_chat
    headers = {} if control is None else {b"cache-control": control.encode()}
    made = Call(operation, "req_1", data, read(data), None, headers, "127.0.0.1", 0)
    made.caller = caller
    made.attempts = 1
    return made


async def answer(
    pieces: Sequence[bytes], usage: Usage | None = USED, error: Exception | None = None
) -> AsyncGenerator[Event]:
    """An answer of a deployment: the last piece is its end, unless there is an error."""
    for piece in pieces[:-1]:
        yield Piece(piece, "word")
    if error is not None:
        raise error
    yield Done(pieces[-1], usage)


async def drained(events: AsyncGenerator[Event], usage: Usage | None = None) -> list[bytes]:
    """What goes out; `usage` is what the ledger found where the provider gave none."""
    sent: list[bytes] = []
    async with aclosing(events):
        async for event in events:
            if type(event) is Done:
                event.usage = event.usage or usage
                sent.append(event.data if event.tail is None else event.data + event.tail(event.usage or Usage()))
            else:
                sent.append(event.data)
    return sent


async def keep(cache: Cache, made: Call, *pieces: bytes, model: Model = MODEL) -> list[bytes]:
    """A call that nothing was kept for, answered by a deployment."""
    return await drained(cache.keep(made, model, answer(pieces or (b"{}",))))


async def find(cache: Cache, made: Call, *, model: Model = MODEL, stale: bool = False) -> list[bytes] | None:
    events = await cache.find(made, model, stale=stale)
    return None if events is None else await drained(events)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Database]:
    database = Database.open(f"sqlite:///{folder / 'w.db'}")
    try:
        yield database
    finally:
        database.close()


def cache_on(database: Database, clock: FakeClock, **bounds: Any) -> Cache:
    return Cache(database.read, database.write, clock, **bounds)


async def rows(database: Database) -> int:
    return int(await database.read(lambda c: c.exec_driver_sql("SELECT COUNT(*) FROM kept_answers").fetchall()[0][0]))
