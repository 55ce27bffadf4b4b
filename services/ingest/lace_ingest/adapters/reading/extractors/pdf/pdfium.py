"""Reads pages through pdfium: the only module that calls it; it is not thread-safe and runs in a child process only."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import pypdfium2 as pdfium
from pypdfium2 import raw

from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extractors.pdf.page import (
    UNTAGGED,
    Bookmark,
    Element,
    Font,
    Frame,
    Glyph,
    Page,
    Stroke,
)
from lace_ingest.domain.limits import ExtractionLimits, refuse_beyond

# The second halves are the names that TeX's fonts have: Computer Modern and its kin, Nimbus.
_BOLD = re.compile(r"bold|black|heavy|semibold|demi|-medi(?!um)|(?:^|\+)(?:cm|sf|ec|lm)(?:ss)?b(?:x|\d)", re.IGNORECASE)
_MONO = re.compile(
    r"mono|courier|consol|menlo|typewriter|code|fixed|nimbusmon|(?:^|\+)(?:(?:cm|sf|ec|lm)(?:sl|i|v)?|[tp]x)tt",
    re.IGNORECASE,
)
_BOLD_WEIGHT = 600
_FIXED_PITCH, _ITALIC, _FORCE_BOLD = 1, 1 << 6, 1 << 18
_THIN = 2.0
_PLAIN = Font(bold=False, italic=False, mono=False)
_MAX_DEPTH = 100
_UNKNOWN = "\ufffd"


class Document:
    """An open PDF. Raises SOURCE_ENCRYPTED, SOURCE_UNREADABLE, SOURCE_LIMIT_EXCEEDED (pages)."""

    def __init__(self, data: bytes, limits: ExtractionLimits) -> None:
        try:
            self._pdf = pdfium.PdfDocument(data)
            self.page_count = len(self._pdf)
        except pdfium.PdfiumError as error:
            raise _cannot_open(error) from None
        refuse_beyond("pages", self.page_count, limits.pages)
        self._limits = limits

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, empty fields left out."""
        try:
            fields = self._pdf.get_metadata_dict(skip_empty=True)
        except pdfium.PdfiumError:
            return {}
        return {str(name).lower(): str(value) for name, value in fields.items()}

    def bookmarks(self) -> list[Bookmark]:
        """The outline in reading order; empty where there is none or it is broken."""
        found: list[Bookmark] = []
        try:
            for entry in self._pdf.get_toc():
                target = entry.get_dest()
                index = target.get_index() if target is not None else None
                found.append(Bookmark(entry.level + 1, entry.get_title(), (index if index is not None else -1) + 1))
        except (pdfium.PdfiumError, ValueError, RuntimeError):
            return []
        return found

    def pages(self) -> Iterator[Page]:
        """Every page in order. Raises SOURCE_LIMIT_EXCEEDED when all characters together are too many."""
        is_tagged = bool(raw.FPDFCatalog_IsTagged(self._pdf))
        chars = 0
        for index in range(self.page_count):
            try:
                handle = self._pdf[index]
            except pdfium.PdfiumError:
                yield Page(index + 1, 0, 0, is_broken=True)
                continue
            page = _read_page(handle, index + 1, is_tagged)
            handle.close()
            chars += len(page.glyphs)
            refuse_beyond("characters", chars, self._limits.chars)
            yield page


def _cannot_open(error: pdfium.PdfiumError) -> LaceError:
    code = getattr(error, "err_code", None)
    if code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY) or "password" in str(error).lower():
        return LaceError(Reason.SOURCE_ENCRYPTED, "The PDF is encrypted; remove its password.")
    return LaceError(Reason.SOURCE_UNREADABLE, "The PDF is broken and cannot be opened.")


def _read_page(handle: Any, number: int, is_tagged: bool) -> Page:
    left, bottom, right, top = handle.get_cropbox()
    width, height = right - left, top - bottom
    page = Page(number, width, height)
    text = handle.get_textpage()
    glyphs = _glyphs(text.raw, left, bottom)
    text.close()
    turn = _main_turn(glyphs)
    # What runs otherwise than most of the page, a stamp along the margin or a watermark across it, is no text.
    page.glyphs = [glyph for other, glyph in glyphs if other == turn]
    if len(page.glyphs) < len(glyphs):
        page.turned_out = sum(1 for other, glyph in glyphs if other != turn and not glyph.char.isspace())
    if turn:
        page.glyphs = [_turned_glyph(glyph, turn, width, height) for glyph in page.glyphs]
    page.unknown = [glyph.char for glyph in page.glyphs].count(_UNKNOWN)
    page.strokes = [
        Stroke(*_turned(x0 - left, y0 - bottom, x1 - left, y1 - bottom, turn, width, height))
        for x0, y0, x1, y1 in _strokes(handle.raw)
    ]
    page.frame = Frame(width, height, turn, handle.get_rotation() // 90 % 4)
    if turn % 2:
        page.width, page.height = height, width
    page.has_content = raw.FPDFPage_CountObjects(handle.raw) > 0
    if is_tagged:
        page.tree = _tree(handle.raw)
    return page


def _glyphs(text: Any, left: float, bottom: float) -> list[tuple[int, Glyph]]:
    """Every glyph with the quarter turn of its baseline; what pdfium made up (line ends) is left out.

    `left` and `bottom` are where the page that is shown begins.
    """
    rectangle, x, y = raw.FS_RECTF(), ctypes.c_double(), ctypes.c_double()
    to_rectangle, to_x, to_y = ctypes.byref(rectangle), ctypes.byref(x), ctypes.byref(y)
    unicode_of, object_of = raw.FPDFText_GetUnicode, raw.FPDFText_GetTextObject
    box_of, origin_of = raw.FPDFText_GetLooseCharBox, raw.FPDFText_GetCharOrigin
    objects: dict[bytes, tuple[Font, int, int, float, int]] = {}
    glyphs: list[tuple[int, Glyph]] = []
    for index in range(raw.FPDFText_CountChars(text)):
        code = unicode_of(text, index)
        if code in (10, 13) and raw.FPDFText_IsGenerated(text, index) == 1:
            continue
        owner = object_of(text, index)
        key = bytes(owner)  # the pointer itself
        known = objects.get(key)
        if known is None:
            font, mark, turn, scale = _object_facts(text, index, owner)
            # One font size for all of a text object; asked once, as every call costs.
            known = (font, mark, turn, max(raw.FPDFText_GetFontSize(text, index) * scale, 0.1), len(objects))
            objects[key] = known
        font, mark, turn, size, run = known
        box_of(text, index, to_rectangle)
        origin_of(text, index, to_x, to_y)
        if turn % 2:
            x0, x1, baseline = rectangle.bottom - bottom, rectangle.top - bottom, x.value - left
            low, high = rectangle.left - left, rectangle.right - left
        else:
            x0, x1, baseline = rectangle.left - left, rectangle.right - left, y.value - bottom
            low, high = rectangle.bottom - bottom, rectangle.top - bottom
            size = min(size, 1.6 * max(high - low, 0.1))
        if turn == 0 and 0x30 <= code <= 0x39 and _is_drawn_raised(text, index, baseline + bottom, size):
            baseline, size = baseline + 0.33 * size, 0.6 * size
        # As Glyph(…) would, without the call of a function in Python for each character.
        glyph = tuple.__new__(Glyph, (_character(code), x0, x1, baseline, size, font, mark, run, low, high))
        glyphs.append((turn, glyph))
    return glyphs


def _is_drawn_raised(text: Any, index: int, baseline: float, size: float) -> bool:
    """Whether the font itself draws a digit small and high, as its superscript forms do."""
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    if not raw.FPDFText_GetCharBox(text, index, left, right, bottom, top):
        return False
    return bottom.value - baseline > 0.18 * size and top.value - bottom.value < 0.62 * size


@lru_cache(maxsize=4096)
def _character(code: int) -> str:
    """The character; pdfium writes a hyphen at a line's end, whatever it means, as U+0002 or U+FFFE."""
    if code in (0x2, 0xFFFE):
        return "-"
    return chr(code) if 0 < code <= 0x10FFFF and not 0xFDD0 <= code <= 0xFDEF else _UNKNOWN


def _object_facts(text: Any, index: int, owner: Any) -> tuple[Font, int, int, float]:
    """Font, mark, counter-clockwise quarter turns and scale of a text object, read from one of its characters."""
    if not owner:
        return _PLAIN, UNTAGGED, 0, 1.0
    buffer = ctypes.create_string_buffer(256)
    flags = ctypes.c_int()
    raw.FPDFText_GetFontInfo(text, index, buffer, 256, flags)
    font = _font(buffer.value, max(flags.value, 0))
    if not font.bold and raw.FPDFText_GetFontWeight(text, index) >= _BOLD_WEIGHT:
        font = font._replace(bold=True)
    angle = raw.FPDFText_GetCharAngle(text, index)
    turn = round(-angle / (math.pi / 2)) % 4 if angle >= 0 else 0  # pdfium measures clockwise
    return font, raw.FPDFPageObj_GetMarkedContentID(owner), turn, _scale(text, index)


@lru_cache(maxsize=1024)
def _font(name: bytes, bits: int) -> Font:
    """What the name of a font and its flags say of it."""
    told = name.decode("utf-8", "replace")
    bold = bool(_BOLD.search(told)) or bool(bits & _FORCE_BOLD)
    italic = bool(bits & _ITALIC) or "italic" in told.lower() or "oblique" in told.lower()
    return Font(bold, italic, bool(_MONO.search(told)) or bool(bits & _FIXED_PITCH))


def _scale(text: Any, index: int) -> float:
    """How much larger a character is drawn than its font's size says: many programs draw with a font of 1 point."""
    matrix = raw.FS_MATRIX()
    if not raw.FPDFText_GetMatrix(text, index, matrix):
        return 1.0
    scale = math.hypot(matrix.c, matrix.d)
    return scale if scale > 0 and abs(scale - 1) > 0.01 else 1.0


def _main_turn(glyphs: list[tuple[int, Glyph]]) -> int:
    return Counter(turn for turn, _ in glyphs).most_common(1)[0][0] if glyphs else 0


def _turned_glyph(glyph: Glyph, turn: int, width: float, height: float) -> Glyph:
    """A glyph as seen by a reader who turned the page so that its text runs from left to right.

    Before, `x0` and `x1` are its extent along the text's axis and `y` is its baseline across it.
    """
    if turn == 1:
        return glyph._replace(y=width - glyph.y, low=width - glyph.high, high=width - glyph.low)
    if turn == 2:
        upright = glyph._replace(x0=width - glyph.x1, x1=width - glyph.x0, y=height - glyph.y)
        return upright._replace(low=height - glyph.high, high=height - glyph.low)
    if turn == 3:
        return glyph._replace(x0=height - glyph.x1, x1=height - glyph.x0)
    return glyph


def _turned(
    x0: float, y0: float, x1: float, y1: float, turn: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """A box on the page as that reader sees it."""
    if turn == 1:
        return y0, width - x1, y1, width - x0
    if turn == 2:
        return width - x1, height - y1, width - x0, height - y0
    if turn == 3:
        return height - y1, x0, height - y0, x1
    return x0, y0, x1, y1


def _strokes(page: Any) -> Iterator[Stroke]:
    bounds = [ctypes.c_float() for _ in range(4)]
    for index in range(min(raw.FPDFPage_CountObjects(page), 20_000)):
        item = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(item) != raw.FPDF_PAGEOBJ_PATH:
            continue
        if not raw.FPDFPageObj_GetBounds(item, *bounds):
            continue
        x0, y0, x1, y1 = (bound.value for bound in bounds)
        if x1 - x0 <= _THIN or y1 - y0 <= _THIN:
            yield Stroke(x0, y0, x1, y1)
        else:
            yield from (Stroke(x0, y0, x1, y0), Stroke(x0, y1, x1, y1), Stroke(x0, y0, x0, y1), Stroke(x1, y0, x1, y1))


def _tree(page: Any) -> list[Element]:
    tree = raw.FPDF_StructTree_GetForPage(page)
    if not tree:
        return []
    try:
        roots = [raw.FPDF_StructTree_GetChildAtIndex(tree, i) for i in range(raw.FPDF_StructTree_CountChildren(tree))]
        return [_element(root, 0) for root in roots if root]
    finally:
        raw.FPDF_StructTree_Close(tree)


def _element(handle: Any, depth: int) -> Element:
    found = Element(
        role=_text(raw.FPDF_StructElement_GetType, handle),
        alt=_text(raw.FPDF_StructElement_GetAltText, handle),
        column_span=_attribute(handle, b"ColSpan"),
        row_span=_attribute(handle, b"RowSpan"),
    )
    here: list[bool] = []
    for index in range(raw.FPDF_StructElement_CountChildren(handle)):
        child = raw.FPDF_StructElement_GetChildAtIndex(handle, index)
        mark = -1 if child else raw.FPDF_StructElement_GetChildMarkedContentID(handle, index)
        if child and depth < _MAX_DEPTH:
            found.children.append(_element(child, depth + 1))
        elif mark >= 0:
            found.children.append(mark)
        here.append(bool(child) or mark >= 0)
    if any(here):
        found.begins_before = not here[0]
        found.goes_on = not here[-1]
    return found


def _text(function: Callable[..., int], handle: Any) -> str:
    length = function(handle, None, 0)
    if length <= 2:
        return ""
    buffer = ctypes.create_string_buffer(length)
    function(handle, buffer, length)
    return buffer.raw[: length - 2].decode("utf-16-le", "replace")


def _attribute(handle: Any, name: bytes) -> int:
    """A numeric attribute of a cell, 1 where it is not set."""
    for index in range(raw.FPDF_StructElement_GetAttributeCount(handle)):
        attributes = raw.FPDF_StructElement_GetAttributeAtIndex(handle, index)
        value = raw.FPDF_StructElement_Attr_GetValue(attributes, name) if attributes else None
        number = ctypes.c_float()
        if value and raw.FPDF_StructElement_Attr_GetNumberValue(value, number):
            return min(max(int(number.value), 1), 100)
    return 1
