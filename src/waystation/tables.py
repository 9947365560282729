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
    Column("overdraft_nano", BigInteger, nullable=False, server_default="0"),  # of credit: how far below zero it may go
)

projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger),  # its keys are refused from then on; its books stay
    Column("on_disconnect", Text, nullable=False, server_default="cancel"),  # "cancel" | "drain"
    Column(
        "cache_s", Integer, nullable=False, server_default="0"
    ),  # how long answers are kept for repeats; 0: not at all
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
    Column("kind", Text, nullable=False),  # "usage" | "grant" | "expiry" | "rerating"
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
    Column("account_id", BigInteger, ForeignKey("ledger_accounts.id"), nullable=False),
    Column("amount_nano", BigInteger, nullable=False),  # debit positive, credit negative; an entry's add up to zero
    Column("currency", Text, nullable=False),
    PrimaryKeyConstraint("entry_id", "account_id"),
    Index("ix_postings_account_id_amount_nano", "account_id", "amount_nano"),  # a balance is one read of it
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
    Column("flagged", SmallInteger, nullable=False, server_default="0"),  # 1: the provider's count is far from ours
    Column("tier", Text),  # of the price; null: default
    Column("extra", Text),  # JSON of what few calls use: {"cache_write_tokens": 12, "images": 1}
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

usage_savings = Table(  # what kept answers would have cost, by quarter of an hour
    "usage_savings",
    metadata,
    Column("series_id", BigInteger, nullable=False),
    Column("quarter_at", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("saved_nano", BigInteger, nullable=False),
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

usage_end_users = Table(  # usage by end user and day of the organization's time zone
    "usage_end_users",
    metadata,
    Column("project_id", Text, nullable=False),
    Column("end_user", Text, nullable=False),
    Column("day_at", BigInteger, nullable=False),
    Column("model", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("organization_id", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    PrimaryKeyConstraint("project_id", "end_user", "day_at", "model", "currency"),
    # For budgets of end users in every project, each of which opens a fund.
    Index("ix_usage_end_users_organization_id_end_user_day_at", "organization_id", "end_user", "day_at"),
    sqlite_with_rowid=False,
)


# -- what may be spent: ledger/

budgets = Table(  # rules; what is spent of them is in funds
    "budgets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False, index=True),
    Column("scope", Text, nullable=False),  # "organization" | "project" | "key" | "end_user"
    Column("subject", Text, nullable=False),  # the id; of end users their name, or "*" for each of them
    Column("project_id", Text),  # whose end users; null: those of every project
    Column("model", Text),  # null: all models together
    Column("window", Text, nullable=False),  # "day" | "week" | "month" | "total", in the organization's time zone
    Column("currency", Text, nullable=False),
    Column("cap_nano", BigInteger, nullable=False),
    Column("hard", Boolean, nullable=False),  # false: it warns and lets pass
    Column("thresholds", Text, nullable=False),  # JSON: percents that give notice once a period
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Index("ix_budgets_scope_subject", "scope", "subject"),
)

funds = Table(  # what can be held and spent: a budget in one period, or a prepaid organization's credit
    "funds",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),  # "credit" | "budget"
    Column("owner", Text, nullable=False),  # the budget's id; the organization's, of credit
    Column("subject", Text, nullable=False),  # which end user, of a budget for each of them; else ""
    Column("period_at", BigInteger, nullable=False),  # when it begins; 0: it has no beginning
    Column("ends_at", BigInteger),
    Column("currency", Text, nullable=False),
    Column("cap_nano", BigInteger, nullable=False),
    Column("spent_nano", BigInteger, nullable=False),
    Column("allowed_nano", BigInteger, nullable=False),  # the sum of its allowances
    UniqueConstraint("owner", "subject", "period_at", name="uq_funds"),
    sqlite_autoincrement=True,
)

allowances = Table(  # what of a fund a worker may hold; kept by its journal's epoch until it is spent or given back
    "allowances",
    metadata,
    Column("fund_id", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False, index=True),
    Column("amount_nano", BigInteger, nullable=False),
    PrimaryKeyConstraint("fund_id", "epoch"),
    sqlite_with_rowid=False,
)

budget_notices = Table(  # a threshold that was crossed: once a period
    "budget_notices",
    metadata,
    Column("fund_id", BigInteger, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("spent_nano", BigInteger, nullable=False),
    Column("cap_nano", BigInteger, nullable=False),
    PrimaryKeyConstraint("fund_id", "percent"),
    sqlite_with_rowid=False,
)

grants = Table(  # credit that was given; spent in the order of expiry
    "grants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # "sign_up" | "grant" | "top_up" | "redeem_code"
    Column("currency", Text, nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("left_nano", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("note", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("entry_id", BigInteger, nullable=False),
)

redeem_codes = Table(
    "redeem_codes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the code; the code itself is nowhere
    Column("redacted", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_nano", BigInteger, nullable=False),
    Column("credit_expires_at", BigInteger),  # of the credit that it gives
    Column("expires_at", BigInteger),  # of the code
    Column("created_at", BigInteger, nullable=False),
    Column("voided_at", BigInteger),
    Column("redeemed_at", BigInteger),
    Column("organization_id", Text),  # who redeemed it
    Column("grant_id", Text),
)

invoices = Table(  # what was used in a month, as it was when it was issued; never edited
    "invoices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False),
    Column("month", Text, nullable=False),  # "2026-11", in the organization's time zone
    Column("from_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("total_nano", BigInteger, nullable=False),
    Column("lines", Text, nullable=False),  # JSON
    Column("issued_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "month"),
)

reratings = Table(  # a past period priced anew; the corrections are usage_corrections
    "reratings",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model", Text, nullable=False),
    Column("organization_id", Text),  # null: all of them
    Column("project_id", Text),  # null: all of them
    Column("from_at", BigInteger, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("price", Text, nullable=False),  # JSON of what should have been charged
    Column("reason", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("delta_nano", Text, nullable=False),  # JSON: by currency
    Column("created_at", BigInteger, nullable=False),
)

usage_corrections = Table(  # what a re-rating adds to what a call was charged
    "usage_corrections",
    metadata,
    Column("request_id", Text, nullable=False),
    Column("rerating_id", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),  # the call's
    Column("series_id", BigInteger, nullable=False),
    Column("end_user", Text),
    Column("delta_nano", BigInteger, nullable=False),
    Column("entry_id", BigInteger, nullable=False),
    Column("invoice_id", Text),  # of the first invoice after it
    PrimaryKeyConstraint("request_id", "rerating_id"),
    Index("ix_usage_corrections_series_id_at", "series_id", "at"),
    sqlite_with_rowid=False,
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, nullable=False, index=True),
    Column("scope", Text, nullable=False),  # "organization" | "project" | "key"
    Column("subject", Text, nullable=False),
    Column("model", Text),  # null: all models together
    Column("limits", Text, nullable=False),  # JSON: {"max_requests_per_1_minute": 60, "max_concurrent_streams": 5}
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
    Index("ix_rate_limits_scope_subject", "scope", "subject"),
)

rate_buckets = Table(  # what is used of a limit, where several workers share it or a restart must not forget it
    "rate_buckets",
    metadata,
    Column("limit_id", Text, nullable=False),
    Column("unit", Text, nullable=False),  # a name in ledger/rates/model.py:UNITS
    Column("used_parts", BigInteger, nullable=False),  # at `at_ms`; the window's milliseconds are the parts of one
    Column("at_ms", BigInteger, nullable=False),  # of the machine's monotonic clock
    PrimaryKeyConstraint("limit_id", "unit"),
    sqlite_with_rowid=False,
)

rate_slices = Table(  # what of it a worker has in hand, by its journal's epoch
    "rate_slices",
    metadata,
    Column("limit_id", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False, index=True),
    Column("parts", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # when it was taken or renewed
    PrimaryKeyConstraint("limit_id", "unit", "epoch"),
    sqlite_with_rowid=False,
)

idempotent_answers = Table(
    "idempotent_answers",
    metadata,
    Column("project_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the key that the caller sent
    Column("body_digest", LargeBinary, nullable=False),  # of the URL and the body
    Column("request_id", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False, index=True),  # of the worker that has it, while it runs
    Column("state", Text, nullable=False),  # "running" | "done" | "lost" | "too_large"
    Column("headers", LargeBinary),
    Column("body", LargeBinary),
    Column("stream", SmallInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("project_id", "digest"),
)


# -- what things cost: catalogue/. Rows are only ever added.

prices = Table(
    "prices",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("organization_id", Text),  # null: for all of them
    Column("project_id", Text),  # null: for all of the organization's
    Column("model", Text, nullable=False),
    Column("unmetered", Boolean, nullable=False),
    Column("currency", Text),
    Column("rates", Text),  # JSON of the price; null when it is unmetered
    Column("effective_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_prices_model", "model"),
    sqlite_autoincrement=True,
)

exchange_rates = Table(
    "exchange_rates",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("from_currency", Text, nullable=False),
    Column("to_currency", Text, nullable=False),
    Column("rate_nano", BigInteger, nullable=False),  # 10⁻⁹ of `to` for one of `from`
    Column("effective_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)


# -- where calls go: providers, their credentials, deployments and routes. What the TOML file has is not here.

providers = Table(
    "providers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("config", Text, nullable=False),  # JSON of a ProviderConfig without its name and credentials
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("provider", Text, nullable=False, index=True),  # also one of the TOML file
    Column("name", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # encrypted with the data folder's secret key
    Column("redacted", Text, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

credential_states = Table(  # of those that are not simply in use; also of the TOML file's
    "credential_states",
    metadata,
    Column("credential_id", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("reason", Text, nullable=False),  # "administrator" | "refused"
    Column("detail", Text, nullable=False),  # in words, without the secret
    Column("disabled_at", BigInteger, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False, index=True),  # by which callers ask
    Column("provider", Text, nullable=False),
    Column("config", Text, nullable=False),  # JSON: upstream_model, tier, weight …; what a new model can do
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

routes = Table(
    "routes",
    metadata,
    Column("name", Text, primary_key=True),  # a model's, or a new name: an alias, a list, rules
    Column("config", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

drills = Table(  # "pretend that this is down": for one project, until then
    "drills",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # "provider" | "deployment" | "credential"
    Column("subject", Text, nullable=False),
    Column("until_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # it was stopped before
    Column("created_at", BigInteger, nullable=False),
)

notices = Table(  # what an administrator should know: a credential was refused, a model will be retired
    "notices",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON
    sqlite_autoincrement=True,
)

kept_answers = Table(  # the response cache
    "kept_answers",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the project and the canonical request
    Column("project_id", Text, nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("pieces", LargeBinary, nullable=False),  # the answer's events as they went out
    Column("size_bytes", BigInteger, nullable=False),
    Column("usage", Text, nullable=False),  # JSON: what it used when it was made
    Column("fresh_until", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_kept_answers_expires_at_size_bytes", "expires_at", "size_bytes"),  # the rows are large: sums read this
    sqlite_with_rowid=False,
)


# -- what is kept of answers: storage/. Columns of bytes are opened by its vault: encrypted where a key is configured.

responses = Table(
    "responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("status", Text, nullable=False),  # as OpenAI's
    Column("background", SmallInteger, nullable=False),
    Column("stream", SmallInteger, nullable=False),  # it was asked for as a stream, so its events can be read again
    Column("previous_id", Text, index=True),
    Column("conversation_id", Text),
    Column("input", LargeBinary, nullable=False),  # JSON: the items that came with this request, each with an id
    Column("body", LargeBinary, nullable=False),  # JSON of the response as it was answered last
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

response_events = Table(  # of responses in the background; goes with its response
    "response_events",
    metadata,
    Column("response_id", Text, nullable=False),
    Column("last", BigInteger, nullable=False),  # the highest sequence_number in data
    Column("data", LargeBinary, nullable=False),  # whole server-sent events
    PrimaryKeyConstraint("response_id", "last"),
    sqlite_with_rowid=False,
)

response_items = Table(  # where an item is that a caller only refers to; goes with its response
    "response_items",
    metadata,
    Column("item_id", Text, nullable=False),
    Column("response_id", Text, nullable=False, index=True),
    Column("project_id", Text, nullable=False),
    PrimaryKeyConstraint("item_id", "response_id"),
    sqlite_with_rowid=False,
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False, index=True),
    Column("metadata", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
)

conversation_items = Table(
    "conversation_items",
    metadata,
    Column("conversation_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),  # grows; there may be gaps
    Column("id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON of the item
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("conversation_id", "position"),
    Index("ix_conversation_items_id", "id", "conversation_id", unique=True),
    sqlite_with_rowid=False,
)

stored_completions = Table(
    "stored_completions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("metadata", Text, nullable=False),  # JSON
    Column("body", LargeBinary, nullable=False),  # JSON of the chat completion, with what OpenAI adds to a stored one
    Column("messages", LargeBinary, nullable=False),  # JSON of the messages that were sent
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Index("ix_stored_completions_project_id_id", "project_id", "id"),
    Index("ix_stored_completions_project_id_model_id", "project_id", "model", "id"),
)

stored_completion_metadata = Table(  # once more, to find them by it
    "stored_completion_metadata",
    metadata,
    Column("project_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("completion_id", Text, nullable=False, index=True),
    PrimaryKeyConstraint("project_id", "name", "value", "completion_id"),
    sqlite_with_rowid=False,
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),  # "uploaded" | "processed" | "error"
    Column("status_details", Text),
    Column("place", Text, nullable=False),  # where its content is in the store: never made of what a caller said
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, index=True),
    Index("ix_files_project_id_id", "project_id", "id"),
    Index("ix_files_project_id_purpose_id", "project_id", "purpose", "id"),
    Index("ix_files_project_id_size_bytes", "project_id", "size_bytes"),  # added up before each file that comes
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),  # that it will have
    Column("status", Text, nullable=False),  # "pending" | "completed" | "cancelled" | "expired"
    Column("file_id", Text),
    Column("file_expires_s", BigInteger),  # after it was made; null: never
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("upload_id", Text, nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("place", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)


# -- work that outlives the request that asked for it: jobs/

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # "response": a response in the background
    Column("subject", Text, nullable=False),  # the id of what it is about
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),  # whose call it is
    Column("payload", LargeBinary, nullable=False),  # what the kind needs
    Column("state", Text, nullable=False),  # "queued" | "running" | "done"
    Column("attempts", Integer, nullable=False),
    Column("run_at", BigInteger, nullable=False),  # UTC seconds: not before
    Column("leased_until_ms", BigInteger),  # by `worker`, which renews it; past it, it is anybody's
    Column("worker", Text),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_jobs_state_run_at", "state", "run_at"),
    Index("ix_jobs_subject", "subject"),
)
