-- Printed from src/waystation/tables.py by `python -m waystation.runtime.schema`: to be read, not to be edited.

CREATE TABLE organizations (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    postpaid BOOLEAN NOT NULL,
    time_zone TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    overdraft_nano BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (id)
);

CREATE TABLE projects (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT,
    on_disconnect TEXT DEFAULT 'cancel' NOT NULL,
    cache_s INTEGER DEFAULT '0' NOT NULL,
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

CREATE INDEX ix_postings_account_id_amount_nano ON postings (account_id, amount_nano);

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
    flagged SMALLINT DEFAULT '0' NOT NULL,
    tier TEXT,
    extra TEXT,
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

CREATE TABLE usage_savings (
    series_id BIGINT NOT NULL,
    quarter_at BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    saved_nano BIGINT NOT NULL,
    CONSTRAINT pk_usage_savings PRIMARY KEY (series_id, quarter_at)
) WITHOUT ROWID;

CREATE TABLE journal_marks (
    epoch INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    slot INTEGER NOT NULL,
    position BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT
);

CREATE TABLE usage_end_users (
    project_id TEXT NOT NULL,
    end_user TEXT NOT NULL,
    day_at BIGINT NOT NULL,
    model TEXT NOT NULL,
    currency TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    requests BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_nano BIGINT NOT NULL,
    CONSTRAINT pk_usage_end_users PRIMARY KEY (project_id, end_user, day_at, model, currency)
) WITHOUT ROWID;

CREATE INDEX ix_usage_end_users_organization_id_end_user_day_at ON usage_end_users (organization_id, end_user, day_at);

CREATE TABLE budgets (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    project_id TEXT,
    model TEXT,
    window TEXT NOT NULL,
    currency TEXT NOT NULL,
    cap_nano BIGINT NOT NULL,
    hard BOOLEAN NOT NULL,
    thresholds TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT,
    CONSTRAINT pk_budgets PRIMARY KEY (id)
);

CREATE INDEX ix_budgets_organization_id ON budgets (organization_id);

CREATE INDEX ix_budgets_scope_subject ON budgets (scope, subject);

CREATE TABLE funds (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    subject TEXT NOT NULL,
    period_at BIGINT NOT NULL,
    ends_at BIGINT,
    currency TEXT NOT NULL,
    cap_nano BIGINT NOT NULL,
    spent_nano BIGINT NOT NULL,
    allowed_nano BIGINT NOT NULL,
    CONSTRAINT uq_funds UNIQUE (owner, subject, period_at)
);

CREATE TABLE allowances (
    fund_id BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    amount_nano BIGINT NOT NULL,
    CONSTRAINT pk_allowances PRIMARY KEY (fund_id, epoch)
) WITHOUT ROWID;

CREATE INDEX ix_allowances_epoch ON allowances (epoch);

CREATE TABLE budget_notices (
    fund_id BIGINT NOT NULL,
    percent INTEGER NOT NULL,
    at BIGINT NOT NULL,
    spent_nano BIGINT NOT NULL,
    cap_nano BIGINT NOT NULL,
    CONSTRAINT pk_budget_notices PRIMARY KEY (fund_id, percent)
) WITHOUT ROWID;

CREATE TABLE grants (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_nano BIGINT NOT NULL,
    left_nano BIGINT NOT NULL,
    expires_at BIGINT,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    CONSTRAINT pk_grants PRIMARY KEY (id)
);

CREATE INDEX ix_grants_organization_id ON grants (organization_id);

CREATE TABLE redeem_codes (
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    redacted TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount_nano BIGINT NOT NULL,
    credit_expires_at BIGINT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    voided_at BIGINT,
    redeemed_at BIGINT,
    organization_id TEXT,
    grant_id TEXT,
    CONSTRAINT pk_redeem_codes PRIMARY KEY (id),
    CONSTRAINT uq_redeem_codes_digest UNIQUE (digest)
);

CREATE TABLE invoices (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    month TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    currency TEXT NOT NULL,
    total_nano BIGINT NOT NULL,
    lines TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    CONSTRAINT pk_invoices PRIMARY KEY (id),
    CONSTRAINT uq_invoices_organization_id_month UNIQUE (organization_id, month)
);

CREATE TABLE reratings (
    id TEXT NOT NULL,
    model TEXT NOT NULL,
    organization_id TEXT,
    project_id TEXT,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    price TEXT NOT NULL,
    reason TEXT NOT NULL,
    requests BIGINT NOT NULL,
    delta_nano TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_reratings PRIMARY KEY (id)
);

CREATE TABLE usage_corrections (
    request_id TEXT NOT NULL,
    rerating_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    series_id BIGINT NOT NULL,
    end_user TEXT,
    delta_nano BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    invoice_id TEXT,
    CONSTRAINT pk_usage_corrections PRIMARY KEY (request_id, rerating_id)
) WITHOUT ROWID;

CREATE INDEX ix_usage_corrections_rerating_id ON usage_corrections (rerating_id);

CREATE INDEX ix_usage_corrections_series_id_at ON usage_corrections (series_id, at);

CREATE TABLE rate_limits (
    id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    model TEXT,
    limits TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT,
    CONSTRAINT pk_rate_limits PRIMARY KEY (id)
);

CREATE INDEX ix_rate_limits_organization_id ON rate_limits (organization_id);

CREATE INDEX ix_rate_limits_scope_subject ON rate_limits (scope, subject);

CREATE TABLE rate_buckets (
    limit_id TEXT NOT NULL,
    unit TEXT NOT NULL,
    used_parts BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    CONSTRAINT pk_rate_buckets PRIMARY KEY (limit_id, unit)
) WITHOUT ROWID;

CREATE TABLE rate_slices (
    limit_id TEXT NOT NULL,
    unit TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    CONSTRAINT pk_rate_slices PRIMARY KEY (limit_id, unit, epoch)
) WITHOUT ROWID;

CREATE INDEX ix_rate_slices_epoch ON rate_slices (epoch);

CREATE TABLE idempotent_answers (
    project_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    body_digest BLOB NOT NULL,
    request_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    state TEXT NOT NULL,
    headers BLOB,
    body BLOB,
    stream SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_idempotent_answers PRIMARY KEY (project_id, digest)
);

CREATE INDEX ix_idempotent_answers_epoch ON idempotent_answers (epoch);

CREATE INDEX ix_idempotent_answers_expires_at ON idempotent_answers (expires_at);

CREATE TABLE prices (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT,
    project_id TEXT,
    model TEXT NOT NULL,
    unmetered BOOLEAN NOT NULL,
    currency TEXT,
    rates TEXT,
    effective_at BIGINT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX ix_prices_model ON prices (model);

CREATE TABLE exchange_rates (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    from_currency TEXT NOT NULL,
    to_currency TEXT NOT NULL,
    rate_nano BIGINT NOT NULL,
    effective_at BIGINT NOT NULL,
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE providers (
    name TEXT NOT NULL,
    config TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_providers PRIMARY KEY (name)
);

CREATE TABLE credentials (
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    redacted TEXT NOT NULL,
    weight INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_credentials PRIMARY KEY (id)
);

CREATE INDEX ix_credentials_provider ON credentials (provider);

CREATE TABLE credential_states (
    credential_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    disabled_at BIGINT NOT NULL,
    CONSTRAINT pk_credential_states PRIMARY KEY (credential_id)
);

CREATE TABLE deployments (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    config TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_deployments PRIMARY KEY (id),
    CONSTRAINT uq_deployments_name UNIQUE (name)
);

CREATE INDEX ix_deployments_model ON deployments (model);

CREATE TABLE routes (
    name TEXT NOT NULL,
    config TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT pk_routes PRIMARY KEY (name)
);

CREATE TABLE drills (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    until_at BIGINT NOT NULL,
    ended_at BIGINT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_drills PRIMARY KEY (id)
);

CREATE TABLE notices (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE kept_answers (
    digest BLOB NOT NULL,
    project_id TEXT NOT NULL,
    model TEXT NOT NULL,
    pieces BLOB NOT NULL,
    size_bytes BIGINT NOT NULL,
    usage TEXT NOT NULL,
    fresh_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_kept_answers PRIMARY KEY (digest)
) WITHOUT ROWID;

CREATE INDEX ix_kept_answers_expires_at_size_bytes ON kept_answers (expires_at, size_bytes);

CREATE INDEX ix_kept_answers_project_id ON kept_answers (project_id);

CREATE TABLE responses (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    background SMALLINT NOT NULL,
    stream SMALLINT NOT NULL,
    previous_id TEXT,
    conversation_id TEXT,
    input BLOB NOT NULL,
    body BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_responses PRIMARY KEY (id)
);

CREATE INDEX ix_responses_expires_at ON responses (expires_at);

CREATE INDEX ix_responses_previous_id ON responses (previous_id);

CREATE TABLE response_events (
    response_id TEXT NOT NULL,
    last BIGINT NOT NULL,
    data BLOB NOT NULL,
    CONSTRAINT pk_response_events PRIMARY KEY (response_id, last)
) WITHOUT ROWID;

CREATE TABLE response_items (
    item_id TEXT NOT NULL,
    response_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    CONSTRAINT pk_response_items PRIMARY KEY (item_id, response_id)
) WITHOUT ROWID;

CREATE INDEX ix_response_items_response_id ON response_items (response_id);

CREATE TABLE conversations (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_conversations PRIMARY KEY (id)
);

CREATE INDEX ix_conversations_project_id ON conversations (project_id);

CREATE TABLE conversation_items (
    conversation_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_conversation_items PRIMARY KEY (conversation_id, position)
) WITHOUT ROWID;

CREATE UNIQUE INDEX ix_conversation_items_id ON conversation_items (id, conversation_id);

CREATE TABLE stored_completions (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    model TEXT NOT NULL,
    metadata TEXT NOT NULL,
    body BLOB NOT NULL,
    messages BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_stored_completions PRIMARY KEY (id)
);

CREATE INDEX ix_stored_completions_expires_at ON stored_completions (expires_at);

CREATE INDEX ix_stored_completions_project_id_id ON stored_completions (project_id, id);

CREATE INDEX ix_stored_completions_project_id_model_id ON stored_completions (project_id, model, id);

CREATE TABLE stored_completion_metadata (
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    completion_id TEXT NOT NULL,
    CONSTRAINT pk_stored_completion_metadata PRIMARY KEY (project_id, name, value, completion_id)
) WITHOUT ROWID;

CREATE INDEX ix_stored_completion_metadata_completion_id ON stored_completion_metadata (completion_id);

CREATE TABLE files (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    sha256 BLOB NOT NULL,
    status TEXT NOT NULL,
    status_details TEXT,
    place TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    CONSTRAINT pk_files PRIMARY KEY (id)
);

CREATE INDEX ix_files_expires_at ON files (expires_at);

CREATE INDEX ix_files_project_id_id ON files (project_id, id);

CREATE INDEX ix_files_project_id_purpose_id ON files (project_id, purpose, id);

CREATE INDEX ix_files_project_id_size_bytes ON files (project_id, size_bytes);

CREATE TABLE uploads (
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    mime_type TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    status TEXT NOT NULL,
    file_id TEXT,
    file_expires_s BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT pk_uploads PRIMARY KEY (id)
);

CREATE INDEX ix_uploads_expires_at ON uploads (expires_at);

CREATE TABLE upload_parts (
    id TEXT NOT NULL,
    upload_id TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    place TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_upload_parts PRIMARY KEY (id)
);

CREATE INDEX ix_upload_parts_upload_id ON upload_parts (upload_id);

CREATE TABLE jobs (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    project_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    payload BLOB NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    run_at BIGINT NOT NULL,
    leased_until_ms BIGINT,
    worker TEXT,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id)
);

CREATE INDEX ix_jobs_state_run_at ON jobs (state, run_at);

CREATE INDEX ix_jobs_subject ON jobs (subject);
