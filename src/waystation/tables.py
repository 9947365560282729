"""Every table of the database, as SQLAlchemy Core metadata: the one source of the schema.

`runtime/schema.sql` is printed from it, to be read; `runtime/migrations/` bring a database to it. Only `store.py`
files speak SQL. Text ids are ours; `*_at` are UTC seconds; `*_nano` are integers of 10⁻⁹ of the currency beside them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite counts up only in a column that is exactly INTEGER; its INTEGER has 64 bits anyway.
_Id = BigInteger().with_variant(Integer, "sqlite")


# -- who may call: accounts/

organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("postpaid", Boolean, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the key; the key itself is nowhere
    Column("redacted", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("organization_id", Text, ForeignKey("organizations.id"), nullable=False, index=True),
    Column("project_id", Text, ForeignKey("projects.id"), index=True),  # an admin key belongs to no project
    Column("admin", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    CheckConstraint("admin OR project_id IS NOT NULL", name="project"),
)

local_models = Table(
    "local_models",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),  # "chat" | "embedding"
    Column("unmetered", Boolean, nullable=False),
    Column("currency", Text),
    Column("input_nano_per_million", BigInteger),
    Column("output_nano_per_million", BigInteger),
    Column("cached_input_nano_per_million", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),  # rows carry prices, so they are retired and never edited
    CheckConstraint(
        "unmetered OR (currency IS NOT NULL AND input_nano_per_million IS NOT NULL "
        "AND output_nano_per_million IS NOT NULL)",
        name="priced",
    ),
    Index(
        "uq_local_models_name_active",
        "name",
        unique=True,
        sqlite_where=text("removed_at IS NULL"),
        postgresql_where=text("removed_at IS NULL"),
    ),
    sqlite_autoincrement=True,
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

changes = Table(  # the numbered deltas that workers follow
    "changes",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("topic", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)


# -- the books: ledger/. They outlive what they speak of, so they refer to organizations, projects and keys without
# foreign keys.

ledger_accounts = Table(
    "ledger_accounts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("organization_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # "receivable" | "credit" | "grants" | "revenue" | "provider_variance"
    Column("currency", Text, nullable=False),
    UniqueConstraint("organization_id", "kind", "currency"),
    sqlite_autoincrement=True,
)

entries = Table(
    "entries",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # "usage" | "grant"
    Column("organization_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    # Up to where in which journal this entry accounts for the usage; null when it doesn't come from a journal.
    Column("epoch", BigInteger),
    Column("position", BigInteger),
    sqlite_autoincrement=True,
)

postings = Table(
    "postings",
    metadata,
    Column("entry_id", BigInteger, ForeignKey("entries.id"), nullable=False),
    Column("account_id", BigInteger, ForeignKey("ledger_accounts.id"), nullable=False, index=True),
    Column("amount_nano", BigInteger, nullable=False),  # debit positive, credit negative; an entry's add up to zero
    Column("currency", Text, nullable=False),
    PrimaryKeyConstraint("entry_id", "account_id"),
)

usage_series = Table(  # what many calls have in common, written once, so that a usage row is small
    "usage_series",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("organization_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    UniqueConstraint(
        "organization_id",
        "project_id",
        "key_id",
        "operation",
        "model",
        "currency",
        "deployment",
        name="uq_usage_series",
    ),
    sqlite_autoincrement=True,
)

usage = Table(  # one row a call. No other index: request ids begin with the time, so the rows lie in order of time
    "usage",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # when it was held
    Column("series_id", BigInteger, nullable=False),
    Column("end_user", Text),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("estimated", SmallInteger, nullable=False),  # 0 or 1: a driver binds plain integers twice as fast
    Column("status", Text, nullable=False),  # "ok" | "cancelled" | "error" | "recovered"
    Column("cost_nano", BigInteger, nullable=False),  # what the customer is charged, never above the hold
    Column("variance_nano", BigInteger, nullable=False),  # what it cost above the hold: ours
    Column("duration_ms", BigInteger, nullable=False),
    Column("stream", SmallInteger, nullable=False),  # 0 or 1
    Column("entry_id", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

usage_rollups = Table(  # usage by quarter of an hour
    "usage_rollups",
    metadata,
    Column("series_id", BigInteger, nullable=False),
    Column("quarter_at", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    PrimaryKeyConstraint("series_id", "quarter_at"),
    sqlite_with_rowid=False,
)

journal_marks = Table(  # one row a journal; an epoch is never given twice
    "journal_marks",
    metadata,
    Column("epoch", _Id, primary_key=True, autoincrement=True),
    Column("slot", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),  # all that settled before it is posted
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),  # its open holds are recovered too: nothing more will come of it
    sqlite_autoincrement=True,
)
