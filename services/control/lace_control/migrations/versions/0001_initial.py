"""Tenants, principals, tokens, settings, the audit log, signing keys and revocations."""

from alembic import op

from lace_platform.db.migrations import create_infrastructure, protect_by_tenant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE control.tenants (
        tenant_id text PRIMARY KEY,
        name text NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE control.principals (
        principal_id text PRIMARY KEY,
        tenant_id text NOT NULL REFERENCES control.tenants,
        name text NOT NULL,
        roles text[] NOT NULL,
        labels text[] NOT NULL,
        created_at timestamptz NOT NULL,
        UNIQUE (tenant_id, principal_id)
    )
    """,
    """
    CREATE TABLE control.service_tokens (
        token_id text PRIMARY KEY,
        tenant_id text NOT NULL,
        principal_id text NOT NULL,
        name text NOT NULL,
        scopes text[] NOT NULL,
        secret_hash text NOT NULL UNIQUE CHECK (secret_hash ~ '^[0-9a-f]{64}$'),
        prefix text NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz,
        last_used_at timestamptz,
        FOREIGN KEY (tenant_id, principal_id) REFERENCES control.principals (tenant_id, principal_id)
    )
    """,
    "CREATE INDEX service_tokens_of_tenant ON control.service_tokens (tenant_id, token_id)",
    # A version is a row of its own beside its values: a version may hold none.
    """
    CREATE TABLE control.settings_versions (
        tenant_id text NOT NULL,
        scope_type text NOT NULL CHECK (scope_type IN ('system', 'tenant', 'user')),
        scope_id text NOT NULL,
        version bigint NOT NULL CHECK (version > 0),
        updated_by text NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, scope_type, scope_id, version),
        CHECK ((scope_type = 'system') = (tenant_id = 'system'))
    )
    """,
    """
    CREATE TABLE control.settings (
        setting_id text PRIMARY KEY,
        tenant_id text NOT NULL,
        scope_type text NOT NULL,
        scope_id text NOT NULL,
        version bigint NOT NULL,
        key text NOT NULL,
        value_json jsonb NOT NULL,
        priority integer NOT NULL,
        effective_from timestamptz NOT NULL,
        effective_to timestamptz CHECK (effective_to > effective_from),
        updated_by text NOT NULL,
        updated_at timestamptz NOT NULL,
        FOREIGN KEY (tenant_id, scope_type, scope_id, version) REFERENCES control.settings_versions
    )
    """,
    "CREATE INDEX settings_of_version ON control.settings (tenant_id, scope_type, scope_id, version)",
    """
    CREATE TABLE control.settings_snapshots (
        tenant_id text NOT NULL,
        settings_hash text NOT NULL CHECK (settings_hash ~ '^[0-9a-f]{64}$'),
        settings_uri text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, settings_hash)
    )
    """,
    """
    CREATE TABLE control.audit_log (
        tenant_id text NOT NULL,
        audit_id text NOT NULL,
        occurred_at timestamptz NOT NULL,
        principal_id text NOT NULL,
        action text NOT NULL,
        subject text NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
        correlation_id text NOT NULL,
        details_json jsonb NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, audit_id)
    )
    """,
    "CREATE INDEX audit_log_by_time ON control.audit_log (tenant_id, occurred_at DESC, audit_id DESC)",
    """
    CREATE TABLE control.revocations (
        epoch bigint PRIMARY KEY,
        tenant_id text NOT NULL,
        subject_type text NOT NULL CHECK (subject_type IN ('token', 'principal', 'run')),
        subject_id text NOT NULL,
        revoked_at timestamptz NOT NULL
    )
    """,
    # The counter that makes epochs gapless: a row and no sequence, since a sequence does not roll back and gives out
    # numbers in another order than that of the commits.
    """
    CREATE TABLE control.revocation_counter (
        only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
        epoch bigint NOT NULL
    )
    """,
    "INSERT INTO control.revocation_counter (epoch) VALUES (0)",
    """
    CREATE TABLE control.signing_keys (
        key_id text PRIMARY KEY,
        public_key_pem text NOT NULL,
        sealed_private_key bytea NOT NULL,
        created_at timestamptz NOT NULL,
        retired_at timestamptz
    )
    """,
)

_OF_A_TENANT = (
    "tenants",
    "principals",
    "service_tokens",
    "settings_versions",
    "settings",
    "settings_snapshots",
    "audit_log",
    "revocations",
)

# Rows of these are never changed: no role is granted it, and the trigger refuses it to whoever is.
_ONLY_GROWING = ("settings_versions", "settings", "settings_snapshots", "audit_log", "revocations")

_REFUSAL = """
    CREATE FUNCTION control.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END
    $$
"""

_ONLY_GROWS = (
    "REVOKE UPDATE, DELETE ON control.{table} FROM lace_control, lace_control_system",
    "CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON control.{table}"
    " FOR EACH ROW EXECUTE FUNCTION control.refuse_change()",
    "CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON control.{table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION control.refuse_change()",
)

_GRANTS = (
    # Every tenant's settings lie over the system's.
    "CREATE POLICY system_for_all ON control.settings_versions FOR SELECT TO lace_control"
    " USING (scope_type = 'system')",
    "CREATE POLICY system_for_all ON control.settings FOR SELECT TO lace_control USING (scope_type = 'system')",
    # Keys and the way they are looked up are not for requests of a tenant.
    "REVOKE ALL ON control.signing_keys FROM lace_control",
    "REVOKE DELETE ON control.signing_keys FROM lace_control_system",
    "REVOKE INSERT, DELETE ON control.revocation_counter FROM lace_control, lace_control_system",
    "REVOKE DELETE ON control.tenants, control.principals, control.service_tokens FROM lace_control",
    "REVOKE DELETE ON control.tenants, control.principals, control.service_tokens FROM lace_control_system",
)


def upgrade() -> None:
    """Create the schema's tables."""
    create_infrastructure(op, "control")
    for statement in _TABLES:
        op.execute(statement)
    for table in _OF_A_TENANT:
        protect_by_tenant(op, "control", table)
    op.execute(_REFUSAL)
    for table in _ONLY_GROWING:
        for statement in _ONLY_GROWS:
            op.execute(statement.format(table=table))
    for statement in _GRANTS:
        op.execute(statement)
