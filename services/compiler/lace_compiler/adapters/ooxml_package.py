"""The docx file around the text: its fixed parts, its properties, and a zip that is the same to the byte each time."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

from lxml import etree

from lace_compiler.adapters.ooxml_element import Element, W, field, paragraph, root, run, val, w
from lace_compiler.domain.document import Document
from lace_compiler.domain.version import GENERATOR

_FOLDER = files("lace_compiler.adapters").joinpath("ooxml")
# Numbering ids: bullets, headings, then one for each ordered list so that each begins at one.
BULLETS = 1
HEADINGS = 2
FIRST_ORDERED = 3
HEADING_LEVELS = 9

_EPOCH = (1980, 1, 1, 0, 0, 0)
_RIGHT_TO_LEFT = frozenset({"ar", "dv", "fa", "he", "ku", "ps", "ug", "ur", "yi"})

_CORE = {
    "cp": "http://schemas.openxmlformats.org/package/2006/metadata/core-properties",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
}
_APPLICATION = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    f"<Application>{GENERATOR}</Application></Properties>\n"
)


def package(document: Document, body: Element, ordered_lists: int) -> bytes:
    """The finished file; `ordered_lists` is how many the body has, in the order of their numbering ids."""
    return _zip(
        {
            "[Content_Types].xml": _fixed("content_types.xml"),
            "_rels/.rels": _fixed("package_rels.xml"),
            "docProps/app.xml": _APPLICATION.encode(),
            "docProps/core.xml": _serialised(_core_properties(document)),
            "word/_rels/document.xml.rels": _fixed("document_rels.xml"),
            "word/document.xml": _serialised(root("document", body)),
            "word/footer.xml": _serialised(_footer()),
            "word/header.xml": _serialised(root("hdr", paragraph("Header", run(document.title)))),
            "word/numbering.xml": _serialised(_numbering(ordered_lists)),
            "word/settings.xml": _fixed("settings.xml"),
            "word/styles.xml": _serialised(_styles(document.language)),
        }
    )


def _zip(parts: dict[str, bytes]) -> bytes:
    """Members in order of their names, all of one date, nothing of the machine in them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(parts):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 0
            archive.writestr(member, parts[name], compresslevel=6)
    return buffer.getvalue()


def _fixed(name: str) -> bytes:
    return _FOLDER.joinpath(name).read_bytes()


def _serialised(element: Element) -> bytes:
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8", standalone=True)


def _styles(language: str) -> Element:
    """The fixed styles, in the document's language and direction."""
    styles = etree.fromstring(_fixed("styles.xml"))
    for element in styles.iter(f"{{{W}}}lang"):
        element.set(f"{{{W}}}val", language)
    if language.split("-", maxsplit=1)[0].lower() in _RIGHT_TO_LEFT:
        for element in styles.iterfind(f"{{{W}}}docDefaults/{{{W}}}rPrDefault/{{{W}}}rPr"):
            element.insert(len(element) - 1, w("rtl"))
        for element in styles.iterfind(f"{{{W}}}docDefaults/{{{W}}}pPrDefault/{{{W}}}pPr"):
            element.insert(0, w("bidi"))
    return styles


def _footer() -> Element:
    page, pages = field("PAGE", "1"), field("NUMPAGES", "1")
    return root("ftr", paragraph("Footer", *page, run(" / "), *pages))


def _core_properties(document: Document) -> Element:
    """No dates: a compiled file is as old as its revision, and the revision is named."""
    properties = etree.Element(f"{{{_CORE['cp']}}}coreProperties", nsmap=_CORE)
    keywords = [document.artifact.artifact_id, document.revision_id]
    for prefix, tag, text in (
        ("dc", "title", document.title),
        ("dc", "creator", "LACE"),
        ("cp", "keywords", ", ".join(filter(None, keywords))),
        ("dc", "description", document.summary),
        ("dc", "language", document.language),
        ("cp", "version", document.revision_id),
    ):
        etree.SubElement(properties, f"{{{_CORE[prefix]}}}{tag}").text = text
    return properties


def _numbering(ordered_lists: int) -> Element:
    definitions = [
        _definition(0, [_level("bullet", "•", 300)]),
        _definition(1, [_level("decimal", "%1.", 360)]),
        _definition(2, [_heading_level(level) for level in range(HEADING_LEVELS)]),
    ]
    numbers = [w("num", val("abstractNumId", 0), numId=BULLETS), w("num", val("abstractNumId", 2), numId=HEADINGS)]
    for index in range(ordered_lists):
        restart = w("lvlOverride", val("startOverride", 1), ilvl=0)
        numbers.append(w("num", val("abstractNumId", 1), restart, numId=FIRST_ORDERED + index))
    return root("numbering", *definitions, *numbers)


def _definition(identifier: int, levels: list[Element]) -> Element:
    kind = "multilevel" if len(levels) > 1 else "singleLevel"
    return w("abstractNum", val("multiLevelType", kind), *levels, abstractNumId=identifier)


def _level(form: str, text: str, hanging: int) -> Element:
    indent = w("pPr", w("ind", left=hanging + 160, hanging=hanging))
    return w("lvl", val("start", 1), val("numFmt", form), val("lvlText", text), val("lvlJc", "left"), indent, ilvl=0)


def _heading_level(level: int) -> Element:
    text = ".".join(f"%{n + 1}" for n in range(level + 1))
    style, suffix = val("pStyle", f"Heading{level + 1}"), val("suff", "space")
    indent = w("pPr", w("ind", left=0, firstLine=0))
    start, form, align = val("start", 1), val("numFmt", "decimal"), val("lvlJc", "left")
    return w("lvl", start, form, style, suffix, val("lvlText", text), align, indent, ilvl=level)
