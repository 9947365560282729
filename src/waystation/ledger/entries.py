"""The SQL of double entry: an entry with its postings, which add up to zero, on accounts that are made when first needed."""

from sqlalchemy import Connection, insert, select

from waystation import tables


def enter(
    connection: Connection,
    kind: str,
    organization_id: str,
    currency: str,
    postings: dict[str, int],
    at: int,
    epoch: int | None = None,
    position: int | None = None,
) -> int:
    """Write an entry with its postings by kind of account; returns its number."""
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
