"""WordprocessingML elements: short constructors for the few shapes that the docx renderer is made of."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

Element = etree._Element

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def w(tag: str, *children: Element | None, **attributes: str | int) -> Element:
    """An element of the w: namespace; attributes are of the same namespace, absent children are left out."""
    element = etree.Element(f"{{{W}}}{tag}", {f"{{{W}}}{key}": str(value) for key, value in attributes.items()})
    element.extend(child for child in children if child is not None)
    return element


def root(tag: str, *children: Element) -> Element:
    """A part's root element, which declares the namespaces."""
    element = etree.Element(f"{{{W}}}{tag}", nsmap={"w": W, "r": R})
    element.extend(children)
    return element


def val(tag: str, value: str | int) -> Element:
    """The commonest shape: <w:tag w:val="value"/>."""
    return w(tag, val=value)


def paragraph(style: str, *content: Element | None, properties: Iterable[Element] = ()) -> Element:
    """A paragraph of a style; `properties` come after the style in the schema's order."""
    return w("p", w("pPr", val("pStyle", style), *properties), *content)


def run(text: str, style: str = "", properties: Iterable[Element] = ()) -> Element:
    """Text in one run: tabs and line ends become elements, blanks are kept."""
    element = w("r")
    formatting = [*([val("rStyle", style)] if style else []), *properties]
    if formatting:
        element.append(w("rPr", *formatting))
    for number, line in enumerate(text.split("\n")):
        if number:
            element.append(w("br"))
        for position, piece in enumerate(line.split("\t")):
            if position:
                element.append(w("tab"))
            if piece:
                element.append(_text("t", piece))
    return element


def link(anchor: str, *content: Element) -> Element:
    """A hyperlink to a bookmark of the same document."""
    return w("hyperlink", *content, anchor=anchor, history=1)


def field(instruction: str, shown: str) -> list[Element]:
    """A field with the result that is shown until an application computes it."""
    return [field_mark("begin"), field_code(instruction), field_mark("separate"), run(shown), field_mark("end")]


def field_mark(kind: str) -> Element:
    """Begin, separator or end of a field."""
    return w("r", w("fldChar", fldCharType=kind))


def field_code(instruction: str) -> Element:
    """What a field computes."""
    return w("r", _text("instrText", f" {instruction} "))


def _text(tag: str, content: str) -> Element:
    element = w(tag)
    element.text = content
    if content != content.strip():
        element.set(_XML_SPACE, "preserve")
    return element
