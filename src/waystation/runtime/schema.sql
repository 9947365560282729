-- Printed from src/waystation/tables.py by `python -m waystation.runtime.schema`: to be read, not to be edited.

CREATE TABLE organizations (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    postpaid BOOLEAN NOT NULL,
    time_zone TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (id)
);

CREATE TABLE projects (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_projects PRIMARY KEY (id),
    CONSTRAINT fk_projects_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id)
);

CREATE INDEX ix_projects_organization_id ON projects (organization_id);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    redacted TEXT NOT NULL,
    name TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    project_id TEXT,
    admin BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT ck_api_keys_project CHECK (admin OR project_id IS NOT NULL),
    CONSTRAINT uq_api_keys_digest UNIQUE (digest),
    CONSTRAINT fk_api_keys_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id),
    CONSTRAINT fk_api_keys_project_id FOREIGN KEY(project_id) REFERENCES projects (id)
);

CREATE INDEX ix_api_keys_organization_id ON api_keys (organization_id);

CREATE INDEX ix_api_keys_project_id ON api_keys (project_id);

CREATE TABLE local_models (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    unmetered BOOLEAN NOT NULL,
    currency TEXT,
    input_nano_per_million BIGINT,
    output_nano_per_million BIGINT,
    cached_input_nano_per_million BIGINT,
    created_at BIGINT NOT NULL,
    removed_at BIGINT,
    CONSTRAINT ck_local_models_priced CHECK (unmetered OR (currency IS NOT NULL AND input_nano_per_million IS NOT NULL AND output_nano_per_million IS NOT NULL))
);

CREATE UNIQUE INDEX uq_local_models_name_active ON local_models (name) WHERE removed_at IS NULL;

CREATE TABLE meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_meta PRIMARY KEY (name)
);

CREATE TABLE changes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE ledger_accounts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    CONSTRAINT uq_ledger_accounts_organization_id_kind_currency UNIQUE (organization_id, kind, currency)
);

CREATE TABLE entries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    epoch BIGINT,
    position BIGINT
);

CREATE TABLE postings (
    entry_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL,
    currency TEXT NOT NULL,
    CONSTRAINT pk_postings PRIMARY KEY (entry_id, account_id),
    CONSTRAINT fk_postings_entry_id FOREIGN KEY(entry_id) REFERENCES entries (id),
    CONSTRAINT fk_postings_account_id FOREIGN KEY(account_id) REFERENCES ledger_accounts (id)
);

CREATE INDEX ix_postings_account_id ON postings (account_id);

CREATE TABLE usage_series (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    model TEXT NOT NULL,
    currency TEXT NOT NULL,
    deployment TEXT NOT NULL,
    CONSTRAINT uq_usage_series UNIQUE (organization_id, project_id, key_id, operation, model, currency, deployment)
);

CREATE TABLE usage (
    request_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    series_id BIGINT NOT NULL,
    end_user TEXT,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    estimated SMALLINT NOT NULL,
    status TEXT NOT NULL,
    cost_nano BIGINT NOT NULL,
    variance_nano BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    stream SMALLINT NOT NULL,
    entry_id BIGINT NOT NULL,
    CONSTRAINT pk_usage PRIMARY KEY (request_id)
) WITHOUT ROWID;

CREATE TABLE usage_rollups (
    series_id BIGINT NOT NULL,
    quarter_at BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    CONSTRAINT pk_usage_rollups PRIMARY KEY (series_id, quarter_at)
) WITHOUT ROWID;

CREATE TABLE journal_marks (
    epoch INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    slot INTEGER NOT NULL,
    position BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT
);
