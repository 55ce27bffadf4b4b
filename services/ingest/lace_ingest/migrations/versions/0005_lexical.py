"""Words: how they are cut and stemmed, in which blocks of units they stand, and by what misspelt ones are guessed.

The postings of each unit by themselves go: a program of the version before would write there what no search finds, so
it had better fail and its job come again.
"""

from alembic import op
from structlog import get_logger

from lace_platform.db.migrations import protect_by_tenant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STEMMINGS = (
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish", "yiddish",
)  # fmt: skip
# Their marks are letters of their own, or their stemmers see to them.
_MARKS_MATTER = frozenset(("arabic", "armenian", "greek", "hindi", "nepali", "russian", "tamil", "yiddish"))

# unaccent is among the extensions that an owner of the database may create; where it is missing, é is not e.
_UNACCENT = """
    DO $$ BEGIN
        CREATE EXTENSION IF NOT EXISTS unaccent SCHEMA ingest;
    EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file THEN
        RAISE NOTICE 'unaccent is not to be had: %', SQLERRM;
    END $$
"""
_UNACCENT_SCHEMA = """
    SELECT nspname FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace WHERE extname = 'unaccent'
"""
_HAS_STEMMING = "SELECT 1 FROM pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace AND cfgname = '{name}'"

_STATEMENTS = (
    # What Postgres' parser would not take apart: a number behind a hyphen (PEP-0703 would hold minus 703), the signs
    # of scripts that are written without spaces, and letters in their compatibility forms (ligatures, full width).
    r"""
    CREATE FUNCTION ingest.lexical_text(given text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
        SELECT regexp_replace(
            CASE WHEN octet_length(given) = length(given) THEN given
                 ELSE regexp_replace(normalize(given, NFKC), '([\u2e80-\u9fff\uf900-\ufaff])', ' \1 ', 'g') END,
            '([[:alnum:]])-(?=[0-9])', '\1 ', 'g')
    $$
    """,
    """
    CREATE TABLE ingest.lexical_blocks (
        tenant_id text NOT NULL,
        block_id bigint GENERATED ALWAYS AS IDENTITY,
        source_id text NOT NULL,
        extraction text NOT NULL,
        -- Holds the units of this extraction whose place, divided by 128, is this.
        part integer NOT NULL,
        -- The text search configuration by which its words were cut and stemmed.
        configuration text NOT NULL,
        units integer NOT NULL,
        -- Lexemes of all units with their repetitions, headings and title included: the document length of BM25.
        length bigint NOT NULL,
        PRIMARY KEY (tenant_id, block_id),
        UNIQUE (tenant_id, source_id, extraction, part),
        FOREIGN KEY (tenant_id, source_id) REFERENCES ingest.sources (tenant_id, source_id)
    )
    """,
    # No key to the blocks: both are written by one statement, and checking each of so many rows would slow it.
    """
    CREATE TABLE ingest.lexical_postings (
        tenant_id text NOT NULL,
        lexeme text NOT NULL,
        block_id bigint NOT NULL,
        -- Units of the block that hold the lexeme, its greatest weight among them, and the shortest one's length.
        units smallint NOT NULL,
        heaviest double precision NOT NULL,
        shortest integer NOT NULL,
        -- A number for each unit: its place within the block in bits 0 to 6, its length in bits 7 to 21, above them
        -- twice the weight.
        entries integer[] NOT NULL
    )
    """,
    """
    CREATE TABLE ingest.lexical_trigrams (
        tenant_id text NOT NULL,
        trigram text NOT NULL,
        lexeme text NOT NULL
    )
    """,
    # The migration's own role may be bound by the row policies that it made.
    "ALTER TABLE ingest.source_units NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE ingest.sources NO FORCE ROW LEVEL SECURITY",
    """
    CREATE TEMPORARY TABLE lexical_entries ON COMMIT DROP AS
    WITH unit AS (
        SELECT unit.tenant_id, unit.source_id, unit.extraction, unit.place,
               to_tsvector('ingest.lace_english', ingest.lexical_text(unit.text)) AS body,
               to_tsvector('ingest.lace_english', ingest.lexical_text(array_to_string(
                   unit.heading_path || coalesce(unit.table_json ->> 'c', ''), ' '))) AS headings,
               to_tsvector('ingest.lace_english', ingest.lexical_text(source.title)) AS title
        FROM ingest.source_units AS unit JOIN ingest.sources AS source USING (tenant_id, source_id)
    ), found AS (
        SELECT unit.tenant_id, unit.source_id, unit.extraction, unit.place, each.lexeme,
               sum(cardinality(each.positions)) AS occurrences,
               least(sum(each.doubled * cardinality(each.positions)), 511)::integer AS doubled
        FROM unit, LATERAL (
            SELECT lexeme, positions, 2 AS doubled FROM unnest(unit.body)
            UNION ALL SELECT lexeme, positions, 4 FROM unnest(unit.headings)
            UNION ALL SELECT lexeme, positions, 1 FROM unnest(unit.title)) AS each
        GROUP BY unit.tenant_id, unit.source_id, unit.extraction, unit.place, each.lexeme
    )
    SELECT *, least(sum(occurrences) OVER (PARTITION BY tenant_id, source_id, extraction, place), 32767)::integer
        AS length
    FROM found
    """,
    """
    INSERT INTO ingest.lexical_blocks (tenant_id, source_id, extraction, part, configuration, units, length)
    SELECT unit.tenant_id, unit.source_id, unit.extraction, unit.place / 128, 'lace_english', count(*),
           coalesce(sum(entry.length), 0)
    FROM ingest.source_units AS unit LEFT JOIN (
        SELECT DISTINCT tenant_id, source_id, extraction, place, length FROM lexical_entries) AS entry
        USING (tenant_id, source_id, extraction, place)
    GROUP BY unit.tenant_id, unit.source_id, unit.extraction, unit.place / 128
    """,
    """
    INSERT INTO ingest.lexical_postings (tenant_id, lexeme, block_id, units, heaviest, shortest, entries)
    SELECT entry.tenant_id, entry.lexeme, block.block_id, count(*), max(entry.doubled) / 2.0, min(entry.length),
           array_agg((entry.doubled << 22) + (entry.length << 7) + entry.place % 128 ORDER BY entry.place)
    FROM lexical_entries AS entry JOIN ingest.lexical_blocks AS block
        ON block.tenant_id = entry.tenant_id AND block.source_id = entry.source_id
        AND block.extraction = entry.extraction AND block.part = entry.place / 128
    GROUP BY entry.tenant_id, entry.lexeme, block.block_id
    ORDER BY block.block_id, entry.lexeme
    """,
    r"""
    INSERT INTO ingest.lexical_trigrams (tenant_id, trigram, lexeme)
    SELECT DISTINCT word.tenant_id, substr(' ' || word.lexeme || ' ', at, 3), word.lexeme
    FROM (SELECT DISTINCT tenant_id, lexeme FROM lexical_entries WHERE lexeme ~ '^[[:alpha:]]{4,40}$') AS word,
         generate_series(1, length(word.lexeme)) AS at
    """,
    "ALTER TABLE ingest.source_units FORCE ROW LEVEL SECURITY",
    "ALTER TABLE ingest.sources FORCE ROW LEVEL SECURITY",
    # Made after the rows are there. It holds all that a search needs: the rows of a lexeme lie together in it only.
    """
    ALTER TABLE ingest.lexical_postings ADD PRIMARY KEY (tenant_id, lexeme, block_id)
        INCLUDE (units, heaviest, shortest, entries)
    """,
    # Not unique: two readings that bring the same new word at once need not wait for one another.
    "CREATE INDEX lexical_trigrams_of_word ON ingest.lexical_trigrams (tenant_id, trigram, lexeme)",
    "DROP TABLE ingest.postings",
    "ALTER TABLE ingest.source_units DROP COLUMN length",
)


def upgrade() -> None:
    """Make the configurations and the tables, and fill these from the units that are there."""
    _configure()
    for statement in _STATEMENTS:
        op.execute(statement)
    for table in ("lexical_blocks", "lexical_postings", "lexical_trigrams"):
        protect_by_tenant(op, "ingest", table)


def _configure() -> None:
    """One configuration for each stemmer that Postgres has, without accents where the extension is to be had."""
    op.execute(_UNACCENT)
    connection = op.get_bind()
    schema = connection.exec_driver_sql(_UNACCENT_SCHEMA).scalar()
    if schema is None:
        get_logger(__name__).warning("search_keeps_accents", missing="unaccent")
    for name in _STEMMINGS:
        known = connection.exec_driver_sql(_HAS_STEMMING.format(name=name)).scalar() is not None
        base, dictionary = (name, "simple" if name == "simple" else f"{name}_stem") if known else ("simple", "simple")
        op.execute(f"CREATE TEXT SEARCH CONFIGURATION ingest.lace_{name} (COPY = pg_catalog.{base})")
        if schema is not None and name not in _MARKS_MATTER:
            op.execute(
                f"ALTER TEXT SEARCH CONFIGURATION ingest.lace_{name} ALTER MAPPING FOR hword, hword_part, word"
                f' WITH "{schema}".unaccent, pg_catalog.{dictionary}'
            )
