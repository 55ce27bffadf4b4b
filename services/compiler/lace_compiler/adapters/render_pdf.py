"""PDF/UA-1 and PDF/A-2a by typst, with its own embedded fonts only: the same bytes on every machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Final

import orjson
import typst

from lace_compiler.adapters.typst_data import FONTS, typst_data
from lace_compiler.app.ports import Rendered
from lace_compiler.domain.document import Document, Notice
from lace_compiler.domain.settings import CompileSettings
from lace_compiler.domain.text import code_point
from lace_core.errors import LaceError, Reason

_STANDARDS: Final[list[typst.PDFStandard]] = ["ua-1", "a-2a"]
_TEMPLATE: Final = "typst/document.typ"
_PROBE: Final = "typst/probe.typ"

# Beyond Latin and the marks of ordinary typesetting, which the fonts are known to have.
_UNUSUAL = re.compile("[^\\x00-\u024f\u2010-\u2026\u2030-\u203a\u20ac\u2212]")

# Each round replaces every text that the fonts could not show; what is left after that many is a defect of ours.
_ROUNDS: Final = 6
_MISSING = re.compile(r'the (?:text|PDF contains the codepoint) `"((?:[^"\\]|\\.)*)"`')
_ESCAPED = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|(.))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


class PdfRenderer:
    """Sets the document with typst and the fonts in its wheel: Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari.

    A character without a glyph would make the file invalid (both standards forbid it): it is shown by its code
    point instead, as [U+4E2D], and a notice says so.
    """

    def __init__(self) -> None:
        self._fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)

    def render(self, document: Document, settings: CompileSettings) -> Rendered:
        """The file; raises COMPILE_FAILED with typst's message where it refuses the document."""
        data = orjson.dumps(typst_data(document, settings)).decode()
        missing = self._missing_characters(data)
        for _ in range(_ROUNDS):
            if missing:
                data = orjson.dumps(typst_data(document, settings, _mending(missing))).decode()
            try:
                return Rendered(self._compile(_TEMPLATE, data), _notices(missing))
            except typst.TypstError as error:
                # Clusters of letters and accents, which show only when they are set together.
                found = _missing_texts(error.diagnostic) - missing
                if not found:
                    raise LaceError(Reason.COMPILE_FAILED, f"The PDF could not be set: {error.message}.") from error
                missing |= found
        raise LaceError(Reason.COMPILE_FAILED, "The fonts lack glyphs that could not be replaced.")

    def _missing_characters(self, data: str) -> set[str]:
        """The single characters without a glyph, found on a page of their own: to set the whole document to learn
        of each would take its memory once more, as typst keeps what it has laid out."""
        unusual = sorted(set(_UNUSUAL.findall(data)))
        if not unusual:
            return set()
        try:
            self._compile(_PROBE, orjson.dumps({"fonts": FONTS, "characters": unusual}).decode())
        except typst.TypstError as error:
            return _missing_texts(error.diagnostic)
        return set()

    def _compile(self, template: str, data: str) -> bytes:
        source = files("lace_compiler.adapters").joinpath(template).read_bytes()
        compiler = typst.Compiler(source, font_paths=self._fonts, sys_inputs={"document": data})
        pdf = compiler.compile(format="pdf", pdf_standards=_STANDARDS)
        if not isinstance(pdf, bytes):
            raise LaceError(Reason.COMPILE_FAILED, "The PDF could not be set: typst returned no file.")
        return pdf


def _missing_texts(diagnostic: str) -> set[str]:
    """The texts that typst reports as not displayable, out of its message (its format is held by a test)."""
    return {_ESCAPED.sub(_unescape, text) for text in _MISSING.findall(diagnostic)}


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])


def _mending(missing: set[str]) -> Callable[[str], str]:
    """A function that replaces the missing texts by code points; ASCII in them has glyphs and stays."""
    if not missing:
        return str
    # The longest first: a cluster before the letters it is made of.
    pattern = re.compile("|".join(map(re.escape, sorted(missing, key=lambda text: (-len(text), text)))))
    return lambda text: pattern.sub(lambda m: "".join(c if c.isascii() else code_point(c) for c in m[0]), text)


def _notices(missing: set[str]) -> tuple[Notice, ...]:
    if not missing:
        return ()
    characters = sorted({char for text in missing for char in text if not char.isascii()})
    named = ", ".join(f"U+{ord(char):04X}" for char in characters[:10])
    more = f" and {len(characters) - 10} more" if len(characters) > 10 else ""
    message = f"The fonts of the PDF have no glyph for {named}{more}: shown there by their code points."
    return (Notice("GLYPHS_MISSING", message),)
