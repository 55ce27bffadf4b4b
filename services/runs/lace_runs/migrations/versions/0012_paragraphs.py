"""Paragraph specs and what was made of them."""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0012"
down_revision = "0011"

TABLES = {
    "paragraphs": """
        tenant_id text NOT NULL, paragraph_id text NOT NULL, title text NOT NULL, spec jsonb NOT NULL,
        spec_version int NOT NULL CHECK (spec_version > 0), labels text[] NOT NULL,
        state text NOT NULL CHECK (state IN ('draft', 'generating', 'verifying', 'verified', 'partial', 'unsupported',
          'failed', 'deleted')),
        artifact_id text NOT NULL, node_id text NOT NULL, text_version int NOT NULL, texts int NOT NULL,
        run_id text NOT NULL, run_pipeline_id text NOT NULL, error_code text NOT NULL, error_message text NOT NULL,
        landing jsonb, version int NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, paragraph_id),
        CHECK (text_version BETWEEN 0 AND texts),
        CHECK (error_code = '' OR state = 'failed')
    """,
    # a text is written once and never changed; what was shown can always be shown again
    "paragraph_texts": """
        tenant_id text NOT NULL, paragraph_id text NOT NULL, text_version int NOT NULL CHECK (text_version > 0),
        spec_version int NOT NULL, spec jsonb NOT NULL, origin text NOT NULL CHECK (origin IN ('model', 'person')),
        run_id text NOT NULL, call_id text NOT NULL, contract text NOT NULL, template_hash text NOT NULL,
        model text NOT NULL, input_hash text NOT NULL, verifier_version text NOT NULL, content_hash text NOT NULL,
        unmet jsonb NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL,
        PRIMARY KEY (tenant_id, paragraph_id, text_version),
        FOREIGN KEY (tenant_id, paragraph_id) REFERENCES runs.paragraphs
    """,
    # stands: whether it may be shown, which no verdict but one allows; first_link: see below
    "paragraph_sentences": """
        tenant_id text NOT NULL, paragraph_id text NOT NULL, text_version int NOT NULL, position int NOT NULL,
        sentence_id text NOT NULL, text text NOT NULL CHECK (text <> ''),
        verdict text NOT NULL CHECK (verdict IN ('supported', 'partially', 'contradicted', 'unsupported')),
        reasons jsonb NOT NULL, layers jsonb NOT NULL,
        stands boolean NOT NULL GENERATED ALWAYS AS (verdict = 'supported') STORED,
        first_link int NOT NULL DEFAULT 0 CHECK (first_link = 0),
        PRIMARY KEY (tenant_id, paragraph_id, text_version, position),
        UNIQUE (tenant_id, paragraph_id, text_version, sentence_id),
        FOREIGN KEY (tenant_id, paragraph_id, text_version) REFERENCES runs.paragraph_texts
    """,
    # evidence: the words that the sentence was held against, whole, so that nothing outside is needed to read them
    "sentence_fact_links": """
        tenant_id text NOT NULL, paragraph_id text NOT NULL, text_version int NOT NULL, position int NOT NULL,
        place int NOT NULL CHECK (place >= 0), fact_id text NOT NULL CHECK (fact_id <> ''), evidence jsonb NOT NULL,
        PRIMARY KEY (tenant_id, paragraph_id, text_version, position, place),
        UNIQUE (tenant_id, paragraph_id, text_version, position, fact_id),
        FOREIGN KEY (tenant_id, paragraph_id, text_version, position) REFERENCES runs.paragraph_sentences
    """,
}

STATEMENTS = (
    # A sentence without a fact cannot be committed: each needs the link at place 0.
    """ALTER TABLE runs.paragraph_sentences ADD CONSTRAINT paragraph_sentences_need_a_fact
       FOREIGN KEY (tenant_id, paragraph_id, text_version, position, first_link)
       REFERENCES runs.sentence_fact_links (tenant_id, paragraph_id, text_version, position, place)
       DEFERRABLE INITIALLY DEFERRED""",
    "CREATE INDEX paragraphs_by_time ON runs.paragraphs (tenant_id, created_at DESC, paragraph_id DESC)",
    """CREATE INDEX paragraphs_under_way ON runs.paragraphs (tenant_id, run_id)
       WHERE state IN ('generating', 'verifying')""",
    "CREATE INDEX sentence_fact_links_of_fact ON runs.sentence_fact_links (tenant_id, fact_id)",
)


def upgrade() -> None:
    """Make the tables, with row level security."""
    for name, columns in TABLES.items():
        op.execute(f"CREATE TABLE runs.{name} ({columns})")
        protect_by_tenant(op, "runs", name)
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
