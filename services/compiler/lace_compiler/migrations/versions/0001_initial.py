"""The attempts to compile."""

from alembic import op

from lace_platform.db.migrations import create_infrastructure, protect_by_tenant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COMPILED_ARTIFACTS = """
    CREATE TABLE compiler.compiled_artifacts (
        tenant_id text NOT NULL,
        compiled_id text NOT NULL,
        artifact_id text NOT NULL,
        revision_id text NOT NULL,
        target text NOT NULL,
        attempt integer NOT NULL CHECK (attempt > 0),
        run_id text NOT NULL,
        job_id text NOT NULL,
        compiler_version text NOT NULL,
        settings_hash text NOT NULL,
        ir_hash text NOT NULL,
        status text NOT NULL CHECK (status IN ('succeeded', 'failed')),
        bundle_hash text,
        bundle_uri text,
        size_bytes bigint,
        media_type text,
        filename text,
        error_code text NOT NULL,
        error_message text NOT NULL,
        warnings text[] NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, compiled_id),
        UNIQUE (tenant_id, artifact_id, revision_id, target, attempt),
        -- A file or an error, never both, never neither.
        CHECK ((status = 'succeeded') = (bundle_uri IS NOT NULL)),
        CHECK ((status = 'failed') = (error_code <> '')),
        CHECK (num_nulls(bundle_hash, bundle_uri, size_bytes, media_type, filename) IN (0, 5))
    )
"""
_NEWEST_FIRST = """
    CREATE INDEX compiled_artifacts_newest
    ON compiler.compiled_artifacts (tenant_id, artifact_id, created_at DESC, compiled_id DESC)
"""

# An attempt is never changed: no role is granted it, and the trigger refuses it to whoever is.
_ONLY_GROWS = (
    "REVOKE UPDATE, DELETE ON compiler.compiled_artifacts FROM lace_compiler, lace_compiler_system",
    """
    CREATE FUNCTION compiler.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END
    $$
    """,
    "CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON compiler.compiled_artifacts"
    " FOR EACH ROW EXECUTE FUNCTION compiler.refuse_change()",
    "CREATE TRIGGER is_not_emptied BEFORE TRUNCATE ON compiler.compiled_artifacts"
    " FOR EACH STATEMENT EXECUTE FUNCTION compiler.refuse_change()",
)


def upgrade() -> None:
    """Create the schema's tables."""
    create_infrastructure(op, "compiler")
    op.execute(_COMPILED_ARTIFACTS)
    op.execute(_NEWEST_FIRST)
    protect_by_tenant(op, "compiler", "compiled_artifacts")
    for statement in _ONLY_GROWS:
        op.execute(statement)
