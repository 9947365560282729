"""A kept answer on the whole way: held, found, charged nothing, and what it saved is in the books."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from tests.unit.ledger.ledger_stand import MODEL, POSTPAID, PRICE, budget, count_words, opened, problems, standing
from tests.unit.providers.cache.cache_stand import cache_on, call
from waystation.gateway.call import Call
from waystation.ledger.reading.requests import request
from waystation.ledger.reading.usage import usage
from waystation.ledger.service import Ledger
from waystation.metering.cost import cost_nano
from waystation.providers.cache.service import Cache
from waystation.terms import Caller, Done, Event, Piece, Rung, Usage
from waystation.testing.clock import FakeClock

KEEPS = msgspec.structs.replace(POSTPAID, cache_s=60)


async def upstream(words: list[str], usage: Usage | None) -> AsyncGenerator[Event]:
    for word in words:
        yield Piece(b"data: %b\n\n" % word.encode(), f"{word} ")
    yield Done(b"data: [DONE]\n\n", usage)


async def attempt(cache: Cache, made: Call, words: list[str], usage: Usage | None) -> AsyncGenerator[Event]:
    """What routing does about a cache."""
    events = await cache.find(made, MODEL, stale=False)
    if events is None:
        made.deployment = "local/small"
        events = cache.keep(made, MODEL, upstream(words, usage))
    else:
        made.rung, made.deployment, made.attempts = Rung.CACHE, "cache", 0
    async with aclosing(events):
        async for event in events:
            yield event


async def asked(
    ledger: Ledger, cache: Cache, request_id: str, words: list[str], usage: Usage | None = None, who: Caller = KEEPS
) -> tuple[bytes, int]:
    """One call; returns what went out and what it cost."""
    made = call(caller=who, stream=True)
    made.request_id = request_id
    sent, cost = b"", 0
    async with ledger.hold(who, MODEL, made) as hold, aclosing(attempt(cache, made, words, usage)) as events:
        async for event in events:
            hold.meter(event)
            sent += event.data
            if isinstance(event, Done):
                cost = event.cost_nano
            if hold.short:
                await hold.extend()
    return sent, cost


@pytest.mark.parametrize("provided", [Usage(7, 3), None], ids=["the provider's usage", "counted by us"])
def test_a_repeat_costs_nothing_and_saves_what_the_first_cost(tmp_path: Path, provided: Usage | None) -> None:
    async def story() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock=clock) as (database, ledger):
            ledger._desk.count_tokens = count_words
            cache = cache_on(database, clock)
            made = await budget(database, ledger, cap_nano=10**9)
            sent, cost = await asked(ledger, cache, "req_1", ["yes", "and", "no"], provided)
            assert cost > 0
            assert await asked(ledger, cache, "req_2", ["never", "asked"]) == (sent, 0)
            await ledger.flush()
            folder = tmp_path / "journal"
            second = await database.read(lambda c: request(c, folder, "req_2"))
            assert (second.served_by, second.deployment, second.saved_nano) == ("cache", "cache", cost)
            assert (second.status, second.output_tokens, second.kept_output_tokens) == ("ok", 0, 3)
            now = clock.now_s()
            report = await database.read(
                lambda c: usage(c, folder, "org-1", from_at=now - 900, until_at=now + 900, by=["deployment"])
            )
            assert [(row.deployment, row.requests, row.cost_nano, row.saved_nano) for row in report.rows] == [
                ("cache", 1, 0, cost),
                ("local/small", 1, cost, 0),
            ]
            assert (await standing(database, made.id)).spent_nano == cost
            assert await problems(database) == []

    asyncio.run(story())


def test_what_is_saved_is_what_it_would_cost_now(tmp_path: Path) -> None:
    async def story() -> None:
        clock = FakeClock()
        async with opened(tmp_path, clock=clock) as (database, ledger):
            cache = cache_on(database, clock)
            await asked(ledger, cache, "req_1", ["yes"], Usage(7, 3))
            dear = msgspec.structs.replace(PRICE, output_nano_per_million=80_000_000_000)
            made = call(caller=KEEPS, stream=True)
            made.request_id, made.rung, made.deployment = "req_2", Rung.CACHE, "cache"
            events = await cache.find(made, MODEL, stale=False)
            assert events is not None
            async with ledger.hold(KEEPS, msgspec.structs.replace(MODEL, price=dear), made) as hold:
                async for event in events:
                    hold.meter(event)
            found = await database.read(lambda c: request(c, tmp_path / "journal", "req_2"))
            assert found.saved_nano == cost_nano(Usage(7, 3), dear)

    asyncio.run(story())


def test_a_long_kept_stream_is_replayed_whole_with_little_money_left(tmp_path: Path) -> None:
    """A stream that is paid is cut where the money ends; one that costs nothing is not even watched."""

    async def story() -> None:
        clock = FakeClock()
        words = ["word"] * 900
        async with opened(tmp_path, clock=clock) as (database, ledger):
            cache = cache_on(database, clock)
            whole, cost = await asked(ledger, cache, "req_1", words)
            await budget(database, ledger, cap_nano=cost // 4)
            sent, charged = await asked(ledger, cache, "req_2", [])
            assert sent == whole
            assert charged == 0
            await ledger.flush()
            assert await problems(database) == []

    asyncio.run(story())
