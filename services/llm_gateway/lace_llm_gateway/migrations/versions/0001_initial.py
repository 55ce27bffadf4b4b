"""The ledger of model calls."""

from alembic import op

from lace_platform.db.migrations import create_infrastructure, protect_by_tenant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_LLM_CALLS = """
    CREATE TABLE llm_gateway.llm_calls (
        tenant_id text NOT NULL,
        call_id text NOT NULL,
        run_id text NOT NULL,
        step_id text NOT NULL,
        attempt integer NOT NULL CHECK (attempt >= 0),
        contract text NOT NULL,
        template_hash text NOT NULL,
        provider text NOT NULL,
        requested_model text NOT NULL,
        resolved_model text NOT NULL DEFAULT '',
        answered_model text NOT NULL DEFAULT '',
        fingerprint text NOT NULL DEFAULT '',
        temperature_milli integer NOT NULL,
        input_hash text NOT NULL,
        prompt_sample text NOT NULL,
        state text NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed', 'cancelled', 'abandoned')),
        output text NOT NULL DEFAULT '',
        output_hash text NOT NULL DEFAULT '',
        output_sample text NOT NULL DEFAULT '',
        finish_reason text CHECK (finish_reason IN ('stop', 'length', 'refusal', 'filter', 'tool', 'unknown')),
        input_tokens bigint NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
        output_tokens bigint NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
        count_method text CHECK (count_method IN ('provider', 'tokenizer', 'bound')),
        cost_micro_usd bigint NOT NULL DEFAULT 0 CHECK (cost_micro_usd >= 0),
        tries integer NOT NULL DEFAULT 0,
        repairs integer NOT NULL DEFAULT 0,
        duration_ms bigint NOT NULL DEFAULT 0,
        started_at timestamptz NOT NULL,
        error_code text NOT NULL DEFAULT '',
        error_message text NOT NULL DEFAULT '',
        PRIMARY KEY (tenant_id, call_id),
        CHECK ((state = 'succeeded') = (output_hash <> '')),
        CHECK ((state IN ('failed', 'cancelled', 'abandoned')) = (error_code <> ''))
    )
"""
_OF_RUN = "CREATE INDEX llm_calls_of_run ON llm_gateway.llm_calls (tenant_id, run_id, started_at, call_id)"
_OF_STEP = """
    CREATE INDEX llm_calls_of_step ON llm_gateway.llm_calls (tenant_id, run_id, step_id, attempt, input_hash)
    WHERE run_id <> ''
"""


def upgrade() -> None:
    """Create the schema's tables."""
    create_infrastructure(op, "llm_gateway")
    op.execute(_LLM_CALLS)
    op.execute(_OF_RUN)
    op.execute(_OF_STEP)
    protect_by_tenant(op, "llm_gateway", "llm_calls")
