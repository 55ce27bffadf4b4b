"""Readers of the five formats; each turns bytes into pieces in reading order and knows nothing of units."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.pieces import Reading

Extractor = Callable[[bytes, ExtractionLimits], Reading]

BUILTIN = "builtin"
_MODULES = {
    SourceFormat.MD: "markdown",
    SourceFormat.TXT: "plain_text",
    SourceFormat.JSON: "json_data",
    SourceFormat.DOCX: "docx",
    SourceFormat.PDF: "pdf",
}
_RICHER = {"docling": frozenset((SourceFormat.DOCX, SourceFormat.PDF))}
"""Other readers by the name that the setting gives them, and what they read; all else is read by the built-in ones."""
_LIBRARIES = {SourceFormat.MD: "markdown-it-py", SourceFormat.DOCX: "lxml", SourceFormat.PDF: "pypdfium2"}


def extractor(source_format: SourceFormat, name: str = BUILTIN) -> Extractor:
    """The reader of a format, loaded on its first use: a child process reads one document only."""
    reader = name if source_format in _RICHER.get(name, ()) else _MODULES[source_format]
    module = import_module(f"{__name__}.{reader}")
    found: Extractor = module.extract
    return found


def tool_of(source_format: SourceFormat, name: str = BUILTIN) -> str:
    """The format and what reads it, for instance `pdf/pypdfium2-5.15.2`; the format alone where no library does."""
    library = name if source_format in _RICHER.get(name, ()) else _LIBRARIES.get(source_format, "")
    if not library:
        return source_format.value
    try:
        return f"{source_format.value}/{library}-{version(library)}"
    except PackageNotFoundError:
        return f"{source_format.value}/{library}"
