"""Logs are kept as they came, many in a row; who looks for an entity finds the rows that name it by a hash."""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    # Logs of one run with the same labels and the same end of retention, in the form of adapters/packing.py. The
    # subject is the run; outside runs it is the log itself.
    """
    CREATE TABLE provenance.segments (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        first_ended_at timestamptz NOT NULL,
        last_ended_at timestamptz NOT NULL,
        not_after timestamptz,
        tenant_id text NOT NULL,
        subject text NOT NULL,
        abac_labels text[] NOT NULL,
        log_ids text[] NOT NULL,
        payload_json json NOT NULL
    )
    """,
    # Compressed in place: a chunk elsewhere, with its entry in an index, would cost more than it keeps out of the way.
    "ALTER TABLE provenance.segments ALTER tenant_id SET STORAGE MAIN, ALTER subject SET STORAGE MAIN,"
    " ALTER abac_labels SET STORAGE MAIN, ALTER log_ids SET STORAGE MAIN, ALTER payload_json SET STORAGE MAIN",
    # An entity's content in a segment's logs: hashes of tenant and entity and of the content, and when the first and
    # the last of the logs ended that name it. What is found by a hash is looked at again in the segment.
    """
    CREATE TABLE provenance.mentions (
        segment_id bigint NOT NULL,
        entity bigint NOT NULL,
        content bigint NOT NULL,
        first_ended_at timestamptz NOT NULL,
        last_ended_at timestamptz NOT NULL,
        generated boolean NOT NULL,
        used boolean NOT NULL,
        tenant_id text NOT NULL
    )
    """,
)

# As lace_provenance.adapters.packing.key_of.
_KEY = "('x' || left(encode(sha256(convert_to({}, 'UTF8')), 'hex'), 16))::bit(64)::bigint"

_MOVE = (
    # Whoever migrates need not be a superuser, and would see no rows where the policies bind the owner, too.
    "ALTER TABLE provenance.transformation_logs NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE provenance.edges NO FORCE ROW LEVEL SECURITY",
    """
    INSERT INTO provenance.segments (first_ended_at, last_ended_at, not_after, tenant_id, subject, abac_labels,
        log_ids, payload_json)
    SELECT ended_at, ended_at, retention_not_after, tenant_id, coalesce(nullif(run_id, ''), id), abac_labels,
        ARRAY[id], json_build_object('common', '{}'::json, 'logs', json_build_array(json_build_object(
            'run_id', run_id, 'stage', stage, 'activity_name', activity_name, 'started_at', started_at,
            'ended_at', ended_at, 'agent', agent, 'on_behalf_of', on_behalf_of, 'trace_id', trace_id,
            'span_id', span_id, 'parent_span_id', parent_span_id, 'inputs', inputs_json, 'outputs', outputs_json,
            'lineage', lineage_json, 'provenance', provenance_json, 'pedigree', pedigree_json,
            'security', security_json, 'genai', genai_json, 'governance', governance_json,
            'retention', json_build_object('policy_id', retention_policy_id, 'not_after', retention_not_after),
            'correlation_id', correlation_id, 'schema_version', schema_version)))
    FROM provenance.transformation_logs ORDER BY recorded_at
    """,
    f"""
    INSERT INTO provenance.mentions (segment_id, entity, content, first_ended_at, last_ended_at, generated, used,
        tenant_id)
    SELECT segment.id, {_KEY.format("edge.tenant_id || '/' || edge.entity_id")}, {_KEY.format("edge.content_hash")},
        segment.first_ended_at, segment.last_ended_at, bool_or(edge.direction = 'generated'),
        bool_or(edge.direction = 'used'), edge.tenant_id
    FROM provenance.edges AS edge
    JOIN provenance.segments AS segment ON segment.tenant_id = edge.tenant_id AND segment.log_ids[1] = edge.log_id
    WHERE edge.direction IN ('generated', 'used')
    GROUP BY segment.id, edge.tenant_id, edge.entity_id, edge.content_hash
    """,
    "DROP TABLE provenance.edges, provenance.entities, provenance.transformation_logs",
)

_INDEXES = (
    "CREATE INDEX segments_of_subject ON provenance.segments (subject)",
    "CREATE INDEX mentions_of_entity ON provenance.mentions (entity, last_ended_at)",
)

_RIGHTS = (
    # A record of what happened is added to, not changed.
    "REVOKE UPDATE, DELETE ON provenance.segments, provenance.mentions FROM lace_provenance",
    "REVOKE UPDATE ON provenance.segments, provenance.mentions FROM lace_provenance_system",
)

_SAID = "coalesce(own.said {1} '{0}', segment.payload_json -> 'common' {1} '{0}')"
_TEXTS = ("run_id", "stage", "activity_name", "agent", "on_behalf_of", "trace_id", "span_id", "parent_span_id")
_TIMES = ("started_at", "ended_at")
_LISTS = ("inputs", "outputs")
_PARTS = ("lineage", "provenance", "pedigree", "security", "governance")
_COLUMNS = (
    *(f"coalesce({_SAID.format(name, '->>')}, '') AS {name}" for name in (*_TEXTS, "correlation_id")),
    *(f"CAST({_SAID.format(name, '->>')} AS timestamptz) AS {name}" for name in _TIMES),
    *(f"coalesce(CAST({_SAID.format(name, '->')} AS jsonb), '[]') AS {name}_json" for name in _LISTS),
    *(f"coalesce(CAST({_SAID.format(name, '->')} AS jsonb), '{{}}') AS {name}_json" for name in _PARTS),
    f"nullif(CAST({_SAID.format('genai', '->')} AS jsonb), 'null') AS genai_json",
    f"coalesce({_SAID.format('retention', '->')} ->> 'policy_id', '') AS retention_policy_id",
    f"coalesce(CAST({_SAID.format('schema_version', '->>')} AS integer), 1) AS schema_version",
)

# For whoever looks at the record in SQL: each log in a row, as before, under the row policies of whoever asks.
_VIEW = f"""
    CREATE VIEW provenance.transformation_logs WITH (security_invoker = true) AS
    SELECT segment.tenant_id, own.id, segment.abac_labels, segment.not_after AS retention_not_after,
        {", ".join(_COLUMNS)}
    FROM provenance.segments AS segment
    CROSS JOIN LATERAL ROWS FROM (unnest(segment.log_ids), json_array_elements(segment.payload_json -> 'logs'))
        AS own (id, said)
"""


def upgrade() -> None:
    """Make the new tables, move what is kept into them, and protect them."""
    for statement in (*_TABLES, *_MOVE, *_INDEXES):
        op.execute(statement)
    for table in ("segments", "mentions"):
        protect_by_tenant(op, "provenance", table)
    for statement in (*_RIGHTS, _VIEW):
        op.execute(statement)


def downgrade() -> None:
    """Histories only go forward; see docs/operations.md."""
    raise NotImplementedError("restore a backup to go back")
