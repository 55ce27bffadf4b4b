"""Units by their vectors in Postgres: each compared with each, or through an index where there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from lace_ingest.adapters.retrieval.planning import plan_as_before
from lace_ingest.adapters.retrieval.search_scope import SCOPE, scope_parameters
from lace_ingest.app.vector_ports import Coverage, Nearest, Progress
from lace_ingest.domain.retrieval.fusion import ranked
from lace_ingest.domain.retrieval.hits import Candidate
from lace_ingest.domain.retrieval.query import Scope, VectorSearch
from lace_ingest.domain.vectors import EmbeddingModel, Vector
from lace_platform.db.transaction import Transaction

# Notified after a reading, so that its units get their vectors soon.
UNITS_CHANGED = "ingest_units"
_COVERAGE = f"""
    WITH wanted AS MATERIALIZED ({SCOPE}
    ), total AS (
        SELECT coalesce(sum(source.unit_count), 0) AS units
        FROM ingest.sources AS source JOIN wanted USING (source_id) WHERE source.tenant_id = :tenant_id
    ), made AS (
        SELECT space.model, space.dimensions, sum(vectors.embedded) AS embedded
        FROM wanted
        JOIN ingest.vector_sets AS vectors
            ON vectors.tenant_id = :tenant_id AND vectors.source_id = wanted.source_id
            AND vectors.extraction = wanted.extraction
        JOIN ingest.vector_spaces AS space ON space.space_id = vectors.space_id
        GROUP BY space.model, space.dimensions
    )
    SELECT total.units, made.model, made.dimensions, made.embedded FROM total LEFT JOIN made ON true
"""
_SETS = f"""
    WITH wanted AS MATERIALIZED ({SCOPE}
    )
    SELECT space.space_id, space.indexed_at IS NOT NULL AS is_indexed, vectors.set_id, vectors.embedded,
           (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector') AS schema
    FROM wanted
    JOIN ingest.vector_sets AS vectors
        ON vectors.tenant_id = :tenant_id AND vectors.source_id = wanted.source_id
        AND vectors.extraction = wanted.extraction
    JOIN ingest.vector_spaces AS space ON space.space_id = vectors.space_id
    WHERE space.model = :model AND space.dimensions = :dimensions AND vectors.embedded > 0
"""
# Vectors are kept at length one, so that the inner product is the cosine; pgvector's <#> is its negative. Scores become
# whole millionths before anything is compared: a later bit of a sum of floats decides nothing.
_COSINE = "(-(part.embedding OPERATOR({schema}.<#>) asked.vector) * 1e6)::integer"
_ASKED = """
    SELECT at, {schema}.l2_normalize(CAST(text AS {schema}.vector)) AS vector
    FROM unnest(CAST(:vectors AS text[])) WITH ORDINALITY AS given(text, at)
"""
_KINDS = """
    JOIN ingest.source_units AS unit ON unit.tenant_id = :tenant_id AND unit.unit_id = part.unit_id
        AND unit.kind = ANY(CAST(:kinds AS text[]))
"""
# Compared before they are grouped: otherwise whole vectors are sorted.
_EXACT = f"""
    WITH asked AS MATERIALIZED ({_ASKED}
    ), compared AS MATERIALIZED (
        SELECT asked.at, part.unit_id, {_COSINE} AS score
        FROM unnest(CAST(:set_ids AS bigint[])) AS wanted(set_id)
        JOIN ingest.unit_vectors AS part ON part.set_id = wanted.set_id
        {{kinds}}
        CROSS JOIN asked
        WHERE part.tenant_id = :tenant_id
    ), scored AS MATERIALIZED (
        SELECT at, unit_id, max(score) AS score FROM compared GROUP BY at, unit_id
    )
"""
# Of one question only the best are sorted; of several, all of each.
_BEST_OF_ONE = """
    SELECT at, unit_id, score FROM scored ORDER BY score DESC, unit_id COLLATE "C" LIMIT :depth
"""
_BEST_OF_EACH = """
    , ordered AS (
        SELECT *, row_number() OVER (PARTITION BY at ORDER BY score DESC, unit_id COLLATE "C") AS rank FROM scored
    )
    SELECT at, unit_id, score FROM ordered WHERE rank <= :depth ORDER BY at, rank
"""
_COSINES = f"""
    WITH asked AS MATERIALIZED ({_ASKED}
    ), named AS (
        SELECT * FROM unnest(CAST(:ats AS integer[]), CAST(:unit_ids AS text[])) AS n(at, unit_id)
    )
    SELECT asked.at, part.unit_id, max({_COSINE}) AS score
    FROM named
    JOIN asked USING (at)
    JOIN ingest.unit_vectors AS part ON part.tenant_id = :tenant_id AND part.unit_id = named.unit_id
    WHERE part.set_id = ANY(CAST(:set_ids AS bigint[]))
    GROUP BY asked.at, part.unit_id
"""
# One for each question: an index gives the nearest of one vector. It holds this tenant's vectors of this model and no
# others; the sets in scope are a condition of the statement, and the scan goes on until enough are within it.
_INDEXED = """
    SELECT part.unit_id
    FROM ingest.unit_vectors AS part {kinds}
    WHERE part.space_id = {space_id} AND part.tenant_id = :tenant_id
      AND part.set_id = ANY(CAST(:set_ids AS bigint[]))
    ORDER BY part.embedding::{schema}.halfvec({dimensions})
        OPERATOR({schema}.<#>) {schema}.l2_normalize(CAST(:vector AS {schema}.vector))::{schema}.halfvec({dimensions})
    LIMIT :most
"""
_SCAN = (
    "SET LOCAL hnsw.iterative_scan = relaxed_order; SET LOCAL hnsw.ef_search = {ef_search};"
    " SET LOCAL hnsw.max_scan_tuples = 200000; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;"
    " SET LOCAL plan_cache_mode = force_custom_plan"
)
_PARTS_PER_UNIT = 3
_LARGEST_EF = 1000
_PROGRESS = """
    SELECT source.source_id, space.model, space.dimensions, vectors.units, vectors.embedded, vectors.error_code
    FROM ingest.sources AS source
    JOIN ingest.vector_sets AS vectors USING (tenant_id, source_id, extraction)
    JOIN ingest.vector_spaces AS space USING (space_id)
    WHERE source.tenant_id = :tenant_id AND source.source_id = ANY(CAST(:source_ids AS text[]))
    ORDER BY space.model COLLATE "C", space.dimensions
"""


class PostgresVectorIndex:
    """Tables ingest.vector_spaces, vector_sets and unit_vectors; see app.vector_ports.VectorIndex.

    Without pgvector no set has any vectors, and nothing is found.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self._known: dict[tuple[str, EmbeddingModel], tuple[Scope, Sequence[Any]]] = {}

    async def coverage(self, tenant_id: str, scope: Scope) -> Coverage:
        """See app.vector_ports.VectorIndex.coverage."""
        rows = await self._tx.fetch_all(_COVERAGE, scope_parameters(tenant_id, scope))
        made = {(row.model, row.dimensions): int(row.embedded) for row in rows if row.embedded}
        return Coverage(int(rows[0].units), made)

    async def candidates(
        self,
        tenant_id: str,
        scope: Scope,
        model: EmbeddingModel,
        vectors: Sequence[Vector[float]],
        depth: int,
        exact_units: int,
    ) -> Nearest:
        """See app.vector_ports.VectorIndex.candidates."""
        sets = await self._sets(tenant_id, scope, model)
        if not sets:
            return Nearest([[] for _ in vectors], VectorSearch.NONE)
        schema = sets[0].schema
        parameters = {"set_ids": [row.set_id for row in sets], **_common(tenant_id, scope)}
        if sum(row.embedded for row in sets) <= exact_units or not sets[0].is_indexed:
            best = _BEST_OF_ONE if len(vectors) == 1 else _BEST_OF_EACH
            sql = _EXACT.format(schema=schema, kinds=_kinds(scope)) + best
            rows = await self._tx.fetch_all(
                sql, {**parameters, "vectors": [literal(vector) for vector in vectors], "depth": depth}
            )
            return Nearest(_by_query(rows, len(vectors)), VectorSearch.EXACT)
        near = await self._near(schema, sets[0].space_id, model, parameters, vectors, depth * _PARTS_PER_UNIT, scope)
        cosines = await self._cosines(schema, parameters, vectors, near)
        return Nearest([ranked(found)[:depth] for found in cosines], VectorSearch.APPROXIMATE)

    async def cosines(
        self,
        tenant_id: str,
        scope: Scope,
        model: EmbeddingModel,
        vectors: Sequence[Vector[float]],
        unit_ids: Sequence[Sequence[str]],
    ) -> Sequence[Mapping[str, Decimal]]:
        """See app.vector_ports.VectorIndex.cosines."""
        sets = await self._sets(tenant_id, scope, model) if any(unit_ids) else []
        if not sets:
            return [{} for _ in vectors]
        parameters = {"set_ids": [row.set_id for row in sets], "tenant_id": tenant_id}
        return await self._cosines(sets[0].schema, parameters, vectors, unit_ids)

    async def progress(self, tenant_id: str, source_ids: Sequence[str]) -> Mapping[str, Sequence[Progress]]:
        """See app.vector_ports.VectorIndex.progress."""
        found: dict[str, list[Progress]] = {}
        parameters = {"tenant_id": tenant_id, "source_ids": list(source_ids)}
        for row in await self._tx.fetch_all(_PROGRESS, parameters):
            made = Progress(row.model, row.dimensions, row.units, row.embedded, row.error_code)
            found.setdefault(row.source_id, []).append(made)
        return found

    async def _sets(self, tenant_id: str, scope: Scope, model: EmbeddingModel) -> Sequence[Any]:
        """The sets in scope, looked up once for a search."""
        known, sets = self._known.get((tenant_id, model), (None, ()))
        if known != scope:
            await plan_as_before(self._tx)  # words may have been searched before
            named = {"model": model.name, "dimensions": model.dimensions}
            sets = await self._tx.fetch_all(_SETS, {**named, **scope_parameters(tenant_id, scope)})
            self._known[tenant_id, model] = (scope, sets)
        return sets

    async def _near(
        self,
        schema: str,
        space_id: int,
        model: EmbeddingModel,
        parameters: Mapping[str, Any],
        vectors: Sequence[Vector[float]],
        most: int,
        scope: Scope,
    ) -> list[list[str]]:
        """Ids of units that the index finds near each vector."""
        sql = _INDEXED.format(schema=schema, space_id=space_id, dimensions=model.dimensions, kinds=_kinds(scope))
        await self._tx.execute(_SCAN.format(ef_search=min(most, _LARGEST_EF)))
        near: list[list[str]] = []
        for vector in vectors:
            rows = await self._tx.fetch_all(sql, {**parameters, "vector": literal(vector), "most": most})
            near.append(list(dict.fromkeys(row.unit_id for row in rows)))
        return near

    async def _cosines(
        self,
        schema: str,
        parameters: Mapping[str, Any],
        vectors: Sequence[Vector[float]],
        unit_ids: Sequence[Sequence[str]],
    ) -> list[dict[str, Decimal]]:
        named = [(at, unit_id) for at, found in enumerate(unit_ids, 1) for unit_id in found]
        given = {"ats": [at for at, _ in named], "unit_ids": [unit_id for _, unit_id in named]}
        rows = await self._tx.fetch_all(
            _COSINES.format(schema=schema), {**parameters, **given, "vectors": [literal(vector) for vector in vectors]}
        )
        cosines: list[dict[str, Decimal]] = [{} for _ in vectors]
        for row in rows:
            cosines[row.at - 1][row.unit_id] = Decimal(row.score).scaleb(-6)
        return cosines


def _common(tenant_id: str, scope: Scope) -> dict[str, Any]:
    kinds = sorted(kind.value for kind in scope.filters.kinds)
    return {"tenant_id": tenant_id, "kinds": kinds} if kinds else {"tenant_id": tenant_id}


def _kinds(scope: Scope) -> str:
    return _KINDS if scope.filters.kinds else ""


def literal(vector: Vector[float]) -> str:
    """As pgvector reads it; Python writes the shortest decimal that is the same number."""
    return f"[{','.join(map(repr, vector))}]"


def _by_query(rows: Sequence[Any], queries: int) -> list[list[Candidate]]:
    found: list[list[Candidate]] = [[] for _ in range(queries)]
    for row in rows:
        own = found[row.at - 1]
        own.append(Candidate(row.unit_id, Decimal(row.score).scaleb(-6), len(own) + 1))
    return found
