"""How long it takes to find what is kept when there is much of it: 10 000 files and a million stored items.

`python bench/storage.py` fills a data folder (with --data it is kept, and the next run only measures), starts a server on it and
asks for lists and objects of each kind, one after the other, on one connection. Then, without a server, how long the database's
one writer is held by large deletes. Targets: p95 of every request at most 100 ms, no transaction longer than that.
"""

import argparse
import http.client
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from sqlalchemy import Connection, Table, func, select

from bench import storage_fill as filling
from bench.machine import describe
from bench.servers import DATABASE, Server, serving
from bench.storage_fill import Made, Shares, shares
from bench.tools import HERE
from waystation import tables
from waystation.jobs.sweeps import ROWS_AT_ONCE
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.storage.completions.service import sweep as sweep_completions
from waystation.storage.conversations.service import Conversations
from waystation.storage.conversations.service import sweep as sweep_conversations
from waystation.storage.responses.service import Responses

ITEMS, FILES, REQUESTS = 1_000_000, 10_000, 200
EXPIRED = 100_000  # rows that the sweep finds, of each of its two large kinds
TARGET_MS = 100.0
LIMIT = 100  # objects on a page
DELETES = 5
TOLD = "bench.json"  # in the data folder: who asks
# A model, so that the server says that it is ready; nobody calls it.
CONFIG = """\
[engine]
enabled = false
[providers.none]
base_url = "http://127.0.0.1:9/v1"
[models.none]
provider = "none"
price = 0
"""
Line = dict[str, Any]


class Asked(NamedTuple):
    """A request that is measured: its path is made anew each time."""

    name: str
    path: Callable[[], str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS, help="stored items; what is fewer is no figure to pass on")
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind")
    parser.add_argument("--expired", type=int, default=EXPIRED, help="rows that the sweep finds, of each of two kinds")
    parser.add_argument("--data", type=Path, help="where the data folder is kept; default: made and thrown away")
    parser.add_argument("--out", type=Path, help="where the JSON goes; bench/results/ when left out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as thrown_away:
        folder = asked.data or Path(thrown_away)
        lines = run(folder, shares(asked.items, asked.files), asked.requests, asked.expired)
    missed = [line["name"] for line in lines if line["missed"]]
    print(f"{len(missed)} of {len(lines)} missed {TARGET_MS:.0f} ms: {', '.join(missed)}" if missed else "all held")
    path = asked.out or HERE / "results" / f"storage-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"items": asked.items, "files": asked.files, "machine": describe(()), "lines": lines}
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"written to {path}")
    return 1 if missed else 0


def run(folder: Path, how_many: Shares, requests: int, expired: int) -> list[Line]:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    database = Database.open(f"sqlite:///{data / DATABASE}")
    try:
        key = filled(database, data, how_many)
        asked = questions(database, first_project(data), data)
        database.close()
        config = folder / "bench.toml"
        config.write_text(CONFIG)
        with serving(data, config, folder / "waystation.log", os.environ, None) as (server, _):
            lines = [measured(server, key, each, requests) for each in asked]
        database = Database.open(f"sqlite:///{data / DATABASE}")
        return lines + held(database, first_project(data), expired)
    finally:
        database.close()


def filled(database: Database, data: Path, how_many: Shares) -> str:
    """The key that asks, after a new folder was filled."""
    told = data / TOLD
    if not told.exists():
        began = time.monotonic()
        *projects, key = filling.found(database)
        filling.fill(database, projects, how_many, data / "files")
        told.write_text(json.dumps({"key": key, "project_id": projects[0]}))
        print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return str(json.loads(told.read_bytes())["key"])


def first_project(data: Path) -> str:
    return str(json.loads((data / TOLD).read_bytes())["project_id"])


# -- requests


def questions(database: Database, project_id: str, data: Path) -> list[Asked]:
    """Lists from their beginning, middle and end in both orders, with filters, and objects taken at random."""
    chance = random.Random(7)
    files, completions = (
        ids_of(database, tables.files, project_id),
        ids_of(database, tables.stored_completions, project_id),
    )
    responses = ids_of(database, tables.responses, project_id)
    conversations = ids_of(database, tables.conversations, project_id)
    longest = conversations[0]
    items = conversation_item_ids(database, longest)
    long_chain = responses[min(filling.LONG_CHAIN, len(responses)) - 1]
    chat = "/chat/completions"

    def one(form: str, ids: list[str]) -> Callable[[], str]:
        return lambda: form.format(chance.choice(ids))

    return [
        *pages("files", "/files", files, chance),
        *pages("files of a purpose", "/files", files, chance, purpose="batch"),
        *pages("files of a rare purpose", "/files", files, chance, purpose="evals"),
        Asked("file", one("/files/{}", files)),
        Asked("file content", one("/files/{}/content", files)),
        *pages("completions", chat, completions, chance),
        *pages("completions of a model", chat, completions, chance, model="model-a"),
        *pages("completions of a rare model", chat, completions, chance, model="model-rare"),
        *pages("completions with metadata", chat, completions, chance, **{"metadata[env]": "prod"}),
        *pages("… of two pairs", chat, completions, chance, **{"metadata[env]": "prod", "metadata[colour]": "red"}),
        *pages(
            "… the second is rare", chat, completions, chance, **{"metadata[env]": "test", "metadata[user]": "rare"}
        ),
        *pages("… and a rare model", chat, completions, chance, model="model-rare", **{"metadata[env]": "test"}),
        *pages("… that no other has", chat, completions, chance, model="none", **{"metadata[env]": "test"}),
        Asked("completion", one(chat + "/{}", completions)),
        Asked("completion messages", one(chat + "/{}/messages", completions)),
        Asked("response", one("/responses/{}", responses)),
        Asked("response input items, chain of 10", one("/responses/{}/input_items", responses[filling.LONG_CHAIN :])),
        Asked("response input items, chain of 1000", lambda: f"/responses/{long_chain}/input_items"),
        Asked("conversation", one("/conversations/{}", conversations)),
        *pages("items of 10 000", f"/conversations/{longest}/items", items, chance),
        Asked("conversation items", one("/conversations/{}/items", conversations)),
        Asked("conversation item", one(f"/conversations/{longest}/items/{{}}", items)),
    ]


def pages(name: str, path: str, ids: list[str], chance: random.Random, **query: str) -> Iterator[Asked]:
    for order in ("asc", "desc"):
        for part, least, most in (("first", 0.0, 0.0), ("middle", 0.3, 0.7), ("last", 0.999, 1.0)):

            def made(order: str = order, least: float = least, most: float = most) -> str:
                at = int((len(ids) - 1) * chance.uniform(least, most))
                cursor = {"after": ids[at if order == "asc" else len(ids) - 1 - at]} if most else {}
                return f"{path}?{urlencode({**query, **cursor, 'order': order, 'limit': LIMIT}, quote_via=quote)}"

            yield Asked(f"{name}, {part}, {order}", made)


def ids_of(database: Database, table: Table, project_id: str) -> list[str]:
    query = select(table.c.id).where(table.c.project_id == project_id).order_by(table.c.id)
    return list(database.read_sync(lambda connection: connection.execute(query).scalars().all()))


def conversation_item_ids(database: Database, conversation_id: str) -> list[str]:
    c = tables.conversation_items.c
    query = select(c.id).where(c.conversation_id == conversation_id).order_by(c.position)
    return list(database.read_sync(lambda connection: connection.execute(query).scalars().all()))


def measured(server: Server, key: str, asked: Asked, requests: int) -> Line:
    """Raises AssertionError for any other answer than a 200."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    took_ms = []
    try:
        for _ in range(requests):
            path = asked.path()
            began = time.perf_counter()
            connection.request("GET", f"/v1{path}", headers={"Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            body = answer.read()
            took_ms.append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, (path, answer.status, body[:300])
    finally:
        connection.close()
    return line(asked.name, took_ms, "p95")


def line(name: str, took_ms: list[float], judged: str) -> Line:
    """`judged`: the figure that is held against the target."""
    took_ms = sorted(took_ms)
    figures = {"p50": quantile(took_ms, 0.5), "p95": quantile(took_ms, 0.95), "max": took_ms[-1]}
    missed = figures[judged] > TARGET_MS
    shown = "  ".join(f"{name} {value:8.2f}" for name, value in figures.items())
    print(f"{name:48} {shown} ms{'  MISSED' if missed else ''}", flush=True)
    return {
        "name": name,
        "count": len(took_ms),
        "judged": judged,
        **{f"{k}_ms": round(v, 3) for k, v in figures.items()},
        "missed": missed,
    }


def quantile(ordered: list[float], share: float) -> float:
    """Of at least one value, the nearest rank."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


# -- the writer


def held(database: Database, project_id: str, expired: int) -> list[Line]:
    """How long one transaction has the writer: the deletes of long conversations, the rounds of sweeps."""
    made = Made(Clock().now_s())
    responses = Responses(Clock(), Ids().new, filling.VAULT)
    lines = [line("delete of a conversation of 10 000 items", list(deletes(database, project_id, made)), "max")]
    name = "a transaction of the sweep of conversations"
    lines.append(line(name, list(rounds(database, lambda c, _, most: sweep_conversations(c, most), made.now)), "p95"))
    past = made.now - 1
    old = Made(made.now - 40 * filling.DAY_S)
    projects = [project_id] * filling.PROJECTS
    filling.put(database, tables.responses, filling.responses(projects, expired, old, past))
    filling.put(database, tables.response_items, filling.response_items(projects, expired, old))
    filling.put(database, tables.stored_completions, filling.completions(projects, expired, old, past))
    filling.put(database, tables.stored_completion_metadata, filling.completion_metadata(projects, expired, old))
    for name, table, sweep in (
        ("a transaction of the sweep of responses", tables.responses, responses.sweep),
        ("a transaction of the sweep of completions", tables.stored_completions, sweep_completions),
    ):
        lines.append(line(name, list(rounds(database, sweep, made.now)), "p95"))
        left = database.read_sync(
            lambda c, table=table: c.execute(select(func.count()).where(table.c.expires_at <= made.now)).scalar()  # type: ignore[misc]
        )
        assert left == 0, f"{left} rows are left of {table.name}"
    return lines


def deletes(database: Database, project_id: str, made: Made) -> Iterator[float]:
    conversations = Conversations(Clock(), Ids().new, filling.VAULT)
    for number in range(DELETES):
        conversation_id = made.id("conv_", number, DELETES)
        values = {"id": conversation_id, "project_id": project_id, "metadata": "{}", "created_at": made.now}
        filling.put(database, tables.conversations, [values])
        size = filling.LONG_CONVERSATION
        filling.put(database, tables.conversation_items, filling.items_of(made, conversation_id, number, size, size))
        yield timed(database, lambda c, id_=conversation_id: conversations.delete(c, project_id, id_))  # type: ignore[misc]


def rounds(database: Database, sweep: Callable[[Connection, int, int], int], now: int) -> Iterator[float]:
    while True:
        swept: list[int] = []
        took_ms = timed(database, lambda c, swept=swept: swept.append(sweep(c, now, ROWS_AT_ONCE)))  # type: ignore[misc]
        if not swept[0]:
            return
        yield took_ms


def timed(database: Database, fn: Callable[[Connection], object]) -> float:
    """Milliseconds of one durable transaction."""
    began = time.perf_counter()
    database.write_sync(fn, durable=True)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
