"""Tools that the provider runs are held, charged and corrected like all else that a call uses."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.ledger.ledger_stand import (
    CLOCK,
    MODEL,
    POSTPAID,
    PRICE,
    opened,
    problems,
    run,
    usage_rows,
)
from waystation.gateway.call import Call
from waystation.ledger.bounds import TOOL_CALLS_HELD, bounds_of
from waystation.ledger.rerating.model import Row, charge_nano
from waystation.terms import Dialect, Done, Model, Operation, Usage
from waystation.wire.responses import read_response

FEE = 10_000_000
PRICED = msgspec.structs.replace(MODEL, price=msgspec.structs.replace(PRICE, tools={"web_search": FEE, "mcp": 0}))
SEARCH = [{"type": "web_search"}]


def asked(**more: Any) -> Call:
    body = msgspec.json.encode({"model": "small", "input": "hi", "store": False, **more})
    read = read_response(body)
    now = CLOCK.monotonic_ns()
    return Call(Operation.CHAT, "req_1", body, read, None, {}, "127.0.0.1", now, Dialect.RESPONSES)


@pytest.mark.parametrize(
    ("more", "fees", "told"),
    [
        ({}, 0, None),
        ({"tools": [{"type": "function", "name": "f"}]}, 0, None),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, 0, None),
        ({"tools": SEARCH}, TOOL_CALLS_HELD * FEE, TOOL_CALLS_HELD),
        ({"tools": SEARCH, "max_tool_calls": 3}, 3 * FEE, None),
        ({"tools": [{"type": "apply_patch"}]}, 0, None),
    ],
)
def test_as_many_calls_are_held_as_the_provider_is_allowed(more: dict[str, Any], fees: int, told: int | None) -> None:
    call = asked(**more)
    assert bounds_of(call, PRICED).fees_nano == fees
    assert call.tool_calls_max == told


def test_an_unmetered_model_asks_for_no_fees() -> None:
    unmetered: Model = msgspec.structs.replace(PRICED, price=None)
    assert bounds_of(asked(tools=[{"type": "file_search"}]), unmetered).fees_nano == 0


def test_what_was_called_is_charged_and_the_books_agree(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            call = asked(tools=SEARCH)
            async with ledger.hold(POSTPAID, PRICED, call) as hold:
                end = hold.meter(Done(b"{}", Usage(10, 5, tool_calls={"web_search": 2})))
            assert isinstance(end, Done)
            assert end.cost_nano == 10 * 2_000 + 5 * 8_000 + 2 * FEE
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert msgspec.json.decode(row.extra) == {"tool_calls": {"web_search": 2}}
            assert await problems(database) == []
            dearer = msgspec.structs.replace(PRICE, tools={"web_search": 2 * FEE})
            given: dict[str, Any] = {name: getattr(row, name, 0) for name in Row._fields}
            assert charge_nano(Row(**given), dearer) == end.cost_nano + 2 * FEE

    run(story)


def test_who_leaves_in_mid_search_pays_for_the_search(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path) as (database, ledger):
            call = asked(tools=SEARCH, stream=True)
            with suppress(asyncio.CancelledError):
                async with ledger.hold(POSTPAID, PRICED, call):
                    call.tool_calls = {"web_search": 1}
                    raise asyncio.CancelledError
            await ledger.flush()
            row = (await usage_rows(database))["req_1"]
            assert row.status == "cancelled"
            assert row.cost_nano >= FEE
            assert await problems(database) == []

    run(story)
