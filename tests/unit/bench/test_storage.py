"""What the bench of storage fills in is what the product keeps: each kind can be read by its own store."""

from pathlib import Path

from sqlalchemy import Table, func, select

from bench import storage_fill as filling
from bench.storage import quantile
from waystation import tables
from waystation.runtime.clock import Clock
from waystation.runtime.db import Database
from waystation.runtime.ids import Ids
from waystation.storage.completions.service import StoredCompletions
from waystation.storage.conversations.service import Conversations
from waystation.storage.responses.service import Responses
from waystation.wire.listing import Page

ALL = Page("", 100, ascending=True)


def rows_of(database: Database, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return int(database.read_sync(lambda connection: connection.execute(query).scalar_one()))


def newest(database: Database, table: Table, project_id: str) -> str:
    query = select(func.max(table.c.id)).where(table.c.project_id == project_id)
    return str(database.read_sync(lambda connection: connection.execute(query).scalar_one()))


def test_what_is_filled_in_can_be_read(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'w.db'}")
    try:
        *projects, _ = filling.found(database)
        how_many = filling.shares(400, 20)
        filling.fill(database, projects, how_many, tmp_path / "files")
        counts = [rows_of(database, each) for each in (tables.responses, tables.conversation_items, tables.files)]
        assert (counts, rows_of(database, tables.stored_completions)) == ([120, 160, 20], 120)
        given = (Clock(), Ids().new, filling.VAULT)
        first = newest(database, tables.responses, projects[0])
        conversation = newest(database, tables.conversations, projects[0])
        items = database.read_sync(lambda c: Responses(*given).input_items(c, projects[0], first, ALL))
        assert len(items) > 100, "all turns of the long chain"
        assert database.read_sync(lambda c: Conversations(*given).page(c, projects[0], conversation, ALL))
        chats = database.read_sync(
            lambda c: StoredCompletions(*given).page(c, projects[0], ALL, "model-b", {"env": "prod"})
        )
        assert {each["model"] for each in chats} == {"model-b"}
        assert {each["metadata"]["env"] for each in chats} == {"prod"}
    finally:
        database.close()


def test_a_quantile_is_the_nearest_rank() -> None:
    values = [float(each) for each in range(1, 201)]
    assert [quantile(values, share) for share in (0.5, 0.95, 1.0)] == [100.0, 190.0, 200.0]
    assert quantile([3.0], 0.95) == 3.0
