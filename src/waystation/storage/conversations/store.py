"""The SQL of conversations and their items. Each function runs in the transaction that it is given."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, exists, func, insert, select, update

from waystation import tables
from waystation.storage.conversations.model import Conversation

_c, _i = tables.conversations.c, tables.conversation_items.c
_metadata = msgspec.json.Decoder(dict[str, str]).decode
NOBODY = ""  # the project of a conversation that is being removed
Row = tuple[str, bytes]  # an item's id and its sealed body
_IN_MAX = 500


def add(connection: Connection, made: Conversation) -> None:
    row = {**msgspec.structs.asdict(made), "metadata": msgspec.json.encode(made.metadata).decode()}
    connection.execute(insert(tables.conversations).values(**row))


def find(connection: Connection, project_id: str, conversation_id: str, *, lock: bool = False) -> Conversation | None:
    """`lock`: nobody else adds to it before this transaction ends. SQLite has one writer anyway."""
    query = select(tables.conversations).where(_c.id == conversation_id, _c.project_id == project_id)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Conversation(row.id, row.project_id, _metadata(row.metadata), row.created_at)


def set_metadata(connection: Connection, conversation_id: str, metadata: dict[str, str]) -> None:
    values = {"metadata": msgspec.json.encode(metadata).decode()}
    connection.execute(update(tables.conversations).where(_c.id == conversation_id).values(**values))


def remove(connection: Connection, conversation_id: str, items_max: int) -> int:
    """With its items, at most so many; how many those were. Where more are left it is nobody's from now on, and still
    to be removed."""
    places = select(_i.position).where(_i.conversation_id == conversation_id).order_by(_i.position)
    more_from = connection.execute(places.limit(1).offset(items_max)).scalar()
    its_items = delete(tables.conversation_items).where(_i.conversation_id == conversation_id)
    if more_from is None:
        connection.execute(delete(tables.conversations).where(_c.id == conversation_id))
        return connection.execute(its_items).rowcount
    connection.execute(
        update(tables.conversations).where(_c.id == conversation_id).values(project_id=NOBODY, metadata="{}")
    )
    return connection.execute(its_items.where(_i.position < more_from)).rowcount


def removed(connection: Connection) -> str | None:
    """One whose removal is still to be gone on with."""
    query = select(_c.id).where(_c.project_id == NOBODY).limit(1)
    return connection.execute(query).scalar()


def add_items(connection: Connection, conversation_id: str, rows: Sequence[Row], now: int) -> None:
    """At the end, in this order."""
    if not rows:
        return
    last = select(func.max(_i.position)).where(_i.conversation_id == conversation_id)
    start = (connection.execute(last).scalar() or 0) + 1
    connection.execute(
        insert(tables.conversation_items),
        [
            {"conversation_id": conversation_id, "position": start + at, "id": id_, "body": body, "created_at": now}
            for at, (id_, body) in enumerate(rows)
        ],
    )


def taken(connection: Connection, conversation_id: str, ids: Collection[str]) -> set[str]:
    """Which of these ids its items have."""
    if not ids:
        return set()
    query = select(_i.id).where(_i.conversation_id == conversation_id, _i.id.in_(ids))
    return set(connection.execute(query).scalars())


def item(connection: Connection, conversation_id: str, item_id: str) -> bytes | None:
    query = select(_i.body).where(_i.conversation_id == conversation_id, _i.id == item_id)
    return connection.execute(query).scalar()


def find_items(connection: Connection, project_id: str, ids: Sequence[str]) -> list[tuple[str, str, bytes]]:
    """(conversation, item, body) of items in any conversation of the project, the newest last."""
    theirs = exists().where(_c.id == _i.conversation_id, _c.project_id == project_id)
    found: list[tuple[str, str, bytes]] = []
    for start in range(0, len(ids), _IN_MAX):
        query = select(_i.conversation_id, _i.id, _i.body, _i.created_at)
        query = query.where(_i.id.in_(ids[start : start + _IN_MAX]), theirs)
        found += [(row[0], row[1], row[2]) for row in connection.execute(query.order_by(_i.created_at))]
    return found


def remove_item(connection: Connection, conversation_id: str, item_id: str) -> bool:
    """Whether it was there."""
    query = delete(tables.conversation_items).where(_i.conversation_id == conversation_id, _i.id == item_id)
    return connection.execute(query).rowcount > 0


def position(connection: Connection, conversation_id: str, item_id: str) -> int | None:
    query = select(_i.position).where(_i.conversation_id == conversation_id, _i.id == item_id)
    return connection.execute(query).scalar()


def items(
    connection: Connection, conversation_id: str, rows_max: int, *, beyond: int | None, ascending: bool
) -> list[Row]:
    """From an end, or from beyond a position, in this direction."""
    query: Any = select(_i.id, _i.body).where(_i.conversation_id == conversation_id).limit(rows_max)
    if beyond is not None:
        query = query.where(_i.position > beyond if ascending else _i.position < beyond)
    order = _i.position if ascending else _i.position.desc()
    return [(row.id, row.body) for row in connection.execute(query.order_by(order))]
