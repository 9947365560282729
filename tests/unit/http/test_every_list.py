"""Every list, walked by random pages forwards and back: each object is found once, in its place."""

import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Table, insert, update

from tests.unit.http.control_stand import Stand
from tests.unit.http.fleet_stand import C, D, P, R, deployment, keyed, provider
from tests.unit.http.test_conversations import said
from tests.unit.http.test_kept_responses import answering
from tests.unit.http.test_stored_completions import said as chat
from tests.unit.http.test_stored_completions import whole
from waystation import tables
from waystation.http.v1.table import RESOURCES
from waystation.ledger.invoices.model import Details
from waystation.storage.responses import service as responses
from waystation.terms import Price

COUNT = 7
AT = 1_790_000_000
LISTS = {each.path: each for each in RESOURCES if "after" in {query.name for query in each.query}}
Made = Callable[[Stand], Awaitable[dict[str, str]]]
"""Makes at least COUNT objects; says which of them: names of the path."""


async def posted(s: Stand, path: str, bodies: list[dict[str, Any]]) -> dict[str, str]:
    for body in bodies:
        await s.post(path, body)
    return {}


async def written(s: Stand, table: Table, rows: list[dict[str, Any]]) -> dict[str, str]:
    def write(connection: Connection) -> None:
        connection.execute(insert(table), rows)

    await s.worker.database.write(write)
    return {}


def each(path: str, body: Callable[[int], dict[str, Any]]) -> Made:
    return lambda s: posted(s, path, [body(number) for number in range(COUNT)])


async def keys(s: Stand) -> dict[str, str]:
    await posted(s, "/waystation/keys", [{"name": f"k{n}", "project_id": s.project_id} for n in range(COUNT)])
    return {"project_id": s.project_id}


async def limits(s: Stand) -> dict[str, str]:
    asked = {"scope": "project", "subject": s.project_id, "max_requests_per_1_minute": 5}
    await posted(s, "/waystation/rate_limits", [{**asked, "model": f"m{n}"} for n in range(COUNT)])
    return {"project_id": s.project_id}


async def grants(s: Stand) -> dict[str, str]:
    await s.worker.database.write(lambda c: c.execute(update(tables.organizations).values(postpaid=False)))
    asked = {"organization_id": s.organization_id, "amount": "1", "kind": "top_up"}
    return await posted(s, "/waystation/credit/grants", [asked] * COUNT)


async def invoices(s: Stand) -> dict[str, str]:
    row: dict[str, Any] = {"organization_id": s.organization_id, "until_at": AT, "currency": "USD", "total_nano": 0}
    row["lines"] = msgspec.json.encode(Details("o", "UTC", "postpaid", [], [])).decode()
    rows = [
        {**row, "id": f"INV-2026-00000{n * 5 % COUNT}", "month": f"2026-0{n + 1}", "from_at": AT, "issued_at": AT}
        for n in range(COUNT)
    ]
    return await written(s, tables.invoices, rows)


async def reratings(s: Stand) -> dict[str, str]:
    row = {
        "model": "m",
        "from_at": AT,
        "until_at": AT,
        "price": msgspec.json.encode(Price("USD", 1, 1)).decode(),
        "reason": "x",
        "requests": 0,
        "delta_nano": "{}",
    }
    rows = [{**row, "id": f"rerate_{n * 5 % COUNT:032x}", "created_at": AT + n // 2} for n in range(COUNT)]
    return await written(s, tables.reratings, rows)


async def notices(s: Stand) -> dict[str, str]:
    rows = [{"at": AT, "kind": "x", "subject": "y", "detail": "{}"} for _ in range(COUNT)]
    return await written(s, tables.notices, rows)


async def providers(s: Stand) -> dict[str, str]:
    for number in range(COUNT):
        await provider(s, f"p{number * 5 % COUNT}")
    return {}


async def credentials(s: Stand) -> dict[str, str]:
    keyed(s)
    await provider(s)
    return await posted(s, C, [{"provider": "blue", "name": f"n{n}", "secret": f"sk-{n}"} for n in range(COUNT)])


async def deployments(s: Stand) -> dict[str, str]:
    await provider(s)
    for number in range(COUNT):
        await deployment(s, f"m{number * 5 % COUNT}")
    return {}


async def routes(s: Stand) -> dict[str, str]:
    for number in range(COUNT):
        await s.post(f"{R}/alias-{number * 5 % COUNT}", {"alias_of": "m"})
    return {}


async def drills(s: Stand) -> dict[str, str]:
    asked = {"project_id": s.project_id, "provider": "blue", "seconds": 60}
    await provider(s)
    return await posted(s, "/waystation/drills", [asked] * COUNT)


async def input_items(s: Stand) -> dict[str, str]:
    previous = None
    for number in range(4):
        given: dict[str, Any] = {} if previous is None else {"previous_response_id": previous}
        previous = (await s.post("/responses", {"model": "m", "input": str(number), **given}, key=s.key))["id"]
    return {"response_id": str(previous)}


async def conversation_items(s: Stand) -> dict[str, str]:
    made = await s.post("/conversations", {"items": [said(str(n)) for n in range(COUNT)]}, key=s.key)
    return {"conversation_id": made["id"]}


async def completions(s: Stand) -> dict[str, str]:
    for number in range(COUNT):
        await chat(s, whole(str(number)), messages=[{"role": "user", "content": str(n)} for n in range(COUNT)])
    (first,) = (await s.get("/chat/completions", key=s.key, limit=1))["data"]
    return {"completion_id": first["id"]}


async def files(s: Stand) -> dict[str, str]:
    for number in range(COUNT):
        form = {"purpose": "user_data"}
        sent = {"file": (f"{number}.txt", str(number).encode())}
        answer = await s._client.post("/v1/files", data=form, files=sent, headers={"authorization": f"Bearer {s.key}"})
        assert answer.status_code == 200
    return {}


RATE = {"from_currency": "CNY", "to_currency": "USD", "rate": "0.14"}
MADE: dict[str, Made] = {
    "/organization/projects": each("/organization/projects", lambda n: {"name": f"p{n}"}),
    "/waystation/keys": keys,
    "/organization/projects/{project_id}/api_keys": keys,
    "/waystation/organizations": each("/waystation/organizations", lambda n: {"name": f"o{n}"}),
    "/waystation/budgets": each(
        "/waystation/budgets", lambda n: {"scope": "end_user", "subject": f"u{n}", "window": "day", "cap": "1"}
    ),
    "/waystation/credit/grants": grants,
    "/waystation/credit/codes": lambda s: posted(s, "/waystation/credit/codes", [{"count": COUNT, "amount": "1"}]),
    "/waystation/rate_limits": limits,
    "/organization/projects/{project_id}/rate_limits": limits,
    "/waystation/prices": each("/waystation/prices", lambda n: {"model": "m", "price": 0}),
    "/waystation/exchange_rates": each("/waystation/exchange_rates", lambda n: RATE),
    "/waystation/invoices": invoices,
    "/waystation/reratings": reratings,
    P: providers,
    C: credentials,
    D: deployments,
    R: routes,
    "/waystation/drills": drills,
    "/waystation/notices": notices,
    "/responses/{response_id}/input_items": input_items,
    "/conversations/{conversation_id}/items": conversation_items,
    "/chat/completions": completions,
    "/chat/completions/{completion_id}/messages": completions,
    "/files": files,
}


def test_every_list_is_walked() -> None:
    assert set(MADE) == set(LISTS)


@pytest.mark.parametrize("path", sorted(LISTS))
def test_random_pages_forwards_and_back_have_each_object_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(responses, "TURNS_AT_ONCE", 2)  # a page may be of several readings

    async def story(s: Stand, _: Any) -> None:
        named = await MADE[path](s)
        at = path.format(**named)
        key = s.operator if path.startswith(("/organization", "/waystation")) else s.key
        takes = {query.name for query in LISTS[path].query}
        for order in ("asc", "desc") if "order" in takes else (None,):
            asked: dict[str, str] = {} if order is None else {"order": order}
            all_ = [one["id"] for one in (await s.get(at, key=key, limit=100, **asked))["data"]]
            assert len(all_) == len(set(all_)) >= COUNT
            for seed in range(3):
                chance = random.Random(seed)
                assert await walked(s, at, key, chance, asked, "after", []) == all_
                if "before" in takes:
                    assert await walked(s, at, key, chance, asked, "before", all_[-1:]) == all_

    answering(tmp_path, story)


async def walked(
    s: Stand, path: str, key: str, chance: random.Random, asked: dict[str, str], cursor: str, found: list[str]
) -> list[str]:
    """The ids of all pages, from an end, or backwards from what was found."""
    has_more = True
    while has_more:
        where = {cursor: found[-1] if cursor == "after" else found[0]} if found else {}
        page = await s.get(path, key=key, limit=chance.randint(1, 4), **asked, **where)
        ids = [one["id"] for one in page["data"]]
        if ids:
            assert (page.get("first_id"), page.get("last_id")) == (ids[0], ids[-1]), json.dumps(page)[:300]
        found = [*found, *ids] if cursor == "after" else [*ids, *found]
        has_more = page["has_more"]
        assert ids or not has_more
    return found
