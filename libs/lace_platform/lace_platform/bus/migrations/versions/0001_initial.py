"""Messages, the groups that subscribe to them, and the deliveries that each group still owes."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE bus.messages (
        position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text NOT NULL,
        tenant_id text NOT NULL,
        topic text NOT NULL,
        key text NOT NULL,
        payload json NOT NULL,
        schema_version integer NOT NULL,
        headers jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        published_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX messages_of_topic ON bus.messages (topic, position)",
    "CREATE INDEX messages_by_age ON bus.messages (published_at)",
    """
    CREATE TABLE bus.subscriptions (
        group_name text,
        topic text,
        seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (group_name, topic)
    )
    """,
    "CREATE INDEX subscriptions_of_topic ON bus.subscriptions (topic)",
    # One row per group and message until the group has handled it. A row is free when available_at has passed: for a
    # message in hand that is the end of its lease, for a failed one the end of its pause. Rows come and go quickly,
    # hence the eager vacuum and the room on each page for updates in place.
    """
    CREATE TABLE bus.deliveries (
        group_name text,
        topic text,
        key text,
        position bigint,
        attempts integer NOT NULL DEFAULT 0,
        available_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        lease text,
        last_error text,
        PRIMARY KEY (group_name, topic, key, position)
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
    """,
    "CREATE UNIQUE INDEX deliveries_in_order ON bus.deliveries (group_name, position)",
    "CREATE INDEX deliveries_of_message ON bus.deliveries (position)",
)

# The lock is shared by publishers and taken alone by a group's first subscription: otherwise a message published in the
# same moment could be missed by both the publisher's fan-out and the subscription's look at what is there. Each
# statement of the function has a snapshot of its own, so what follows the lock sees what the lock waited for.
_PUBLISH = """
    CREATE FUNCTION bus.publish(
        ids text[], tenants text[], topics text[], keys text[], payloads text[], versions integer[], headers text[],
        times timestamptz[]
    ) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('bus:' || distinct_topics.topic, 0))
        FROM (SELECT DISTINCT topic FROM unnest(topics) AS given(topic) ORDER BY topic) AS distinct_topics;
        WITH published AS (
            INSERT INTO bus.messages (id, tenant_id, topic, key, payload, schema_version, headers, created_at)
            SELECT m.id, m.tenant_id, m.topic, m.key, m.payload::json, m.version, m.headers::jsonb, m.created_at
            FROM unnest(ids, tenants, topics, keys, payloads, versions, headers, times) WITH ORDINALITY
                AS m(id, tenant_id, topic, key, payload, version, headers, created_at, ordinal)
            ORDER BY m.ordinal
            RETURNING topic, key, position
        )
        INSERT INTO bus.deliveries (group_name, topic, key, position)
        SELECT s.group_name, p.topic, p.key, p.position
        FROM published AS p JOIN bus.subscriptions AS s ON s.topic = p.topic;
    END $$
"""

_SUBSCRIBE = """
    CREATE FUNCTION bus.subscribe(consumers text, wanted text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE bus.subscriptions SET seen_at = clock_timestamp() WHERE group_name = consumers AND topic = wanted;
        IF FOUND THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtextextended('bus:' || wanted, 0));
        INSERT INTO bus.subscriptions (group_name, topic) VALUES (consumers, wanted) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            INSERT INTO bus.deliveries (group_name, topic, key, position)
            SELECT consumers, m.topic, m.key, m.position FROM bus.messages AS m WHERE m.topic = wanted;
        END IF;
    END $$
"""

_DEAD_LETTER = """
    CREATE FUNCTION bus.dead_letter(consumers text, at bigint, holder text, suffix text, cause text)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        dead bus.messages;
    BEGIN
        DELETE FROM bus.deliveries WHERE group_name = consumers AND position = at AND lease = holder;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        SELECT * INTO STRICT dead FROM bus.messages WHERE position = at;
        PERFORM bus.publish(
            ARRAY[dead.id], ARRAY[dead.tenant_id], ARRAY[dead.topic || suffix], ARRAY[dead.key],
            ARRAY[dead.payload::text], ARRAY[dead.schema_version], ARRAY[(dead.headers || cause::jsonb)::text],
            ARRAY[dead.created_at]
        );
    END $$
"""


def upgrade() -> None:
    for statement in (*_TABLES, _PUBLISH, _SUBSCRIBE, _DEAD_LETTER):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION bus.dead_letter, bus.subscribe, bus.publish")
    op.execute("DROP TABLE bus.deliveries, bus.subscriptions, bus.messages")
