"""What a call costs when somebody else than the first deployment answered it, and what the books say of that."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.ledger.ledger_stand import (
    MODEL,
    POSTPAID,
    PRICE,
    USED,
    USED_NANO,
    Asked,
    budget,
    call,
    done,
    killed,
    opened,
    piece,
    problems,
    run,
    standing,
    usage_rows,
)
from waystation.gateway.call import Call
from waystation.ledger.reading.requests import CallUsage, request
from waystation.ledger.service import Ledger
from waystation.ledger.serving import read_extra
from waystation.runtime.db import Database
from waystation.terms import Deployment, Done, Model, Price, Rung, Usage

CHEAP = Price("USD", 1_000_000_000, 1_000_000_000)  # 1000 nano a token
DEAR = Price("USD", 9_000_000_000, 9_000_000_000)
FOREIGN = Price("CNY", 1, 1)


def other(price: Price | None, name: str = "other") -> Model:
    return Model(name, Deployment(f"elsewhere/{name}", "elsewhere", name), MODEL.abilities, price)


def served(
    request_id: str, rung: Rung, deployment: str, model: Model | None = None, attempts: int = 0, *, stream: bool = False
) -> Call:
    made = call(request_id, Asked(stream=stream))
    made.rung, made.deployment, made.served, made.attempts = rung, deployment, model, attempts
    return made


async def answer(ledger: Ledger, made: Call, usage: Usage | None = USED, words: str = "") -> Done:
    async with ledger.hold(POSTPAID, MODEL, made) as hold:
        if words:
            hold.meter(piece(words))
        end = hold.meter(done(usage))
    assert isinstance(end, Done)
    return end


async def told(database: Database, folder: Path, request_id: str) -> CallUsage:
    return await database.read(lambda c: request(c, folder / "journal", request_id))


@pytest.mark.parametrize(
    ("rung", "deployment", "saved", "kept"),
    [
        (Rung.CACHE, "cache", USED_NANO, (10, 5)),
        (Rung.STALE_CACHE, "stale_cache", USED_NANO, (10, 5)),
        (Rung.STATIC, "static", None, (0, 0)),
    ],
)
def test_what_nobody_was_asked_for_is_recorded_and_costs_nothing(
    tmp_path: Path, rung: Rung, deployment: str, saved: int | None, kept: tuple[int, int]
) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            end = await answer(ledger, served("req_1", rung, deployment, attempts=3))
            assert (end.cost_nano, end.usage) == (0, USED)  # the answer goes out as it was kept
            for state in ("settled", "posted"):
                seen = await told(database, tmp_path, "req_1")
                assert (seen.state, seen.cost_nano, seen.deployment, seen.served_by) == (state, 0, deployment, rung)
                assert (seen.input_tokens, seen.output_tokens) == (0, 0)  # no provider was asked for any
                assert (seen.saved_nano, seen.kept_input_tokens, seen.kept_output_tokens) == (saved, *kept)
                assert (seen.attempts, seen.flagged, seen.extra) == (3, False, {})
                await ledger.flush()
            assert (await standing(database, made.id)).spent_nano == 0
            assert await problems(database) == []

    run(story)


@pytest.mark.parametrize(
    ("price", "charged"),
    [
        (CHEAP, 15_000),
        (DEAR, USED_NANO),  # never above the model that was asked for
        (PRICE, USED_NANO),
        (None, 0),  # unmetered
        (FOREIGN, USED_NANO),  # what can't be compared
    ],
    ids=["cheaper", "dearer", "the same", "unmetered", "in another currency"],
)
def test_another_model_costs_what_it_costs_but_not_more(tmp_path: Path, price: Price | None, charged: int) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = served("req_1", Rung.PROVIDER, "elsewhere/other", other(price), attempts=2)
            end = await answer(ledger, made)
            assert (end.cost_nano, end.currency) == (charged, "USD")
            await ledger.flush()
            seen = await told(database, tmp_path, "req_1")
            assert (seen.model, seen.served_model, seen.deployment) == ("small", "other", "elsewhere/other")
            assert (seen.served_by, seen.attempts, seen.saved_nano) == ("provider", 2, None)
            assert (seen.input_tokens, seen.output_tokens, seen.cost_nano) == (10, 5, charged)
            assert await problems(database) == []

    run(story)


def test_a_plain_call_says_nothing_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answer(ledger, served("req_1", Rung.PRIMARY, "local/small", attempts=1))
            await answer(ledger, served("req_2", Rung.PRIMARY, "local/small", attempts=2))  # once more, after a fault
            await ledger.flush()
            rows = await usage_rows(database)
            assert rows["req_1"].extra is None
            assert rows["req_2"].extra == '{"attempts":2}'
            assert (await told(database, tmp_path, "req_1")).served_by == "primary"

    run(story)


def test_what_few_calls_use_is_no_mistake(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            await answer(ledger, call("req_1"), Usage(10, 5, cache_write_tokens=4, tier="flex"))
            await answer(ledger, call("req_2"), Usage(10, 5, cache_write_tokens=40))
            await ledger.flush()
            rows = await usage_rows(database)
            assert {name: (row.flagged, row.extra) for name, row in rows.items()} == {
                "req_1": (0, '{"cache_write_tokens":4}'),
                "req_2": (1, '{"cache_write_tokens":10}'),  # more than the whole input
            }

    run(story)


def test_another_models_words_are_counted_by_its_own_tokenizer(tmp_path: Path) -> None:
    asked: list[str] = []

    def count(text: str, model: str) -> int:
        asked.append(model)
        return len(text.split())

    async def story() -> None:
        async with opened(tmp_path) as (_, ledger):
            ledger._desk.count_tokens = count
            end = await answer(ledger, served("req_1", Rung.LOCAL, "local/tiny", other(None, "tiny")), None, "one two")
            assert end.usage is not None
            assert end.usage.output_tokens == 2
            assert set(asked) == {"tiny"}

    run(story)


@pytest.mark.parametrize(
    ("words", "rows"),
    [("", 0), ("and if one did", 1)],
    ids=["kept pieces say nothing to be metered", "and if one did"],
)
def test_a_client_that_leaves_a_kept_stream_owes_nothing(tmp_path: Path, words: str, rows: int) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            made = await budget(database, ledger, cap_nano=10**9)
            with suppress(asyncio.CancelledError):
                async with ledger.hold(POSTPAID, MODEL, served("req_1", Rung.CACHE, "cache", stream=True)) as hold:
                    hold.meter(piece(words))
                    raise asyncio.CancelledError
            await ledger.flush()
            found = (await usage_rows(database)).values()
            assert [(row.status, row.cost_nano, row.output_tokens) for row in found] == [("cancelled", 0, 0)] * rows
            assert (await standing(database, made.id)).spent_nano == 0
            assert await problems(database) == []

    run(story)


def test_savings_are_added_up_once_whatever_crashes(tmp_path: Path) -> None:
    async def savings(database: Database) -> list[tuple[int, int]]:
        query = "SELECT SUM(requests), SUM(saved_nano) FROM usage_savings"
        return await database.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)])

    async def story() -> None:
        live, dead = tmp_path / "live", tmp_path / "dead"
        live.mkdir()
        async with opened(live) as (database, ledger):
            for number in range(3):
                await answer(ledger, served(f"req_{number}", Rung.CACHE, "cache"))
            killed(live, dead)
            await ledger.flush()
            assert await savings(database) == [(3, 3 * USED_NANO)]
        for _ in range(2):  # what the journal of the killed one has is posted at the next start, and not once more
            async with opened(dead) as (database, ledger):
                assert await savings(database) == [(3, 3 * USED_NANO)]
                assert await problems(database) == []

    run(story)


def test_unknown_words_in_a_row_are_passed_over() -> None:
    assert read_extra('{"images":2,"later":"more"}').images == 2
