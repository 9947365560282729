"""The SQL of responses. Contents come and go sealed; each function runs in the transaction that it is given."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from waystation.storage.responses.model import RUNNING
from waystation.tables import jobs, response_events, response_items, responses

_IN_MAX = 500
_c = responses.c

# Made once, as they run once a call: to make a statement takes longer than to run it.
_ADD = insert(responses)
_ADD_ITEMS = {
    "sqlite": sqlite.insert(response_items).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(response_items).on_conflict_do_nothing(),
}


class Link(NamedTuple):
    """A response of a chain; `previous_id` is the one before it."""

    id: str
    previous_id: str | None
    size_bytes: int


def add(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(_ADD, values)


def change(connection: Connection, response_id: str, values: dict[str, Any], *, running: bool = False) -> bool:
    """Write what has changed of a response. `running`: only if it hasn't ended. Returns whether it was there."""
    its = update(responses).where(_c.id == response_id)
    if running:
        its = its.where(_c.status.in_(RUNNING))
    return connection.execute(its.values(**values)).rowcount == 1


def find(connection: Connection, project_id: str, response_id: str, now: int) -> Any:
    """The row of a response that hasn't expired; None: there is none of this project."""
    its = select(responses).where(_c.id == response_id, _c.project_id == project_id, _c.expires_at > now)
    return connection.execute(its).first()


def chain(connection: Connection, project_id: str, response_id: str, most: int) -> list[Link]:
    """A response and those that it builds on, the newest first, in one query; at most so many."""
    size = (func.length(_c.input) + func.length(_c.body)).label("size_bytes")
    first = select(_c.id, _c.previous_id, size, literal(1).label("depth"))
    links = first.where(_c.id == response_id, _c.project_id == project_id).cte("links", recursive=True)
    before = select(_c.id, _c.previous_id, size, (links.c.depth + 1).label("depth"))
    before = before.join_from(links, responses, _c.id == links.c.previous_id)
    links = links.union_all(before.where(_c.project_id == project_id, links.c.depth < most))
    found = connection.execute(select(links.c.id, links.c.previous_id, links.c.size_bytes).order_by(links.c.depth))
    return [Link(*row) for row in found]


def contents(connection: Connection, ids: Sequence[str]) -> Iterator[Any]:
    """Id, input and body of these, in no order."""
    for start in range(0, len(ids), _IN_MAX):
        some = ids[start : start + _IN_MAX]
        yield from connection.execute(select(_c.id, _c.input, _c.body).where(_c.id.in_(some)))


def remove(connection: Connection, ids: Sequence[str]) -> None:
    """Delete responses with their events and items. What is still to be done for them is not done any more."""
    for start in range(0, len(ids), _IN_MAX):
        some = ids[start : start + _IN_MAX]
        connection.execute(delete(response_events).where(response_events.c.response_id.in_(some)))
        connection.execute(delete(response_items).where(response_items.c.response_id.in_(some)))
        connection.execute(delete(jobs).where(jobs.c.subject.in_(some), jobs.c.kind == "response"))
        connection.execute(delete(responses).where(_c.id.in_(some)))


def expired(connection: Connection, now: int, most: int) -> list[str]:
    """Ids of those whose time has come, the youngest first: who builds on another comes before that."""
    its = select(_c.id).where(_c.expires_at <= now).order_by(_c.expires_at.desc(), _c.created_at.desc(), _c.id.desc())
    return list(connection.execute(its.limit(most)).scalars())


def needed_until(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[int, list[str]]]:
    """Of responses that others build on: until when the last of these lives, and who they are."""
    found: dict[str, tuple[int, list[str]]] = {}
    for start in range(0, len(ids), _IN_MAX):
        its = select(_c.previous_id, _c.expires_at, _c.id).where(_c.previous_id.in_(ids[start : start + _IN_MAX]))
        for previous_id, expires_at, child in connection.execute(its):
            until, children = found.get(previous_id, (0, []))
            found[previous_id] = max(until, expires_at), [*children, child]
    return found


def postpone(connection: Connection, until: dict[str, int]) -> None:
    """Have these live until then."""
    for response_id, expires_at in until.items():
        connection.execute(update(responses).where(_c.id == response_id).values(expires_at=expires_at))


def add_items(connection: Connection, project_id: str, response_id: str, item_ids: Sequence[str]) -> None:
    """Note where these items are. An id that comes twice in a response is one item."""
    rows = [
        {"item_id": item_id, "response_id": response_id, "project_id": project_id}
        for item_id in dict.fromkeys(item_ids)
    ]
    if rows:
        connection.execute(_ADD_ITEMS[connection.dialect.name], rows)


def places(connection: Connection, project_id: str, item_ids: Sequence[str], now: int) -> dict[str, str]:
    """In which response of the project each item is; the newest of several. What is nowhere is left out."""
    found: dict[str, str] = {}
    item = response_items.c
    for start in range(0, len(item_ids), _IN_MAX):
        some = item_ids[start : start + _IN_MAX]
        its = select(item.item_id, item.response_id).join_from(response_items, responses, _c.id == item.response_id)
        its = its.where(item.item_id.in_(some), item.project_id == project_id, _c.expires_at > now)
        found.update((row.item_id, row.response_id) for row in connection.execute(its.order_by(_c.created_at)))
    return found


def having(connection: Connection, project_id: str, item_id: str) -> set[str]:
    """The project's responses that have this item in their input or output."""
    item = response_items.c
    its = select(item.response_id).where(item.item_id == item_id, item.project_id == project_id)
    return set(connection.execute(its).scalars())
