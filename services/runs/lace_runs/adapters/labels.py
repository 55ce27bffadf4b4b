"""Labels in SQL: whether who holds some may see what a revision says."""

from __future__ import annotations

# Labels of the sources that a revision of the artifact of `of` cites, one a row.
_LABELS = """runs.artifact_revisions AS cited, jsonb_array_elements(cited.sources) AS source,
    jsonb_array_elements_text(source -> 'labels') AS label
    WHERE cited.tenant_id = {of}.tenant_id AND cited.artifact_id = {of}.artifact_id
      AND cited.revision_id = {revision}"""


def labels_of(of: str, revision: str) -> str:
    """A query: the labels that a revision needs, each once.

    `of` is a row with tenant_id and artifact_id, `revision` an expression.
    """
    return f"SELECT DISTINCT label FROM {_LABELS.format(of=of, revision=revision)}"


def may_be_seen(of: str, revision: str) -> str:
    """A condition: who holds the labels `:held` may see the revision; where there is none yet, everybody may."""
    return f"""NOT EXISTS (SELECT 1 FROM {_LABELS.format(of=of, revision=revision)}
      AND NOT label = ANY(CAST(:held AS text[])))"""
