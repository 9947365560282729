"""The SQL of the books: posting what was settled, credit, the marks of journals. The checks are in `verify.py`."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection, func, insert, select, update

from waystation import tables
from waystation.ledger.model import CREDIT, grant_postings, usage_postings
from waystation.ledger.records import Record

CREDIT_TOPIC = "credit"  # of changes: the subject is the number of the entry that gave it
_QUARTER_S = 900
_IN_MAX = 500

# Where the fields are in a settlement (records.SETTLE_FIELDS).
_REQUEST, _AT, _ORGANIZATION, _CURRENCY, _END_USER, _INPUT, _COST, _VARIANCE, _PAYER = 1, 2, 3, 8, 10, 11, 17, 18, 21

_SERIES_COLUMNS = [column.name for column in tables.usage_series.columns][1:]
_USAGE_COLUMNS = [column.name for column in tables.usage.columns if column.name not in ("flagged", "tier", "extra")]
_ROLLUP_KEYS = [column.name for column in tables.usage_rollups.primary_key]
_ROLLUP_SUMS = [column.name for column in tables.usage_rollups.columns][len(_ROLLUP_KEYS) :]

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
            )
            for r in records
        ]
        connection.exec_driver_sql(_insert(connection, "usage", _USAGE_COLUMNS), rows)
        sums_by_id = [(series_ids[series], quarter_at, *sums) for (series, quarter_at), sums in rollups.items()]
        connection.exec_driver_sql(_add_to_rollups(connection), sums_by_id)
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
    return _enter(
        connection, "usage", organization_id, currency, usage_postings(sums[0], sums[1], payer), at, epoch, position
    )


def _enter(
    connection: Connection,
    kind: str,
    organization_id: str,
    currency: str,
    postings: dict[str, int],
    at: int,
    epoch: int | None = None,
    position: int | None = None,
) -> int:
    """Write an entry with its postings; returns its number."""
    entry = insert(tables.entries).values(
        at=at, kind=kind, organization_id=organization_id, currency=currency, epoch=epoch, position=position
    )
    entry_id = int(connection.execute(entry.returning(tables.entries.c.id)).scalar_one())
    for account_kind, amount in postings.items():
        account_id = _account(connection, organization_id, account_kind, currency)
        posting = insert(tables.postings).values(
            entry_id=entry_id, account_id=account_id, amount_nano=amount, currency=currency
        )
        connection.execute(posting)
    return entry_id


def _account(connection: Connection, organization_id: str, kind: str, currency: str) -> int:
    """The account, made when it is first needed."""
    c = tables.ledger_accounts.c
    where = (c.organization_id == organization_id, c.kind == kind, c.currency == currency)
    found = connection.execute(select(c.id).where(*where)).scalar()
    if found is not None:
        return int(found)
    made = insert(tables.ledger_accounts).values(organization_id=organization_id, kind=kind, currency=currency)
    return int(connection.execute(made.returning(c.id)).scalar_one())


def _insert(connection: Connection, table: str, columns: Sequence[str]) -> str:
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"


def _add_to_rollups(connection: Connection) -> str:
    sums = ", ".join(f"{name} = usage_rollups.{name} + excluded.{name}" for name in _ROLLUP_SUMS)
    insertion = _insert(connection, "usage_rollups", _ROLLUP_KEYS + _ROLLUP_SUMS)
    return f"{insertion} ON CONFLICT ({', '.join(_ROLLUP_KEYS)}) DO UPDATE SET {sums}"


def posted_calls(connection: Connection) -> int:
    """How many calls have a usage row."""
    return int(connection.execute(select(func.count()).select_from(tables.usage)).scalar_one())


# -- credit


def grant_credit(connection: Connection, organization_id: str, currency: str, amount_nano: int, at: int) -> int:
    """Give a prepaid organization credit, and tell the workers; returns the entry's number."""
    if amount_nano <= 0:
        raise ValueError("A grant is more than nothing.")
    entry_id = _enter(connection, "grant", organization_id, currency, grant_postings(amount_nano), at)
    connection.execute(insert(tables.changes).values(topic=CREDIT_TOPIC, subject=str(entry_id), at=at))
    return entry_id


def credit(connection: Connection) -> tuple[dict[tuple[str, str], int], int]:
    """What is left of each credit, by (organization, currency), and up to which entry that counts."""
    account, posting = tables.ledger_accounts.c, tables.postings.c
    rows = connection.execute(
        select(account.organization_id, account.currency, func.sum(posting.amount_nano))
        .join_from(tables.ledger_accounts, tables.postings, posting.account_id == account.id)
        .where(account.kind == CREDIT)
        .group_by(account.organization_id, account.currency)
    )
    left = {(organization_id, currency): -int(balance) for organization_id, currency, balance in rows}
    last = connection.execute(select(func.coalesce(func.max(tables.entries.c.id), 0))).scalar_one()
    return left, int(last)


def grants_after(connection: Connection, entry_id: int) -> tuple[list[tuple[str, str, int]], int]:
    """What was granted after an entry: (organization, currency, amount); and up to which entry that counts."""
    account, posting, entry = tables.ledger_accounts.c, tables.postings.c, tables.entries.c
    rows = connection.execute(
        select(account.organization_id, account.currency, posting.amount_nano)
        .join_from(tables.entries, tables.postings, posting.entry_id == entry.id)
        .join(tables.ledger_accounts, posting.account_id == account.id)
        .where(entry.id > entry_id, entry.kind == "grant", account.kind == CREDIT)
    )
    found = [(organization_id, currency, -int(amount)) for organization_id, currency, amount in rows]
    last = connection.execute(select(func.max(entry.id))).scalar()
    return found, entry_id if last is None else int(last)


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
    """Nothing more will come of this journal."""
    c = tables.journal_marks.c
    connection.execute(update(tables.journal_marks).where(c.epoch == epoch).values(closed_at=at))
