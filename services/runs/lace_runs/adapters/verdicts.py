"""Verdicts in Postgres, and the one door to a revision's content: what has no right to stand is not staged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lace_core.errors import Detail, LaceError, Reason
from lace_core.verification.standing import VERIFIED, Missing, Piece, Standing, pieces_of, settle
from lace_core.verification.version import RULES_VERSION
from lace_platform.db.transaction import Transaction
from lace_runs.domain.artifacts import Staging
from lace_runs.domain.verdicts import WantedVerdicts

_COLUMNS = """sentence_id, node_id, run_id, position, text, verdict, reasons, layers, in_document, grounds, standing,
 acceptance, verifier"""

INSERT_VERDICTS = f"""
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, {_COLUMNS})
SELECT :tenant_id, :artifact_id, :revision_id, x.sentence_id, x.node_id, :run_id, x.position, x.text, x.verdict,
  x.reasons, x.layers, x.in_document, x.grounds, x.standing, x.acceptance, x.verifier
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(sentence_id text, node_id text, position int, text text,
  verdict text, reasons jsonb, layers jsonb, in_document boolean, grounds text, standing text, acceptance jsonb,
  verifier text)
ON CONFLICT DO NOTHING
"""

# What was kept out before stays to be seen, but for the sections that were judged anew.
INSERT_KEPT_OUT = f"""
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, {_COLUMNS})
SELECT tenant_id, artifact_id, :revision_id, {_COLUMNS}
FROM runs.verdicts
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :verdicts_of AND NOT in_document
  AND NOT node_id = ANY(:judged_anew) AND NOT sentence_id = ANY(:let_in)
ON CONFLICT DO NOTHING
"""

# The same content once more.
INSERT_VERDICTS_AGAIN = f"""
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, {_COLUMNS})
SELECT tenant_id, artifact_id, :revision_id, {_COLUMNS}
FROM runs.verdicts
WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND revision_id = :like_revision_id
ON CONFLICT DO NOTHING
"""

# What stood in a committed revision in the same words over the same quotes stands by the same right, wherever now.
# It is looked up piece by piece, the parent first: what this costs must not grow with the number of revisions.
INSERT_STANDING = """
INSERT INTO runs.verdicts (tenant_id, artifact_id, revision_id, sentence_id, node_id, run_id, position, text, verdict,
  reasons, layers, in_document, grounds, standing, acceptance, verifier)
SELECT :tenant_id, :artifact_id, :revision_id, x.sentence_id, x.node_id, v.run_id, x.position, v.text, v.verdict,
  v.reasons, v.layers, true, v.grounds, v.standing, v.acceptance, v.verifier
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(sentence_id text, node_id text, position int, grounds text)
CROSS JOIN LATERAL (
  (SELECT * FROM runs.verdicts WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND in_document
     AND grounds = x.grounds AND revision_id = :parent_revision_id LIMIT 1)
  UNION ALL
  (SELECT * FROM runs.verdicts WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id AND in_document
     AND grounds = x.grounds AND revision_id <> :revision_id ORDER BY revision_id LIMIT 1)
  LIMIT 1) AS v
ON CONFLICT DO NOTHING
"""

KNOWN_GROUNDS = """
SELECT wanted.grounds FROM unnest(CAST(:grounds AS text[])) AS wanted(grounds)
WHERE EXISTS (SELECT FROM runs.verdicts v JOIN runs.artifact_revisions r USING (tenant_id, artifact_id, revision_id)
  WHERE v.tenant_id = :tenant_id AND v.artifact_id = :artifact_id AND v.in_document AND v.grounds = wanted.grounds
    AND r.status = 'committed' OFFSET 0)
"""

HAS_GROUNDS = """
SELECT EXISTS (SELECT FROM runs.verdicts WHERE tenant_id = :tenant_id AND artifact_id = :artifact_id
  AND revision_id = :revision_id AND grounds <> '') AS found
"""

VERDICTS = """
SELECT * FROM (
  SELECT row_number() OVER (ORDER BY v.in_document, v.position) AS place, v.sentence_id, v.node_id, v.text, v.verdict,
    v.reasons, v.in_document, v.run_id, v.layers, v.standing, v.acceptance,
    v.verifier
  FROM runs.verdicts v JOIN runs.artifacts a USING (tenant_id, artifact_id)
  JOIN runs.artifact_revisions r USING (tenant_id, artifact_id, revision_id)
  WHERE v.tenant_id = :tenant_id AND v.artifact_id = :artifact_id AND r.status = 'committed'
    AND v.revision_id = coalesce(nullif(:revision_id, ''), a.head_revision_id)
    AND (:verdict = '' OR v.verdict = :verdict) AND (:node_id = '' OR v.node_id = :node_id)
    AND (CAST(:in_document AS boolean) IS NULL OR v.in_document = CAST(:in_document AS boolean))
    AND (v.in_document OR CAST(:held AS text[]) IS NULL OR NOT EXISTS (
      SELECT FROM runs.runs q, jsonb_array_elements_text(q.labels) AS label
      WHERE q.tenant_id = v.tenant_id AND q.run_id = v.run_id AND NOT label = ANY(CAST(:held AS text[]))))) AS ordered
WHERE place > :after ORDER BY place LIMIT :limit
"""

_MOST_TOLD = 50


async def keep_verdicts(tx: Transaction, tenant_id: str, staging: Staging, before: Sequence[Piece] | None) -> None:
    """Keep what was found of a revision's sentences, the standing ones and those that were kept out.

    `before` are the pieces of a parent from before their verdicts were kept. Raises LaceError UNVERIFIED_CONTENT.
    """
    revision = staging.revision
    key = {"tenant_id": tenant_id, "artifact_id": revision.artifact_id, "revision_id": revision.revision_id}
    pieces = await asyncio.to_thread(lambda: list(pieces_of(staging.document)))
    grounds = list({piece.grounds for piece in pieces})
    rows = await tx.fetch_all(KNOWN_GROUNDS, {**key, "grounds": grounds}) if revision.parent_revision_id else []
    known = {row.grounds for row in rows}
    old = [piece for piece in before or () if piece.grounds not in known]
    allowed = known | {piece.grounds for piece in old}
    by_person = not revision.run_id
    standing, missing = await asyncio.to_thread(settle, pieces, staging.verdicts, allowed, by_person=by_person)
    if missing:
        raise _refusal(missing)
    places = {id(piece): place for place, piece in enumerate(pieces)}
    from_before = {piece.grounds for piece in old}
    made = [_standing_row(own, places[id(own.piece)]) for own in standing]
    made += [_old_row(piece, place) for place, piece in enumerate(pieces) if piece.grounds in from_before]
    made += _kept_out_rows(staging)
    await tx.execute(INSERT_VERDICTS, {**key, "run_id": revision.run_id, "rows": _json(made)})
    kept = [_place(piece, place) for place, piece in enumerate(pieces) if piece.grounds in known]
    if kept:
        parent = {"parent_revision_id": revision.parent_revision_id}
        await tx.execute(INSERT_STANDING, {**key, **parent, "rows": _json(kept)})
    if staging.verdicts_of:
        since = {"verdicts_of": staging.verdicts_of, "judged_anew": list(staging.judged_anew)}
        await tx.execute(INSERT_KEPT_OUT, {**key, **since, "let_in": list(staging.let_in)})


async def was_settled(tx: Transaction, tenant_id: str, artifact_id: str, revision_id: str) -> bool:
    """Whether the revision's verdicts name their grounds: those of older ones do not."""
    key = {"tenant_id": tenant_id, "artifact_id": artifact_id, "revision_id": revision_id}
    row = await tx.fetch_one(HAS_GROUNDS, key)
    return row is not None and bool(row.found)


async def list_verdicts(
    tx: Transaction, tenant_id: str, wanted: WantedVerdicts, after: int, limit: int
) -> Sequence[tuple[int, Mapping[str, Any]]]:
    """A page of a committed revision's verdicts, those of kept-out sentences first, each with its place."""
    held = list(wanted.held) if wanted.held is not None else None
    asked = {"tenant_id": tenant_id, **vars(wanted), "held": held, "after": after, "limit": limit}
    rows = await tx.fetch_all(VERDICTS, asked)
    return [(row.place, row._asdict()) for row in rows]


def _refusal(missing: Sequence[Missing]) -> LaceError:
    first = missing[0]
    return LaceError(
        Reason.UNVERIFIED_CONTENT,
        f"{len(missing)} pieces of text may not stand; the first is {first.pointer}: {first.reason}",
        details=[Detail(own.pointer, own.reason) for own in missing[:_MOST_TOLD]],
    )


def _place(piece: Piece, place: int) -> dict[str, Any]:
    return {"sentence_id": piece.part.part_id, "node_id": piece.node_id, "position": place, "grounds": piece.grounds}


def _standing_row(own: Standing, place: int) -> dict[str, Any]:
    found = {"verdict": own.verdict, "reasons": own.reasons, "layers": own.layers, "acceptance": own.acceptance}
    told = {"text": own.piece.part.text, "in_document": True, "standing": own.right, "verifier": RULES_VERSION}
    return {**_place(own.piece, place), **told, **found}


def _old_row(piece: Piece, place: int) -> dict[str, Any]:
    """Of a piece that stood before verdicts named their grounds: no layers are known of it."""
    reasons = ["standing: it stood in a committed revision from before layers were kept"]
    told = {"text": piece.part.text, "in_document": True, "standing": VERIFIED}
    return {
        **_place(piece, place),
        **told,
        "verdict": "supported",
        "reasons": reasons,
        "layers": [],
        "acceptance": None,
        "verifier": "",
    }


def _kept_out_rows(staging: Staging) -> list[dict[str, Any]]:
    return [
        {
            "sentence_id": verdict.sentence_id,
            "node_id": node_id,
            "position": position,
            "text": verdict.text,
            "verdict": verdict.verdict,
            "reasons": verdict.reasons,
            "layers": verdict.layers,
            "in_document": False,
            "grounds": "",
            "standing": "",
            "acceptance": None,
            "verifier": RULES_VERSION,
        }
        for position, (node_id, verdict) in enumerate(staging.verdicts)
        if not verdict.stands
    ]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
