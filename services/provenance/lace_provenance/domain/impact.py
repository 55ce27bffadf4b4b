"""What may be asked about the impact of newer versions."""

from __future__ import annotations

from dataclasses import dataclass

from lace_core.errors import Detail, LaceError, Reason


@dataclass(frozen=True)
class ImpactQuestion:
    """How citations stand: those of a source in another (in its newest version where empty), or those of a document.

    `unchanged` tells of citations that stand word for word, too; `page_token` is of the page before.
    """

    source_id: str = ""
    to: str = ""
    artifact_id: str = ""
    unchanged: bool = False
    page_size: int = 0
    page_token: str = ""

    def check(self) -> None:
        """Raises INVALID_ARGUMENT where it names neither a source nor a document, or both."""
        if bool(self.source_id) == bool(self.artifact_id):
            message = "Name either the source that is cited (from) or the document (artifact_id)."
            raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/from", message)])
        if self.to and self.artifact_id:
            message = "A document's citations are compared with the newest versions; leave out to."
            raise LaceError(Reason.INVALID_ARGUMENT, message, details=[Detail("/to", message)])
