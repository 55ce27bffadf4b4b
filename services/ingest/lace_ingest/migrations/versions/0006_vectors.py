"""Vectors of units, how far their making has come, and what a server needs in order to compare them.

pgvector may be missing: then the installation works by words alone. So what needs it is made by a function, which the
service calls again at each start, and which does nothing until pgvector is there. Only the service's system role may
call these functions: they run with the rights of who migrates.
"""

from alembic import op

from lace_platform.db.migrations import protect_by_tenant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE ingest.vector_spaces (
        space_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tenant_id text NOT NULL,
        model text NOT NULL,
        dimensions integer NOT NULL CHECK (dimensions > 0),
        -- When its index was made; below the size from which it pays there is none.
        indexed_at timestamptz,
        UNIQUE (tenant_id, model, dimensions)
    )
    """,
    """
    CREATE TABLE ingest.vector_sets (
        set_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        space_id integer NOT NULL REFERENCES ingest.vector_spaces,
        tenant_id text NOT NULL,
        source_id text NOT NULL,
        extraction text NOT NULL,
        -- For whom the model is asked: who gave the source.
        principal_id text NOT NULL,
        units integer NOT NULL CHECK (units >= 0),
        embedded integer NOT NULL DEFAULT 0 CHECK (embedded BETWEEN 0 AND units),
        -- The place of the last unit that has its vector; they are made in reading order.
        last_place integer NOT NULL DEFAULT -1,
        attempts integer NOT NULL DEFAULT 0,
        error_code text NOT NULL DEFAULT '',
        not_before timestamptz NOT NULL DEFAULT '-infinity',
        lease text NOT NULL DEFAULT '',
        served_at timestamptz NOT NULL DEFAULT '-infinity',
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (tenant_id, space_id, source_id, extraction),
        FOREIGN KEY (tenant_id, source_id) REFERENCES ingest.sources (tenant_id, source_id)
    )
    """,
    "CREATE INDEX vector_sets_unfinished ON ingest.vector_sets (space_id, set_id) WHERE embedded < units",
    "CREATE INDEX vector_sets_served ON ingest.vector_sets (space_id, served_at DESC)",
)

# {policies}: the row policies of unit_vectors as SQL literals.
_INSTALL = """
    CREATE FUNCTION ingest.install_vectors() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    DECLARE
        place text;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('ingest.install_vectors'));
        IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector') THEN
            IF NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
                RETURN NULL;
            END IF;
            BEGIN
                CREATE EXTENSION vector SCHEMA ingest;
            EXCEPTION WHEN insufficient_privilege THEN
                RAISE NOTICE 'a superuser has to create the extension vector: %', SQLERRM;
                RETURN NULL;
            END;
        END IF;
        SELECT nspname INTO place FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace
        WHERE extname = 'vector';
        IF to_regclass('ingest.unit_vectors') IS NULL THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO lace_ingest, lace_ingest_system', place);
            -- Storage MAIN: a vector lies beside its row as long as a page can hold it, compressed never pays.
            EXECUTE format($table$
                CREATE TABLE ingest.unit_vectors (
                    set_id bigint NOT NULL REFERENCES ingest.vector_sets,
                    space_id integer NOT NULL,
                    tenant_id text NOT NULL,
                    unit_id text NOT NULL,
                    part smallint NOT NULL,
                    embedding %I.vector STORAGE MAIN NOT NULL,
                    PRIMARY KEY (set_id, unit_id, part),
                    FOREIGN KEY (tenant_id, unit_id) REFERENCES ingest.source_units (tenant_id, unit_id)
                ) $table$, place);
            EXECUTE 'CREATE INDEX unit_vectors_of_unit ON ingest.unit_vectors (tenant_id, unit_id, space_id)';
            {policies}
        END IF;
        RETURN place;
    END $body$
"""
# Half precision halves the index and reaches 4,000 dimensions in place of 2,000; what it finds is compared exactly.
_INDEX = """
    CREATE FUNCTION ingest.index_vectors(wanted integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    DECLARE
        place text;
        found ingest.vector_spaces;
    BEGIN
        SELECT nspname INTO place FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace
        WHERE extname = 'vector';
        SELECT * INTO found FROM ingest.vector_spaces WHERE space_id = wanted FOR UPDATE;
        IF place IS NULL OR found.space_id IS NULL OR found.indexed_at IS NOT NULL OR found.dimensions > 4000 THEN
            RETURN false;
        END IF;
        EXECUTE format(
            'CREATE INDEX IF NOT EXISTS %I ON ingest.unit_vectors'
            ' USING hnsw ((embedding::%I.halfvec(%s)) %I.halfvec_ip_ops) WHERE space_id = %s',
            'unit_vectors_space_' || wanted, place, found.dimensions, place, wanted);
        UPDATE ingest.vector_spaces SET indexed_at = clock_timestamp() WHERE space_id = wanted;
        RETURN true;
    END $body$
"""
_FUNCTIONS = ("install_vectors()", "index_vectors(integer)")


class _Collected:
    """Takes what `protect_by_tenant` would run."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sqltext: str, /) -> None:
        """Keep it."""
        self.statements.append(sqltext)


def upgrade() -> None:
    """Create the tables, and those that need pgvector where it is at hand."""
    for statement in _TABLES:
        op.execute(statement)
    for table in ("vector_spaces", "vector_sets"):
        protect_by_tenant(op, "ingest", table)
    policies = _Collected()
    protect_by_tenant(policies, "ingest", "unit_vectors")
    op.execute(_INSTALL.replace("{policies}", ";\n            ".join([*policies.statements, ""])))
    op.execute(_INDEX)
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION ingest.{function} FROM lace_ingest")
    op.execute("SELECT ingest.install_vectors()")
