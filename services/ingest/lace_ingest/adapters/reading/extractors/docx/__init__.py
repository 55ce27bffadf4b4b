"""Reads DOCX: Office Open XML, its document, notes, styles and numbering, within the limits of the zip."""

from __future__ import annotations

import io

from lxml import etree

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.docx.body import BodyReader
from lace_ingest.adapters.reading.extractors.docx.leftovers import extractability_of, running_text, warnings_of
from lace_ingest.adapters.reading.extractors.docx.names import attribute, tag
from lace_ingest.adapters.reading.extractors.docx.numbering import Numbering
from lace_ingest.adapters.reading.extractors.docx.package import Package
from lace_ingest.adapters.reading.extractors.docx.styles import Styles
from lace_ingest.domain.limits import ExtractionLimits
from lace_ingest.domain.reading.pieces import Reading

_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_PROPERTIES = {
    "title": "title",
    "creator": "author",
    "subject": "subject",
    "created": "created",
    "modified": "modified",
    "keywords": "keywords",
    "language": "language",
    "description": "description",
    "category": "category",
    "lastModifiedBy": "modified_by",
}
_NO_TEXT_TYPES = frozenset(("separator", "continuationSeparator", "continuationNotice"))


def extract(data: bytes, limits: ExtractionLimits) -> Reading:
    """The pieces of a DOCX file. Raises SOURCE_UNREADABLE, SOURCE_ENCRYPTED, SOURCE_LIMIT_EXCEEDED."""
    package = Package(data, limits)
    main = _main_part(package)
    folder = main.rpartition("/")[0]
    reader = BodyReader(
        Styles(package.tree(f"{folder}/styles.xml")),
        Numbering(package.tree(f"{folder}/numbering.xml")),
        _notes(package, folder),
        limits,
    )
    _read_body(package.read(main), main, reader)
    pieces = tuple(reader.finish())
    properties = _properties(package)
    left_out = {"running_text": running_text(package, folder), "pictures": str(reader.pictures or "")}
    return Reading(
        pieces,
        reader.title or properties.get("title", ""),
        warnings=warnings_of(package, folder, reader),
        metadata=(*sorted(properties.items()), *left_out.items()),
        extractability=extractability_of(pieces, reader.pictures),
    )


def _main_part(package: Package) -> str:
    """The name of the main document part, as the package's relations name it."""
    root = package.tree("_rels/.rels")
    for relation in root.iter(_RELATIONS) if root is not None else ():
        if str(relation.get("Type", "")).endswith("/officeDocument"):
            target = str(relation.get("Target", "")).lstrip("/")
            if package.has(target):
                return target
    if package.has("word/document.xml"):
        return "word/document.xml"
    raise LaceError(Reason.SOURCE_UNREADABLE, "The file is a zip but not a DOCX file: it holds no document.")


def _read_body(data: bytes, name: str, reader: BodyReader) -> None:
    """Reads the children of the body one by one and lets each go, so that memory does not grow with the document."""
    events = etree.iterparse(
        io.BytesIO(data), events=("start", "end"), resolve_entities=False, load_dtd=False, no_network=True
    )
    depth = 0
    try:
        for event, element in events:
            if event == "start":
                if depth == 0 and element.getroottree().docinfo.internalDTD is not None:
                    raise LaceError(Reason.SOURCE_UNREADABLE, f"{name} declares a document type.")
                depth += 1
                continue
            depth -= 1
            parent = element.getparent()
            if depth == 2 and parent is not None and tag(parent) == "w:body":
                reader.read(element)
                element.clear()
    except etree.XMLSyntaxError as error:
        raise LaceError(Reason.SOURCE_UNREADABLE, f"{name} is no well-formed XML ({error.msg}).") from None


def _notes(package: Package, folder: str) -> dict[tuple[str, str], etree._Element]:
    """Foot- and endnotes by (kind, id)."""
    notes: dict[tuple[str, str], etree._Element] = {}
    for kind in ("footnote", "endnote"):
        root = package.tree(f"{folder}/{kind}s.xml")
        for element in root if root is not None else ():
            if tag(element) == f"w:{kind}" and attribute(element, "type") not in _NO_TEXT_TYPES:
                notes[kind, attribute(element, "id")] = element
    return notes


def _properties(package: Package) -> dict[str, str]:
    """Title, author, dates and the like that the file says of itself; `creator` is the author in Dublin Core."""
    root = package.tree("docProps/core.xml")
    found: dict[str, str] = {}
    for element in root if root is not None else ():
        local = tag(element)
        text = str(element.text or "").strip()
        if local in _PROPERTIES and text:
            found[_PROPERTIES[local]] = text
    return found
