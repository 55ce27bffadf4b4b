"""Which verdicts of a document are asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WantedVerdicts:
    """Those of a committed revision (the head where empty); each other field narrows them where it is set."""

    artifact_id: str
    revision_id: str = ""
    verdict: str = ""
    node_id: str = ""
    in_document: bool | None = None
