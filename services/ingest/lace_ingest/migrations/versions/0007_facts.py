"""Facts: what sources state, one claim each, with the words that state it."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE ingest.facts (
        tenant_id text NOT NULL,
        fact_id text NOT NULL,
        source_id text NOT NULL,
        unit_id text NOT NULL,
        extraction text NOT NULL,
        place integer NOT NULL,
        statement text NOT NULL CHECK (statement <> ''),
        span_start integer NOT NULL CHECK (span_start >= 0),
        span_end integer NOT NULL,
        quote text NOT NULL CHECK (char_length(quote) = span_end - span_start),
        quote_hash text NOT NULL CHECK (quote_hash ~ '^[0-9a-f]{64}$'),
        qualifiers_json jsonb NOT NULL,
        confidence integer NOT NULL CHECK (confidence BETWEEN 0 AND 1000),
        origin text NOT NULL CHECK (origin IN ('extracted', 'manual')),
        state text NOT NULL CHECK (state IN ('active', 'review', 'retired')),
        verdict text NOT NULL CHECK (verdict IN ('supported', 'partially')),
        reasons_json jsonb NOT NULL,
        heading_path text[] NOT NULL,
        page integer NOT NULL,
        run_id text NOT NULL,
        step_id text NOT NULL,
        call_id text NOT NULL,
        contract text NOT NULL,
        template_hash text NOT NULL,
        model text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        retired_by text NOT NULL,
        retired_at timestamptz,
        PRIMARY KEY (tenant_id, fact_id),
        FOREIGN KEY (tenant_id, source_id) REFERENCES ingest.sources (tenant_id, source_id),
        FOREIGN KEY (tenant_id, unit_id) REFERENCES ingest.source_units (tenant_id, unit_id),
        CHECK ((state = 'retired') = (retired_at IS NOT NULL)),
        CHECK ((origin = 'extracted') = (run_id <> ''))
    )
    """,
    'CREATE INDEX facts_in_order ON ingest.facts (tenant_id, source_id, place, span_start, fact_id COLLATE "C")',
)


def upgrade() -> None:
    """Create the table under the tenant's row policy."""
    for statement in _STATEMENTS:
        op.execute(statement)
    protect_by_tenant(op, "ingest", "facts")
