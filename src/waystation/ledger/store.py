"""The SQL of the books: posting what was settled, the marks of journals. The checks are in `verify.py`."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection, func, insert, select, update

from waystation import tables
from waystation.ledger.budgets.model import period
from waystation.ledger.credit import store as credit_store
from waystation.ledger.entries import enter
from waystation.ledger.funds import store as funds_store
from waystation.ledger.funds.store import Spending
from waystation.ledger.model import CREDIT, usage_postings
from waystation.ledger.rates import store as rates_store
from waystation.ledger.records import Record
from waystation.ledger.serving import saved_nano

USAGE_PRUNED_BEFORE = "usage_pruned_before"  # a fact in the table meta
_QUARTER_S = 900
_IN_MAX = 500

# Where the fields are in a settlement (records.SETTLE_FIELDS).
_REQUEST, _AT, _ORGANIZATION, _PROJECT, _KEY, _MODEL, _CURRENCY, _END_USER = 1, 2, 3, 4, 5, 7, 8, 10
_INPUT, _COST, _VARIANCE, _PAYER, _EXTRA, _FUNDS = 11, 17, 18, 21, 24, 25

_SERIES_COLUMNS = [column.name for column in tables.usage_series.columns][1:]
_USAGE_COLUMNS = [column.name for column in tables.usage.columns]
_END_USER_KEYS = [column.name for column in tables.usage_end_users.primary_key]
_END_USER_SUMS = ["requests", "input_tokens", "output_tokens", "cost_nano"]
_ROLLUP_KEYS = [column.name for column in tables.usage_rollups.primary_key]
_ROLLUP_SUMS = [column.name for column in tables.usage_rollups.columns][len(_ROLLUP_KEYS) :]
_SAVING_KEYS = [column.name for column in tables.usage_savings.primary_key]
_SAVING_SUMS = [column.name for column in tables.usage_savings.columns][len(_SAVING_KEYS) :]

Series = tuple[str, ...]  # the values of _SERIES_COLUMNS
_Key = tuple[str, str, str]  # an entry is for an organization, a currency and a payer


def post(
    connection: Connection,
    records: Sequence[Record],
    epoch: int,
    position: int,
    at: int,
    known: Mapping[Series, int] = MappingProxyType({}),
) -> dict[Series, int]:
    """Post settlements, with their usage rows, roll-ups and the journal's mark: call it in one transaction.

    `position`: everything that settled before it in this journal is posted with these. `known`: numbers of series that
    were found before; returns those that were found now (they hold once the transaction is committed).
    Raises IntegrityError when one of the requests is posted already.
    """
    funds_store.lock(connection)
    rollups, totals = _summed(records)
    found = {series: _series_id(connection, series) for series, _ in rollups if series not in known}
    series_ids = {series: found.get(series) or known[series] for series, _ in rollups}
    entry_ids = {key: _enter_usage(connection, key, sums, epoch, position, at) for key, sums in totals.items()}
    if records:
        # Tuples straight to the driver: this is done for every call, and costs a third of going through expressions.
        rows = [
            (
                r[_REQUEST],
                r[_AT],
                series_ids[r[_ORGANIZATION:_END_USER]],
                *r[_END_USER:_PAYER],
                entry_ids[r[_ORGANIZATION], r[_CURRENCY], r[_PAYER]],
                *r[_PAYER + 1 : _FUNDS],
            )
            for r in records
        ]
        connection.exec_driver_sql(_insert(connection, "usage", _USAGE_COLUMNS), rows)
        sums_by_id = [(series_ids[series], quarter_at, *sums) for (series, quarter_at), sums in rollups.items()]
        connection.exec_driver_sql(_add_up(connection, "usage_rollups", _ROLLUP_KEYS, _ROLLUP_SUMS), sums_by_id)
        _count_savings(connection, records, series_ids)
        _count_end_users(connection, records)
        for organization_id, spent in _spent_of_credit(records).items():
            credit_store.spend_held(connection, organization_id, spent)
        funds_store.settle(connection, settled_of(records), epoch)
        funds_store.spend(connection, _spendings(records), at)
    mark = tables.journal_marks
    connection.execute(update(mark).where(mark.c.epoch == epoch).values(position=position))
    return found


def not_posted(connection: Connection, records: Sequence[Record]) -> list[Record]:
    """Those of the records whose request has no usage row yet, each request once."""
    by_request = {record[_REQUEST]: record for record in reversed(records)}
    requests = list(by_request)
    column = tables.usage.c.request_id
    for start in range(0, len(requests), _IN_MAX):
        for (request_id,) in connection.execute(select(column).where(column.in_(requests[start : start + _IN_MAX]))):
            del by_request[request_id]
    return [by_request[request_id] for request_id in reversed(by_request)]


def _summed(records: Sequence[Record]) -> tuple[dict[tuple[Series, int], list[int]], dict[_Key, list[int]]]:
    """The roll-ups of these records, and what each entry is about: [charged, variance]."""
    rollups: dict[tuple[Series, int], list[int]] = {}
    totals: dict[_Key, list[int]] = {}
    for record in records:
        at, cost = record[_AT], record[_COST]
        key = (record[_ORGANIZATION:_END_USER], at - at % _QUARTER_S)
        sums = rollups.get(key)
        if sums is None:
            sums = rollups[key] = [0, 0, 0, 0, 0, 0]
        sums[0] += 1
        sums[1] += record[_INPUT]
        sums[2] += record[_INPUT + 1]
        sums[3] += record[_INPUT + 2]
        sums[4] += record[_INPUT + 3]
        sums[5] += cost
        entry = (record[_ORGANIZATION], record[_CURRENCY], record[_PAYER])
        total = totals.get(entry)
        if total is None:
            total = totals[entry] = [0, 0]
        total[0] += cost
        total[1] += record[_VARIANCE]
    return rollups, totals


def _series_id(connection: Connection, series: Series) -> int:
    """The number of a series, given when it is first seen."""
    columns = dict(zip(_SERIES_COLUMNS, series, strict=True))
    c = tables.usage_series.c
    found = connection.execute(select(c.id).where(*(c[name] == value for name, value in columns.items()))).scalar()
    if found is None:
        found = connection.execute(insert(tables.usage_series).values(**columns).returning(c.id)).scalar_one()
    return int(found)


def _enter_usage(connection: Connection, key: _Key, sums: list[int], epoch: int, position: int, at: int) -> int:
    organization_id, currency, payer = key
    postings = usage_postings(sums[0], sums[1], payer)
    return enter(connection, "usage", organization_id, currency, postings, at, epoch, position)


def _insert(connection: Connection, table: str, columns: Sequence[str]) -> str:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"


def _add_up(
    connection: Connection, table: str, keys: Sequence[str], sums: Sequence[str], others: Sequence[str] = ()
) -> str:
    """An insertion that adds its sums to those of the row that is there already."""
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    insertion = _insert(connection, table, [*keys, *others, *sums])
    return f"{insertion} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}"


def _count_savings(connection: Connection, records: Sequence[Record], series_ids: Mapping[Series, int]) -> None:
    sums: dict[tuple[int, int], list[int]] = {}
    for record in records:
        if record[_EXTRA] is not None and (saved := saved_nano(record[_EXTRA])) is not None:
            at = record[_AT]
            total = sums.setdefault((series_ids[record[_ORGANIZATION:_END_USER]], at - at % _QUARTER_S), [0, 0])
            total[0] += 1
            total[1] += saved
    if sums:
        statement = _add_up(connection, "usage_savings", _SAVING_KEYS, _SAVING_SUMS)
        connection.exec_driver_sql(statement, [(*key, *total) for key, total in sums.items()])


def _count_end_users(connection: Connection, records: Sequence[Record]) -> None:
    with_user = [record for record in records if record[_END_USER] is not None]
    if not with_user:
        return
    zones = time_zones(connection, {record[_ORGANIZATION] for record in with_user})
    sums: dict[tuple[str, str, int, str, str, str], list[int]] = {}
    days: dict[tuple[str, int], int] = {}  # when the day of a quarter of an hour begins, for each organization
    for record in with_user:
        quarter = (record[_ORGANIZATION], record[_AT] // _QUARTER_S)
        day_at = days.get(quarter)
        if day_at is None:
            day_at = days[quarter] = period("day", zones.get(record[_ORGANIZATION], "UTC"), record[_AT])[0]
        key = (record[_PROJECT], record[_END_USER], day_at, record[_MODEL], record[_CURRENCY], record[_ORGANIZATION])
        total = sums.setdefault(key, [0, 0, 0, 0])
        total[0] += 1
        total[1] += record[_INPUT]
        total[2] += record[_INPUT + 1]
        total[3] += record[_COST]
    statement = _add_up(connection, "usage_end_users", _END_USER_KEYS, _END_USER_SUMS, ["organization_id"])
    connection.exec_driver_sql(statement, [(*key, *total) for key, total in sums.items()])


def time_zones(connection: Connection, organization_ids: Collection[str]) -> dict[str, str]:
    """Where each organization's days begin."""
    c = tables.organizations.c
    rows = connection.execute(select(c.id, c.time_zone).where(c.id.in_(organization_ids)))
    return {row.id: row.time_zone for row in rows}


def settled_of(records: Sequence[Record]) -> dict[int, int]:
    """What the records cost, by the fund that they were held from."""
    by_funds: dict[tuple[int, ...], int] = {}  # first by all of a call's: most calls have the same
    for record in records:
        funds = tuple(record[_FUNDS])  # a list, if it was read from a journal
        by_funds[funds] = by_funds.get(funds, 0) + record[_COST]
    sums: dict[int, int] = {}
    for funds, cost in by_funds.items():
        for fund_id in funds:
            sums[fund_id] = sums.get(fund_id, 0) + cost
    return sums


def _spent_of_credit(records: Sequence[Record]) -> dict[str, dict[int, int]]:
    """By organization, and by the time at which it was held."""
    spent: dict[str, dict[int, int]] = {}
    for record in records:
        if record[_PAYER] == CREDIT and record[_COST]:
            by_time = spent.setdefault(record[_ORGANIZATION], {})
            by_time[record[_AT]] = by_time.get(record[_AT], 0) + record[_COST]
    return spent


def _spendings(records: Sequence[Record]) -> dict[Spending, int]:
    sums: dict[tuple[str, str, str, str | None, str, int], int] = {}
    for record in records:
        at = record[_AT]
        one = (
            record[_ORGANIZATION],
            record[_PROJECT],
            record[_KEY],
            record[_END_USER],
            record[_MODEL],
            at - at % _QUARTER_S,
        )
        sums[one] = sums.get(one, 0) + record[_COST]
    return {Spending(*one): cost for one, cost in sums.items()}


def posted_calls(connection: Connection) -> int:
    """How many calls have a usage row."""
    return int(connection.execute(select(func.count()).select_from(tables.usage)).scalar_one())


def prune_usage(connection: Connection, before: int, rows_max: int) -> int:
    """Drop the oldest rows of calls that were held before a time; returns how many. Postings and roll-ups stay.

    Request ids begin with their time, so the oldest are the first. Up to where rows are gone is a fact that `verify` and
    re-rating read.
    """
    column = tables.usage.c.request_id
    first_kept = f"req_{before & 0xFFFFFFFF:08x}"
    some = select(column).where(column < first_kept).order_by(column).limit(rows_max)
    ids = list(connection.execute(some).scalars())
    if not ids:
        return 0
    connection.execute(tables.usage.delete().where(column <= ids[-1]))
    meta = tables.meta.c
    changed = connection.execute(update(tables.meta).where(meta.name == USAGE_PRUNED_BEFORE).values(value=str(before)))
    if changed.rowcount == 0:
        connection.execute(insert(tables.meta).values(name=USAGE_PRUNED_BEFORE, value=str(before)))
    return len(ids)


def usage_pruned_before(connection: Connection) -> int:
    """Rows of calls that were held before this time may be gone."""
    meta = tables.meta.c
    value = connection.execute(select(meta.value).where(meta.name == USAGE_PRUNED_BEFORE)).scalar()
    return 0 if value is None else int(value)


# -- journals


def open_epoch(connection: Connection, slot: int, at: int) -> int:
    """A number for a new journal, never given before."""
    made = insert(tables.journal_marks).values(slot=slot, position=0, opened_at=at)
    return int(connection.execute(made.returning(tables.journal_marks.c.epoch)).scalar_one())


def mark(connection: Connection, epoch: int) -> tuple[int, bool]:
    """Up to where a journal is posted, and whether it is closed: its open holds are recovered too."""
    c = tables.journal_marks.c
    row = connection.execute(select(c.position, c.closed_at).where(c.epoch == epoch)).first()
    return (0, False) if row is None else (row.position, row.closed_at is not None)


def close_epoch(connection: Connection, epoch: int, at: int) -> None:
    """Nothing more will come of this journal, so what its worker was allowed comes free."""
    funds_store.release(connection, epoch)
    rates_store.forget_epoch(connection, epoch)
    c = tables.journal_marks.c
    connection.execute(update(tables.journal_marks).where(c.epoch == epoch).values(closed_at=at))
