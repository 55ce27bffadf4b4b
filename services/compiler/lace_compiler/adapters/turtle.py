"""A writer for Turtle whose output depends on what is written and its order alone, to the byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = re.compile(r'[\\"\n\r\t]')
_LOCAL_NAME = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*")
_XSD = "xsd:"


class Turtle:
    """Collects subjects and prints them in the order they came, predicates sorted, `a` first."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes = prefixes
        self._lines = [f"@prefix {prefix}: <{namespace}> ." for prefix, namespace in sorted(prefixes.items())]

    def text(self) -> str:
        """The whole file, LF line ends, one LF at the end."""
        return "\n".join(self._lines) + "\n"

    def name(self, prefix: str, local: str) -> str:
        """A term of a prefix: as prefix:local where Turtle's grammar allows it plainly, else as a full IRI."""
        if _LOCAL_NAME.fullmatch(local):
            return f"{prefix}:{local}"
        return iri(self._prefixes[prefix] + local)

    def comment(self, text: str) -> None:
        """A heading for the human reader."""
        self._lines += ["", f"# {text}"]

    def subject(self, term: str, statements: Iterable[tuple[str, str]]) -> None:
        """All triples of one subject, as pairs of predicate and object in Turtle syntax; repeated ones count once."""
        grouped: dict[str, set[str]] = {}
        for predicate, value in statements:
            grouped.setdefault(predicate, set()).add(value)
        if not grouped:
            return
        ordered = sorted(grouped, key=lambda predicate: (predicate != "a", predicate))
        lines = [f"    {predicate} {' , '.join(sorted(grouped[predicate]))}" for predicate in ordered]
        self._lines += ["", term, *(line + " ;" for line in lines[:-1]), lines[-1] + " ."]


def iri(absolute: str) -> str:
    """An absolute IRI; what may not stand between the brackets is percent-encoded."""
    return "<" + re.sub(r'[\x00-\x20<>"{}|^`\\]', lambda m: f"%{ord(m[0]):02X}", absolute) + ">"


def string(text: str) -> str:
    """A plain string."""
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text) + '"'


def typed(value: str, datatype: str) -> str:
    """A literal of an XML Schema datatype, by its local name."""
    return f"{string(value)}^^{_XSD}{datatype}"


def collection(terms: Iterable[str]) -> str:
    """An RDF list."""
    return "( " + " ".join(terms) + " )"
