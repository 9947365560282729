"""Every list of what is kept is read along an index, in its order: no table is read through, nothing is sorted."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event

from waystation.runtime.db import Database
from waystation.storage.completions import store as completions
from waystation.storage.conversations import store as conversations
from waystation.storage.files import store as files
from waystation.storage.responses import store as responses

TABLES = ("files", "uploads", "upload_parts", "responses", "conversation_items", "stored_completion")
METADATA: tuple[dict[str, str], ...] = ({}, {"a": "b"}, {"a": "b", "c": "d"})


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'empty.db'}")
    yield opened
    opened.close()


def lists() -> Iterator[tuple[str, Callable[[Connection], Any]]]:
    for cursor in ("", "id_5"):
        for ascending in (True, False):
            where = f"from {cursor or 'an end'}, {'up' if ascending else 'down'}"
            for model in (None, "m"):
                for metadata in METADATA:
                    given = {"model": model, "metadata": metadata, "cursor": cursor, "ascending": ascending}
                    name = f"completions of {model} with {len(metadata)} pairs, {where}"
                    yield name, partial(completions.page, project_id="p", now=1, rows_max=101, **given)  # type: ignore[arg-type]
            for purpose in (None, "batch"):
                page = partial(files.files_page, project_id="p", now=1, after_id=cursor, rows_max=101)
                yield f"files of {purpose}, {where}", partial(page, ascending=ascending, purpose=purpose)
            items = partial(conversations.items, conversation_id="c", rows_max=101, ascending=ascending)
            yield f"items, {where}", partial(items, beyond=5 if cursor else None)
    yield "expired completions", partial(completions.expired, now=1, most=500)
    yield "past files", partial(files.files_past, now=1, rows_max=500)
    yield "late uploads", partial(files.uploads_late, now=1, rows_max=500)
    yield "old uploads", partial(files.uploads_old, before=1, rows_max=500)
    yield "bytes of a project", partial(files.project_bytes, project_id="p", now=1)
    yield "who builds on responses", partial(responses.needed_until, ids=["a", "b"])


LISTS = list(lists())


@pytest.mark.parametrize("read", [read for _, read in LISTS], ids=[name for name, _ in LISTS])
def test_a_list_is_a_range_of_an_index(database: Database, read: Callable[[Connection], Any]) -> None:
    steps = database.read_sync(lambda connection: plan(connection, read))
    assert [step for step in steps if step.startswith("SEARCH")]
    assert not [step for step in steps if "TEMP B-TREE" in step]
    assert not [step for step in steps if step.startswith("SCAN") and step.split()[1].startswith(TABLES)]


def plan(connection: Connection, read: Callable[[Connection], Any]) -> list[str]:
    """The steps that SQLite makes of all statements of a reading, without statistics of any table."""
    steps: list[str] = []

    def told(_: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        steps.extend(row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    event.listen(connection, "before_cursor_execute", told)
    read(connection)
    return steps
