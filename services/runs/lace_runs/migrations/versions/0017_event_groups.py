"""Events stand in their table as they are written: those of one boundary in one row, which says once what is theirs.

Rows that are changed have room for that on their page.
"""

from __future__ import annotations

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0017"
down_revision = "0016"

# events: [[event_type, µs since 1970, status, step_id, attempt, payload, payload_schema_version, redaction_level,
# content_hash, content_uri, cause], …] in the form of adapters/event_groups.py; members at the end that are as they
# are by default are not there. The last of them has last_sequence, the one before it has one less.
GROUPS = """
    tenant_id text NOT NULL, run_id text NOT NULL, last_sequence bigint NOT NULL,
    progress_pct double precision NOT NULL, schema_version smallint NOT NULL, events json NOT NULL,
    PRIMARY KEY (run_id, last_sequence)
"""

# What was written one by one comes together where it follows on itself and says the same of the run, 64 at most.
MOVE = """
INSERT INTO runs.event_groups (tenant_id, run_id, last_sequence, progress_pct, schema_version, events)
SELECT tenant_id, run_id, max(sequence), progress_pct, schema_version, json_agg(json_build_array(
    event_type, (extract(epoch FROM occurred_at) * 1000000)::bigint, status, step_id, attempt, payload_json,
    payload_schema_version, redaction_level, content_hash, content_uri, nullif(cause, '{}')) ORDER BY sequence)
FROM (SELECT *, sequence - row_number() OVER (
        PARTITION BY run_id, progress_pct, schema_version ORDER BY sequence) AS stretch
      FROM runs.run_events) AS placed
GROUP BY tenant_id, run_id, progress_pct, schema_version, stretch, (sequence - 1) / 64
"""

# For whoever looks at events in SQL: each in a row, as before, under the row policies of whoever asks.
VIEW = """
CREATE VIEW runs.run_events WITH (security_invoker = true) AS
SELECT g.tenant_id, g.run_id, g.last_sequence - json_array_length(g.events) + e.place AS sequence,
  e.event ->> 0 AS event_type,
  timestamptz 'epoch' + CAST(e.event ->> 1 AS bigint) * interval '1 microsecond' AS occurred_at,
  e.event ->> 2 AS status, e.event ->> 3 AS step_id, CAST(e.event ->> 4 AS int) AS attempt, g.progress_pct,
  CAST(e.event -> 5 AS jsonb) AS payload_json, coalesce(e.event ->> 7, 'none') AS redaction_level,
  coalesce(e.event ->> 8, '') AS content_hash, coalesce(e.event ->> 9, '') AS content_uri,
  CAST(g.schema_version AS int) AS schema_version,
  coalesce(CAST(e.event ->> 6 AS int), 1) AS payload_schema_version,
  coalesce(nullif(CAST(e.event -> 10 AS jsonb), 'null'), '{}') AS cause
FROM runs.event_groups g CROSS JOIN LATERAL json_array_elements(g.events) WITH ORDINALITY AS e (event, place)
"""

STATEMENTS = (
    # Whoever migrates need not be a superuser, and would see no rows where the policies bind the owner, too.
    "ALTER TABLE runs.run_events NO FORCE ROW LEVEL SECURITY",
    MOVE,
    "DROP TABLE runs.run_events",
    VIEW,
    # A message is marked when it has left. On the page that it stands on only the mark goes to the log, elsewhere all
    # of it once more; and compressed in its place it costs less than as a chunk with an entry in an index.
    "ALTER TABLE runs.outbox_events SET (fillfactor = 50)",
    "ALTER TABLE runs.outbox_events ALTER id SET STORAGE MAIN, ALTER tenant_id SET STORAGE MAIN,"
    " ALTER topic SET STORAGE MAIN, ALTER key SET STORAGE MAIN, ALTER payload_json SET STORAGE MAIN,"
    " ALTER headers_json SET STORAGE MAIN, ALTER status SET STORAGE MAIN, ALTER last_error SET STORAGE MAIN",
    # A run is changed ten times and more, by many boundaries at one time: room for its versions until the pages'
    # first ones can be taken away.
    "ALTER TABLE runs.runs SET (fillfactor = 30)",
)


def upgrade() -> None:
    """Make the table, with row level security, move what is there, and let it be seen as before."""
    op.execute(f"CREATE TABLE runs.event_groups ({GROUPS})")
    for statement in STATEMENTS:
        op.execute(statement)
    protect_by_tenant(op, "runs", "event_groups")


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
