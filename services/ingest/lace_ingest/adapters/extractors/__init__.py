"""Readers of the five formats; each turns bytes into pieces in reading order and knows nothing of units."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.pieces import Reading

Extractor = Callable[[bytes, ExtractionLimits], Reading]

_MODULES = {
    SourceFormat.MD: "markdown",
    SourceFormat.TXT: "plain_text",
    SourceFormat.JSON: "json_data",
    SourceFormat.DOCX: "docx",
    SourceFormat.PDF: "pdf",
}


def extractor(source_format: SourceFormat) -> Extractor:
    """The reader of a format, loaded on its first use: a child process reads one document only."""
    module = import_module(f"{__name__}.{_MODULES[source_format]}")
    found: Extractor = module.extract
    return found
