"""One call: what it used and cost, as soon as it has settled, or that it is still open."""

import re
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, func, select

from waystation import tables
from waystation.errors import NotFound
from waystation.ledger.reading.journals import Journals, opened
from waystation.ledger.records import SETTLE, SETTLE_FIELDS, HoldRecord
from waystation.ledger.serving import USAGE_FIELDS, Extra, read_extra
from waystation.terms import Rung

State = Literal["open", "void", "settled", "posted"]

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
_WHO = ("organization_id", "project_id", "key_id", "operation", "model", "currency", "deployment", "end_user")


class CallUsage(msgspec.Struct, frozen=True):
    """A call, in the words of the usage table. `state`: "open" while it is answered, "void" when nothing was used,
    "settled" when that is in the journal, "posted" when it is in the books."""

    request_id: str
    state: State
    at: int
    organization_id: str
    project_id: str
    key_id: str
    operation: str
    model: str
    currency: str
    deployment: str
    end_user: str | None
    stream: bool
    held_nano: int | None = None  # while it is open
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    extra: dict[str, int] = {}
    tier: str | None = None
    estimated: bool = False
    flagged: bool = False
    status: str | None = None
    cost_nano: int = 0  # what the customer is charged, corrections included
    corrections_nano: int = 0
    variance_nano: int = 0
    duration_ms: int = 0
    served_by: str | None = None  # the rung of the ladder that answered; None: nobody has yet
    served_model: str | None = None  # the model that answered, where it is another than was asked for
    attempts: int = 1  # how many times something was dispatched
    saved_nano: int | None = None  # what a kept answer would have cost; None: it is none
    kept_input_tokens: int = 0  # what it used when it was made
    kept_output_tokens: int = 0


def request(connection: Connection, folder: Path, request_id: str, organization_id: str | None = None) -> CallUsage:
    """What became of a call; of one organization's, if that is said. Raises NotFound; ServiceUnavailable: read again.

    A voided call is only known while the journal that it is in is kept.
    """
    found = None
    if _ID.match(request_id):
        with opened(folder) as journals:  # before the tables are read: a call leaves the one for the other
            found = _posted(connection, request_id) or _in_journals(journals, request_id)
    if found is None or organization_id not in (None, found.organization_id):
        raise NotFound(f"There is no request {request_id[:80]!r}, or its row is no longer kept.", param="request_id")
    return found


def _posted(connection: Connection, request_id: str) -> CallUsage | None:
    u, s, c = tables.usage.c, tables.usage_series.c, tables.usage_corrections.c
    row = connection.execute(
        select(tables.usage, *(s[name] for name in _WHO[:-1]))
        .join_from(tables.usage, tables.usage_series, s.id == u.series_id)
        .where(u.request_id == request_id)
    ).first()
    if row is None:
        return None
    corrections = int(
        connection.execute(
            select(func.coalesce(func.sum(c.delta_nano), 0)).where(c.request_id == request_id)
        ).scalar_one()
    )
    return _call("posted", dict(row._mapping), corrections)


def _in_journals(journals: Journals, request_id: str) -> CallUsage | None:
    hold, end = journals.find(request_id)
    if end is not None and end[0] == SETTLE:
        return _call("settled", dict(zip(SETTLE_FIELDS, end, strict=True)), 0)
    return None if hold is None else _held("open" if end is None else "void", msgspec.convert(hold, HoldRecord))


def _held(state: State, hold: HoldRecord) -> CallUsage:
    who: dict[str, Any] = {name: getattr(hold, name) for name in _WHO}
    held_nano = hold.held_nano if state == "open" else None
    return CallUsage(hold.request_id, state, hold.at, stream=bool(hold.stream), held_nano=held_nano, **who)


_SERVED = ("served_model", "attempts", "saved_nano", "kept_input_tokens", "kept_output_tokens")
_FIRST = Rung.PRIMARY.value
_SAME = (*_WHO, "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "tier", "status")


def _call(state: State, values: dict[str, Any], corrections: int) -> CallUsage:
    same = {name: values[name] for name in (*_SAME, "variance_nano", "duration_ms")}
    extra = read_extra(values["extra"])
    served = {name: getattr(extra, name) for name in _SERVED}
    return CallUsage(
        values["request_id"],
        state,
        values["at"],
        stream=bool(values["stream"]),
        extra=_others(extra),
        estimated=bool(values["estimated"]),
        flagged=bool(values["flagged"]),
        cost_nano=values["cost_nano"] + corrections,
        corrections_nano=corrections,
        served_by=extra.served_by or _FIRST,
        **same,
        **served,
    )


def _others(extra: Extra) -> dict[str, int]:
    """What few calls use, by name; of tools that the provider ran their calls, as "web_search_calls"."""
    named = {name: value for name in USAGE_FIELDS if name != "tool_calls" and (value := getattr(extra, name))}
    return named | {f"{tool}_calls": count for tool, count in (extra.tool_calls or {}).items()}
