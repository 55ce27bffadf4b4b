"""Where units stand in the whole text and on their pages, their notes, and what a document says of itself."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # The coded warnings stand beside warnings_json, which a program of the version before still reads and writes.
    """
    ALTER TABLE ingest.sources
        ADD COLUMN metadata_json jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN language text NOT NULL DEFAULT '',
        ADD COLUMN extractability integer NOT NULL DEFAULT 1000 CHECK (extractability BETWEEN 0 AND 1000),
        ADD COLUMN coded_warnings_json jsonb NOT NULL DEFAULT '[]'
    """,
    """
    ALTER TABLE ingest.source_units
        ADD COLUMN start_offset integer NOT NULL DEFAULT 0,
        ADD COLUMN end_offset integer NOT NULL DEFAULT 0,
        ADD COLUMN boxes_json jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN note_mark text NOT NULL DEFAULT '',
        ADD COLUMN referred_from text[] NOT NULL DEFAULT '{}',
        ADD COLUMN notes text[] NOT NULL DEFAULT '{}',
        ADD CHECK (0 <= start_offset AND start_offset <= end_offset)
    """,
    "ALTER TABLE ingest.source_units DROP CONSTRAINT source_units_kind_check",
    """
    ALTER TABLE ingest.source_units ADD CONSTRAINT source_units_kind_check
        CHECK (kind IN ('paragraph', 'list', 'table', 'code', 'quote', 'caption', 'footnote', 'endnote'))
    """,
)


def upgrade() -> None:
    """Add the columns; rows that are there say nothing of all this."""
    for statement in _STATEMENTS:
        op.execute(statement)
