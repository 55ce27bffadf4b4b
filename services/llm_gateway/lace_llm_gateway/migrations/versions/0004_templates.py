"""Templates that are written once, and their runs."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEMPLATES = """
    CREATE TABLE llm_gateway.templates (
        tenant_id text NOT NULL,
        template_id text NOT NULL,
        template_sha256 text NOT NULL,
        name text NOT NULL,
        version text NOT NULL,
        content text NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        hmac_key_id text NOT NULL,
        record_hmac text NOT NULL,
        PRIMARY KEY (tenant_id, template_id),
        CONSTRAINT templates_hash UNIQUE (tenant_id, template_sha256),
        CONSTRAINT templates_version UNIQUE (tenant_id, name, version)
    )
"""
# Nobody changes a template, whatever he may otherwise do: the grant stops the service, the trigger the owner.
_WRITTEN_ONCE = (
    "REVOKE UPDATE, DELETE, TRUNCATE ON llm_gateway.templates FROM lace_llm_gateway, lace_llm_gateway_system",
    """
    CREATE FUNCTION llm_gateway.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are written once', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER templates_written_once BEFORE UPDATE OR DELETE ON llm_gateway.templates
    FOR EACH ROW EXECUTE FUNCTION llm_gateway.refuse_change()
    """,
    """
    CREATE TRIGGER templates_not_emptied BEFORE TRUNCATE ON llm_gateway.templates
    FOR EACH STATEMENT EXECUTE FUNCTION llm_gateway.refuse_change()
    """,
)
# The pipelines' prompts are everyone's to read; row policies of one command add up.
_EVERYONES = """
    CREATE POLICY system_templates ON llm_gateway.templates FOR SELECT TO lace_llm_gateway
    USING (tenant_id = 'system')
"""
_TEMPLATE_RUNS = """
    CREATE TABLE llm_gateway.template_runs (
        tenant_id text NOT NULL,
        run_id text NOT NULL,
        template_id text NOT NULL,
        template_name text NOT NULL,
        template_version text NOT NULL,
        template_sha256 text NOT NULL,
        state text NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        variables text NOT NULL,
        locale text NOT NULL,
        grounding text NOT NULL CHECK (grounding IN ('none', 'preferred', 'required')),
        batch_id text NOT NULL,
        batch_run_index integer NOT NULL,
        replicate_index integer NOT NULL,
        provoker_value text NOT NULL,
        seed_key_id text NOT NULL,
        als_variant_id text NOT NULL,
        als_block_text text NOT NULL,
        als_block_sha256 text NOT NULL,
        provider text NOT NULL,
        requested_model text NOT NULL,
        resolved_model text NOT NULL,
        answered_model text NOT NULL,
        fingerprint text NOT NULL,
        response_api text NOT NULL,
        input_hash text NOT NULL,
        input_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        cost_micro_usd bigint NOT NULL,
        call_id text NOT NULL,
        step2_tools_invoked boolean,
        step2_source_ref text NOT NULL,
        output text NOT NULL,
        response_output_sha256 text NOT NULL,
        output_json_valid boolean,
        grounded boolean NOT NULL,
        why_not_grounded text NOT NULL,
        error_code text NOT NULL,
        error_message text NOT NULL,
        ended_at timestamptz,
        PRIMARY KEY (tenant_id, run_id),
        CHECK ((ended_at IS NULL) = (state IN ('queued', 'running'))),
        CHECK ((error_code = '') = (state NOT IN ('failed', 'cancelled')))
    )
"""
_INDEXES = (
    """
    CREATE INDEX template_runs_of_template
    ON llm_gateway.template_runs (tenant_id, template_id, created_at DESC, run_id DESC)
    """,
    """
    CREATE INDEX template_runs_output ON llm_gateway.template_runs (tenant_id, response_output_sha256)
    WHERE response_output_sha256 <> ''
    """,
    """
    CREATE UNIQUE INDEX template_runs_of_batch
    ON llm_gateway.template_runs (tenant_id, batch_id, batch_run_index) WHERE batch_id <> ''
    """,
)


_LEDGER = "ALTER TABLE llm_gateway.llm_calls ADD COLUMN template_version text NOT NULL DEFAULT ''"


def upgrade() -> None:
    """Create the tables; templates take no change. The ledger names their versions beside their ids and hashes."""
    op.execute(_LEDGER)
    op.execute(_TEMPLATES)
    protect_by_tenant(op, "llm_gateway", "templates")
    op.execute(_EVERYONES)
    for statement in _WRITTEN_ONCE:
        op.execute(statement)
    op.execute(_TEMPLATE_RUNS)
    protect_by_tenant(op, "llm_gateway", "template_runs")
    for statement in _INDEXES:
        op.execute(statement)
