"""Versions of documents, and the record of each extraction of a source."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # What names no first source is the first version of its own document: so are the rows that were there before,
    # and those that a program of the version before still adds.
    """
    ALTER TABLE ingest.sources
        ADD COLUMN first_source_id text NOT NULL DEFAULT '',
        ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
        ADD COLUMN previous_source_id text NOT NULL DEFAULT '',
        ADD COLUMN series_id text NOT NULL
            GENERATED ALWAYS AS (CASE first_source_id WHEN '' THEN source_id ELSE first_source_id END) STORED
    """,
    "CREATE UNIQUE INDEX sources_versions ON ingest.sources (tenant_id, series_id, version)",
    """
    CREATE TABLE ingest.extractions (
        tenant_id text NOT NULL,
        source_id text NOT NULL,
        extraction text NOT NULL CHECK (extraction <> ''),
        title text NOT NULL,
        page_count integer NOT NULL,
        unit_count integer NOT NULL,
        word_count integer NOT NULL,
        warnings_json jsonb NOT NULL,
        metadata_json jsonb NOT NULL,
        language text NOT NULL,
        extractability integer NOT NULL CHECK (extractability BETWEEN 0 AND 1000),
        run_id text NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, source_id, extraction),
        FOREIGN KEY (tenant_id, source_id) REFERENCES ingest.sources (tenant_id, source_id)
    )
    """,
    # Whoever migrates need not be a superuser, and would see no rows where the policies bind the owner, too.
    "ALTER TABLE ingest.sources NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE ingest.source_units NO FORCE ROW LEVEL SECURITY",
    # Of readings before the present one only the units are left to tell of. Warnings had no codes then.
    """
    INSERT INTO ingest.extractions (tenant_id, source_id, extraction, title, page_count, unit_count, word_count,
        warnings_json, metadata_json, language, extractability, run_id, created_at)
    SELECT source.tenant_id, source.source_id, unit.extraction, source.title, source.page_count, count(*),
           sum(unit.words),
           CASE WHEN unit.extraction = source.extraction THEN coalesce((
               SELECT jsonb_agg(jsonb_build_object('code', 'OTHER', 'message', said, 'page', 0, 'count', 1) ORDER BY at)
               FROM jsonb_array_elements_text(source.warnings_json) WITH ORDINALITY AS warning(said, at)), '[]')
           ELSE '[]' END,
           '{}', '', 1000,
           CASE WHEN unit.extraction = source.extraction THEN source.run_id ELSE '' END,
           CASE WHEN unit.extraction = source.extraction THEN source.updated_at ELSE source.created_at END
    FROM ingest.sources AS source JOIN ingest.source_units AS unit USING (tenant_id, source_id)
    GROUP BY source.tenant_id, source.source_id, unit.extraction
    """,
    "ALTER TABLE ingest.source_units FORCE ROW LEVEL SECURITY",
    "ALTER TABLE ingest.sources FORCE ROW LEVEL SECURITY",
)


def upgrade() -> None:
    """Number the versions of documents, and keep a row for each extraction."""
    for statement in _STATEMENTS:
        op.execute(statement)
    protect_by_tenant(op, "ingest", "extractions")
