"""Qualified names of WordprocessingML and how attributes are read."""

from __future__ import annotations

from lxml import etree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_STRICT_W = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
_STRICT_M = "{http://purl.oclc.org/ooxml/officeDocument/math}"
_PREFIXES = {_W: "w:", _STRICT_W: "w:", _M: "m:", _STRICT_M: "m:", _MC: "mc:"}


def tag(element: etree._Element) -> str:
    """The element's name with its usual prefix (`w:p`, `m:t`, `mc:Choice`); the bare name for other namespaces."""
    name = element.tag
    if not isinstance(name, str):
        return ""  # comments and processing instructions
    namespace, brace, local = name.rpartition("}")
    return _PREFIXES.get(namespace + brace, "") + local


def attribute(element: etree._Element | None, name: str) -> str:
    """A WordprocessingML attribute, empty where it is not set."""
    if element is None:
        return ""
    value = element.get(_W + name)
    if value is None:
        value = element.get(_STRICT_W + name, "")
    return str(value)


def child(element: etree._Element | None, name: str) -> etree._Element | None:
    """The first child of that name (with prefix)."""
    if element is None:
        return None
    return next((inner for inner in element if tag(inner) == name), None)


def is_on(element: etree._Element | None, name: str) -> bool:
    """Whether a toggle property such as `w:b` is set."""
    found = child(element, name)
    return found is not None and attribute(found, "val") not in ("0", "false", "off", "none")


def number(text: str, default: int = 0) -> int:
    """A whole number out of an attribute."""
    try:
        return int(text)
    except ValueError:
        return default
