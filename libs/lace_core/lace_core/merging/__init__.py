"""Merging two revisions of a document that have a third in common: three-way by id, conflicts as data."""

from lace_core.merging.conflicts import Conflict, Resolution, ResolutionError
from lace_core.merging.documents import Merged, three_way

__all__ = ["Conflict", "Merged", "Resolution", "ResolutionError", "three_way"]
