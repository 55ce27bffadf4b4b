"""A review item as a run would have left it, for tests of what is done about one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from lace_core.canonical import sha256_hex

if TYPE_CHECKING:
    from tests.e2e.mutations import Stage

QUOTE = "The bridge cost ten pounds."
UNDECIDED = "The bridge cost the town ten pounds."


async def open_item(stage: Stage) -> str:
    """An item that waits, of a document with a root alone; its quote stands in a source that is ready."""
    artifact_id = await stage.document(1)
    root = (await stage.api.get(f"/v1/artifacts/{artifact_id}")).json()["nodes"][0]["node_id"]
    source_id, unit_id = await stage.unit(QUOTE)
    item_id = f"rvi_{uuid.uuid4().hex[:26]}"
    verdict = {"sentence_id": "sen_1", "text": UNDECIDED, "fact_ids": [], "verdict": "partially", "reasons": ["x: y"]}
    place = {"node_id": root, "block_id": "blk_1", "form": "paragraph", "key": "k", "blocks": ["blk_1"]}
    evidence = {
        "evidence_id": f"evd_{uuid.uuid4().hex[:26]}", "source_id": source_id, "source_version": "0" * 64,
        "unit_id": unit_id, "extraction": "x/1", "start": 0, "end": len(QUOTE), "quote": QUOTE,
        "quote_hash": sha256_hex(QUOTE.encode()),
    }  # fmt: skip
    source = {
        "source_id": source_id, "version": "0" * 64, "filename": "a.md", "title": "a", "media_type": "text/markdown",
    }  # fmt: skip
    await stage.sql(
        "INSERT INTO runs.review_items (tenant_id, review_item_id, artifact_id, run_id, node_id, block_id, node_title, "
        "text, verdict, judged, place, evidence, sources, labels, state, version, created_by, created_at) "
        "SELECT tenant_id, %(i)s, artifact_id, 'run_1', %(n)s, 'blk_1', 'Root', %(t)s, 'partially', %(v)s, %(p)s, "
        "%(e)s, %(s)s, '{}', 'open', 1, 'prn_1', now() FROM runs.artifacts WHERE artifact_id = %(a)s",
        i=item_id,
        n=root,
        t=UNDECIDED,
        v=Jsonb(verdict),
        p=Jsonb(place),
        e=Jsonb([evidence]),
        s=Jsonb([source]),
        a=artifact_id,
    )
    return item_id
