"""What was used, by time and by whatever else is asked: roll-ups, what corrections changed, and what is still in journals."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from waystation.errors import InvalidRequest, NotFound
from waystation.ledger.budgets.model import period
from waystation.ledger.reading import store
from waystation.ledger.reading.buckets import Buckets, buckets
from waystation.ledger.reading.model import Ask, Dimension, UsageReport, UsageRow, check_ask
from waystation.ledger.reading.store import ROWS_MAX, Rows, time_zone_of
from waystation.ledger.reading.unposted import unposted
from waystation.ledger.records import SETTLE_FIELDS, Record
from waystation.ledger.serving import saved_nano
from waystation.ledger.store import usage_pruned_before

CALLS_RANGE_S_MAX = 32 * 86_400  # of what only the rows of single calls know
_QUARTER_S = 900
_USERS_KNOW: set[Dimension] = {"project", "model", "end_user"}
_FIELD_OF: dict[Dimension, int] = {
    "project": SETTLE_FIELDS.index("project_id"),
    "key": SETTLE_FIELDS.index("key_id"),
    "model": SETTLE_FIELDS.index("model"),
    "operation": SETTLE_FIELDS.index("operation"),
    "deployment": SETTLE_FIELDS.index("deployment"),
    "end_user": SETTLE_FIELDS.index("end_user"),
    "tier": SETTLE_FIELDS.index("tier"),
}
_AT, _ORGANIZATION, _CURRENCY = (SETTLE_FIELDS.index(name) for name in ("at", "organization_id", "currency"))
_SUMS = [SETTLE_FIELDS.index(name) for name in store.SUMS[1:]]
_EXTRA = SETTLE_FIELDS.index("extra")
_COST, _SAVED = len(store.SUMS) - 1, len(store.SUMS)  # where a total has them

_Key = tuple[Any, ...]  # the values of the dimensions, the bucket's number, the currency
_Totals = dict[_Key, list[int | None]]


def usage(
    connection: Connection,
    folder: Path,
    organization_id: str,
    *,
    from_at: int,
    until_at: int,
    bucket: str | None = None,
    by: Sequence[str] = (),
    filters: Mapping[str, Collection[str]] | None = None,
    time_zone: str | None = None,
) -> UsageReport:
    """Usage of an organization's calls that were held in [from_at, until_at).

    `folder` has the journals; read nothing else in the transaction before. `bucket` and `by`: `reading/model.py`;
    buckets are cut in `time_zone`, or else the organization's. `filters`: of a dimension the values that count.
    Raises InvalidRequest, NotFound; ServiceUnavailable: read again.
    """
    with unposted(connection, folder) as waiting:
        zone = time_zone_of(connection, organization_id)
        if zone is None:
            raise NotFound(f"There is no organization {organization_id[:80]!r}.", param="organization_id")
        ask = check_ask(organization_id, from_at, until_at, bucket, by, filters, time_zone or zone)
        read, ask = _source(connection, ask, zone)
        cut = buckets(ask.bucket, ask.time_zone, ask.from_at, ask.until_at)
        totals: _Totals = {}
        read(connection, ask, cut, totals)
        users = read is _by_end_user
        for record in waiting.records:
            _add_record(totals, ask, cut, record, users=users)
    return _report(ask, cut, totals)


def _source(connection: Connection, ask: Ask, zone: str) -> tuple[Any, Ask]:
    """Which tables know what is asked, and the question in whole units of those."""
    if "tier" not in ask.dimensions and ask.bucket != "minute":
        if "end_user" not in ask.dimensions:
            return _by_series, _widened(ask, ask.from_at // _QUARTER_S, -(-ask.until_at // _QUARTER_S))
        if ask.dimensions <= _USERS_KNOW and ask.bucket in (None, "day", "week", "month") and ask.time_zone == zone:
            first, last = period("day", zone, ask.from_at), period("day", zone, ask.until_at - 1)
            return _by_end_user, _ranged(ask, first[0], last[1] or ask.until_at)
    _check_calls(connection, ask)
    return _by_call, ask


def _widened(ask: Ask, first: int, end: int) -> Ask:
    return _ranged(ask, first * _QUARTER_S, end * _QUARTER_S)


def _ranged(ask: Ask, from_at: int, until_at: int) -> Ask:
    return Ask(ask.organization_id, from_at, until_at, ask.bucket, ask.by, ask.filters, ask.time_zone)


def _check_calls(connection: Connection, ask: Ask) -> None:
    """Single calls may be gone, and are many."""
    if ask.until_at - ask.from_at > CALLS_RANGE_S_MAX:
        raise InvalidRequest(
            f"Only single calls know this (tiers, minutes, or end users by this): ask for at most "
            f"{CALLS_RANGE_S_MAX // 86_400} days.",
            param="from",
        )
    pruned_before = usage_pruned_before(connection)
    kept_from = pruned_before + store.LONGEST_CALL_S if pruned_before else 0
    if ask.from_at < kept_from:
        raise InvalidRequest(
            f"Only single calls know this, and those before {kept_from} (UTC seconds) are not kept.", param="from"
        )


# -- adding up


def _by_series(connection: Connection, ask: Ask, cut: Buckets, totals: _Totals) -> None:
    _add(totals, store.rolled_up(connection, ask, cut), saved=0)
    _add_to(totals, _COST, store.corrected(connection, ask, cut))
    _add_to(totals, _SAVED, store.saved(connection, ask, cut))


def _by_end_user(connection: Connection, ask: Ask, cut: Buckets, totals: _Totals) -> None:
    _add(totals, store.of_end_users(connection, ask, cut), saved=None)


def _by_call(connection: Connection, ask: Ask, cut: Buckets, totals: _Totals) -> None:
    _add(totals, store.of_calls(connection, ask, cut), saved=0)
    _add_to(totals, _COST, store.corrected_calls(connection, ask, cut))
    _add_to(totals, _SAVED, store.saved_by_calls(connection, ask, cut))


def _add(totals: _Totals, rows: Rows, saved: int | None) -> None:
    width = len(store.SUMS)
    for row in rows:
        totals[tuple(row[:-width])] = [*(None if value is None else int(value) for value in row[-width:]), saved]
        if len(totals) > ROWS_MAX:
            raise _too_many()


def _add_to(totals: _Totals, place: int, rows: Rows) -> None:
    for row in rows:
        total = _total(totals, tuple(row[:-1]))
        total[place] = (total[place] or 0) + int(row[-1])


def _add_record(totals: _Totals, ask: Ask, cut: Buckets, record: Record, *, users: bool) -> None:
    number = cut.number(record[_AT])
    if number is None or record[_ORGANIZATION] != ask.organization_id:
        return
    if any(record[_FIELD_OF[name]] not in values for name, values in ask.filters.items()):
        return
    if users and record[_FIELD_OF["end_user"]] is None:
        return
    key = (*(record[_FIELD_OF[name]] for name in ask.by), number, record[_CURRENCY])
    total = _total(totals, key, users=users)
    saved = saved_nano(record[_EXTRA]) or 0
    for place, value in enumerate((1, *(record[field] for field in _SUMS), saved)):
        so_far = total[place]
        if so_far is not None:
            total[place] = so_far + value


def _total(totals: _Totals, key: _Key, *, users: bool = False) -> list[int | None]:
    total = totals.get(key)
    if total is None:
        if len(totals) >= ROWS_MAX:
            raise _too_many()
        total = totals[key] = [0, 0, 0, None, None, 0, None] if users else [0] * (len(store.SUMS) + 1)
    return total


def _too_many() -> InvalidRequest:
    return InvalidRequest(
        f"The answer has more than {ROWS_MAX} rows. Ask for a shorter range, for longer buckets, or filter.", param="by"
    )


def _report(ask: Ask, cut: Buckets, totals: _Totals) -> UsageReport:
    rows: list[UsageRow] = []
    for key, (requests, given, made, cached, reasoning, cost, saved) in totals.items():
        number, currency = key[-2:]
        rows.append(
            UsageRow(
                cut.edges[number],
                cut.edges[number + 1],
                currency,
                requests or 0,
                given or 0,
                made or 0,
                cached,
                reasoning,
                cost or 0,
                saved,
                **dict(zip(ask.by, key[:-2], strict=True)),
            )
        )
    rows.sort(key=lambda row: (row.from_at, *(getattr(row, name) or "" for name in ask.by), row.currency))
    return UsageReport(ask.organization_id, ask.time_zone, cut.from_at, cut.until_at, ask.bucket, ask.by, rows)
