"""Sources, their units, and the postings by which units are found."""

from alembic import op

from lace_platform.db.migrations import create_infrastructure, protect_by_tenant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE ingest.sources (
        tenant_id text NOT NULL,
        source_id text NOT NULL,
        filename text NOT NULL,
        title text NOT NULL,
        format text NOT NULL CHECK (format IN ('md', 'txt', 'json', 'docx', 'pdf')),
        media_type text NOT NULL,
        size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
        sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
        raw_uri text NOT NULL,
        state text NOT NULL CHECK (state IN ('pending', 'ready', 'failed')),
        error_code text NOT NULL,
        error_message text NOT NULL,
        page_count integer NOT NULL,
        unit_count integer NOT NULL,
        word_count integer NOT NULL,
        extraction text NOT NULL,
        warnings_json jsonb NOT NULL,
        labels text[] NOT NULL,
        run_id text NOT NULL,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant_id, source_id),
        CHECK ((state = 'failed') = (error_code <> ''))
    )
    """,
    "CREATE INDEX sources_newest ON ingest.sources (tenant_id, created_at DESC, source_id DESC)",
    """
    CREATE TABLE ingest.source_units (
        tenant_id text NOT NULL,
        unit_id text NOT NULL,
        source_id text NOT NULL,
        extraction text NOT NULL,
        place integer NOT NULL,
        kind text NOT NULL CHECK (kind IN ('paragraph', 'list', 'table', 'code', 'quote', 'caption')),
        text text NOT NULL,
        text_hash text NOT NULL CHECK (text_hash ~ '^[0-9a-f]{64}$'),
        heading_path text[] NOT NULL,
        page integer NOT NULL,
        line integer NOT NULL,
        spans_json jsonb NOT NULL,
        table_json jsonb,
        language text NOT NULL,
        words integer NOT NULL,
        lead text NOT NULL,
        -- Lexemes with their repetitions, headings and title included: the document length of BM25.
        length integer NOT NULL,
        PRIMARY KEY (tenant_id, unit_id),
        UNIQUE (tenant_id, source_id, extraction, place),
        FOREIGN KEY (tenant_id, source_id) REFERENCES ingest.sources (tenant_id, source_id)
    )
    """,
    """
    CREATE TABLE ingest.postings (
        tenant_id text NOT NULL,
        lexeme text NOT NULL,
        unit_id text NOT NULL,
        source_id text NOT NULL,
        -- Occurrences, those in headings and captions counting more, those in the title less.
        weight double precision NOT NULL,
        PRIMARY KEY (tenant_id, lexeme, unit_id),
        FOREIGN KEY (tenant_id, unit_id) REFERENCES ingest.source_units (tenant_id, unit_id)
    )
    """,
    "CREATE INDEX postings_of_source ON ingest.postings (tenant_id, source_id, lexeme)",
)


def upgrade() -> None:
    """Create the tables, each under the tenant's row policy."""
    for statement in _STATEMENTS:
        op.execute(statement)
    for table in ("sources", "source_units", "postings"):
        protect_by_tenant(op, "ingest", table)
    create_infrastructure(op, "ingest")
