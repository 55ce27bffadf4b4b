"""Which verdicts of a document are asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WantedVerdicts:
    """Those of a committed revision (the head where empty); each other field narrows them where it is set.

    `held` are the labels of the reader. A document has the labels of what it cites, and a sentence that was kept out
    may rest on anything that its run might read: who does not hold the run's labels is not told of it.
    """

    artifact_id: str
    revision_id: str = ""
    verdict: str = ""
    node_id: str = ""
    in_document: bool | None = None
    held: tuple[str, ...] | None = None
