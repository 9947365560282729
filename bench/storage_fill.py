"""Fills a data folder with what is kept of answers and files, by plain inserts of the same shape as the product's own."""

import itertools
import json
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, insert

from waystation import tables
from waystation.accounts.service import Accounts
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.storage.files.model import place_of
from waystation.storage.vault import Vault

BATCH = 5_000
DAY_S = 86_400
PROJECTS = 4
SHARES = (0, 0, 0, 0, 0, 0, 1, 1, 2, 3)  # whose the next thing is: most is the first project's
CHAIN = 10  # responses of a chain
LONG_CHAIN = 1_000  # of one chain of the first project
CONVERSATION_ITEMS = 50
LONG_CONVERSATION = 10_000
MODELS = ("model-a", "model-b", "model-c", "model-rare")
PURPOSES = ("user_data", "batch", "vision", "assistants")
RARE = 5_000  # one of so many has it
TEXT = "Once upon a time there was a way station between two towns, and whoever came by was given water. " * 4
VAULT = Vault()  # nothing is encrypted


class Shares(NamedTuple):
    """How much of what: together the stored items."""

    responses: int
    conversation_items: int
    completions: int
    files: int


def shares(items: int, files: int) -> Shares:
    return Shares(items * 3 // 10, items * 4 // 10, items * 3 // 10, files)


class Made:
    """Ids in the order of their time, spread over 20 days that end now, as `runtime/ids.py` would have made them."""

    def __init__(self, now: int) -> None:
        self.now = now

    def at(self, number: int, of: int) -> int:
        return self.now - 20 * DAY_S + 20 * DAY_S * number // of

    def id(self, prefix: str, number: int, of: int) -> str:
        chance = sha256(f"{prefix}{number}".encode()).hexdigest()[:14]
        return f"{prefix}{self.at(number, of):08x}{number:010x}{chance}"


def found(database: Database) -> list[str]:
    """Projects in the first organization, and a key of the first of them: their ids, then the key."""
    accounts = Accounts(Clock(), Ids().new)

    def make(connection: Connection) -> list[str]:
        organization, first = accounts.ensure_first(connection)
        more = [accounts.create_project(connection, organization.id, f"p{at}").id for at in range(1, PROJECTS)]
        return [first.id, *more, accounts.create_key(connection, first.id, "bench").secret]

    return database.write_sync(make)


def fill(database: Database, projects: list[str], how_many: Shares, folder: Path) -> None:
    made = Made(Clock().now_s())
    put(database, tables.responses, responses(projects, how_many.responses, made))
    put(database, tables.response_items, response_items(projects, how_many.responses, made))
    put(database, tables.conversations, conversations(projects, how_many.conversation_items, made))
    put(database, tables.conversation_items, conversation_items(how_many.conversation_items, made))
    put(database, tables.stored_completions, completions(projects, how_many.completions, made))
    put(database, tables.stored_completion_metadata, completion_metadata(projects, how_many.completions, made))
    put(database, tables.files, files(projects, how_many.files, made, folder))


def put(database: Database, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    rows = iter(rows)
    while some := list(itertools.islice(rows, BATCH)):
        database.write_sync(lambda connection, some=some: connection.execute(insert(table), some))  # type: ignore[misc]


def sealed(value: Any) -> bytes:
    return VAULT.seal("", json.dumps(value).encode())


def project_of(number: int) -> int:
    return SHARES[number % len(SHARES)]


# -- responses


def _previous(number: int) -> int | None:
    """What a response builds on: chains of whole blocks, so that each is of one project."""
    if 0 < number < LONG_CHAIN:
        return number - 1
    return None if number < CHAIN or number % CHAIN == 0 or number == LONG_CHAIN else number - 1


def _block(number: int) -> int:
    return 0 if number < LONG_CHAIN else number // CHAIN


def responses(projects: list[str], total: int, made: Made, until: int | None = None) -> Iterator[dict[str, Any]]:
    for number in range(total):
        previous = _previous(number)
        response_id = made.id("resp_", number, total)
        yield {
            "id": response_id,
            "project_id": projects[project_of(_block(number))],
            "key_id": "key_bench",
            "model": MODELS[number % 3],
            "status": "completed",
            "background": 0,
            "stream": 0,
            "previous_id": None if previous is None else made.id("resp_", previous, total),
            "conversation_id": None,
            "input": sealed([message(made.id("msg_a", number, total), "user")]),
            "body": sealed(response_body(response_id, made.id("msg_b", number, total), made.at(number, total))),
            "created_at": made.at(number, total),
            "expires_at": (until or made.now + DAY_S + total) - total + number,
        }


def response_items(projects: list[str], total: int, made: Made) -> Iterator[dict[str, Any]]:
    for number in range(total):
        for prefix in ("msg_a", "msg_b"):
            yield {
                "item_id": made.id(prefix, number, total),
                "response_id": made.id("resp_", number, total),
                "project_id": projects[project_of(_block(number))],
            }


def message(item_id: str, role: str) -> dict[str, Any]:
    kind = "input_text" if role == "user" else "output_text"
    part = {"type": kind, "text": TEXT[:200]}
    return {"type": "message", "id": item_id, "status": "completed", "role": role, "content": [part]}


def response_body(response_id: str, item_id: str, at: int) -> dict[str, Any]:
    return {
        "id": response_id,
        "object": "response",
        "created_at": at,
        "status": "completed",
        "model": MODELS[0],
        "output": [message(item_id, "assistant")],
        "tools": [],
        "tool_choice": "auto",
        "metadata": {},
        "usage": {"input_tokens": 20, "output_tokens": 60, "total_tokens": 80},
    }


# -- conversations


def _conversation_sizes(total: int) -> Iterator[int]:
    first = min(LONG_CONVERSATION, total)
    yield first
    for start in range(first, total, CONVERSATION_ITEMS):
        yield min(CONVERSATION_ITEMS, total - start)


def conversations(projects: list[str], items: int, made: Made) -> Iterator[dict[str, Any]]:
    for number, _ in enumerate(_conversation_sizes(items)):
        yield {
            "id": made.id("conv_", number, items),
            "project_id": projects[project_of(number)],
            "metadata": "{}",
            "created_at": made.at(number, items),
        }


def conversation_items(total: int, made: Made) -> Iterator[dict[str, Any]]:
    for number, size in enumerate(_conversation_sizes(total)):
        yield from items_of(made, made.id("conv_", number, total), number, size, total)


def items_of(made: Made, conversation_id: str, number: int, size: int, total: int) -> Iterator[dict[str, Any]]:
    for at in range(size):
        item_id = made.id(f"msg_{number:x}c", at, size)
        yield {
            "conversation_id": conversation_id,
            "position": at + 1,
            "id": item_id,
            "body": sealed(message(item_id, "assistant" if at % 2 else "user")),
            "created_at": made.at(number, total),
        }


# -- stored completions


def _metadata(number: int) -> dict[str, str]:
    found = {"env": "prod" if number % 2 else "test", "colour": ("red", "green", "blue")[number % 3]}
    return found | ({"user": "rare"} if number % RARE == 0 else {})


def _model(number: int) -> str:
    return MODELS[3] if number % RARE == 0 else MODELS[number % 3]


def completions(projects: list[str], total: int, made: Made, until: int | None = None) -> Iterator[dict[str, Any]]:
    for number in range(total):
        completion_id = made.id("chatcmpl-", number, total)
        answer = {"role": "assistant", "content": TEXT[:300], "refusal": None}
        body = {
            "id": completion_id,
            "object": "chat.completion",
            "created": made.at(number, total),
            "model": _model(number),
            "choices": [{"index": 0, "message": answer, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80},
        }
        yield {
            "id": completion_id,
            "project_id": projects[project_of(number)],
            "model": _model(number),
            "metadata": json.dumps(_metadata(number)),
            "body": sealed(body),
            "messages": sealed([{"role": "user", "content": TEXT[:200]}] * 3),
            "created_at": made.at(number, total),
            "expires_at": (until or made.now + DAY_S + total) - total + number,
        }


def completion_metadata(projects: list[str], total: int, made: Made) -> Iterator[dict[str, Any]]:
    for number in range(total):
        for name, value in _metadata(number).items():
            yield {
                "project_id": projects[project_of(number)],
                "name": name,
                "value": value,
                "completion_id": made.id("chatcmpl-", number, total),
            }


# -- files


def files(projects: list[str], total: int, made: Made, folder: Path) -> Iterator[dict[str, Any]]:
    for number in range(total):
        file_id = made.id("file-", number, total)
        place, content = place_of("files", file_id), f"{number}\n".encode() * 20
        sealing = VAULT.sealing(place)
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sealing.feed(content) + sealing.finish())
        yield {
            "id": file_id,
            "project_id": projects[project_of(number)],
            "purpose": "evals" if number % RARE == 0 else PURPOSES[number % len(PURPOSES)],
            "filename": f"file {number}.txt",
            "size_bytes": len(content),
            "sha256": sha256(content).digest(),
            "status": "processed",
            "status_details": None,
            "place": place,
            "created_at": made.at(number, total),
            "expires_at": None if number % 2 else made.now + 30 * DAY_S,
        }
