"""Strategies for Hypothesis: damages to documents, and documents made of the parts of their formats, sense or none."""

from __future__ import annotations

import json
import zipfile
import zlib
from io import BytesIO
from typing import Any

from hypothesis import strategies as st

from tests.doubles.generated_documents import zipped

Damages = list[tuple[int, int, bytes]]
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_MARKS = (
    b"\x00", b"\xff\xfe", b"(", b"[[[", b"<<", b">>", b"\n\n", b"|", b"&#0;", b"\xc3", b"-1", b"99999999999",
    b"%", b"\\",
)  # fmt: skip
DAMAGES: st.SearchStrategy[Damages] = st.lists(
    st.tuples(st.integers(0, 1_000_000), st.integers(0, 40), st.binary(max_size=8) | st.sampled_from(_MARKS)),
    min_size=1,
    max_size=8,
)

_LETTERS = st.text(
    st.characters(codec="utf-8") | st.sampled_from("aZ9 .,;:!?\u3002\u05d0\u0627\u4e2d\u00ad\u200f\u2028\ufeff\x00\t"),
    max_size=30,
)
_LINES = (
    "# ", "## ", "- ", "  - ", "1. ", "> ", "```", "~~~", "---", "===", "| a | b |", "[x]: y", "    ", "***", "<table>",
    "</td>", "<!--", "[^1]: ", "$$", ": ", "Name: x", "::", ".. ", "+--+--+", "|---|---|", "",
)  # fmt: skip
_TEXT_FILES = st.lists(st.tuples(st.sampled_from(_LINES), _LETTERS), max_size=25).map(
    lambda lines: "\n".join(mark + text for mark, text in lines).encode("utf-8", "surrogatepass")
)
_JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | _LETTERS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_LETTERS, inner, max_size=5),
    max_leaves=30,
)
_W_NAMES = (
    "p r t tbl tr tc pPr rPr pStyle numPr numId ilvl footnoteReference endnoteReference sdt sdtContent hyperlink ins"
    " del br tab gridSpan vMerge tcPr txbxContent drawing fldChar instrText outlineLvl b"
).split()
_W_VALUES = ("", "1", "-1", "Heading1", "9" * 30, "nonsense", "restart", "continue")
_XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="<&\ufffe\uffff"), max_size=20
)
_W_TREES: st.SearchStrategy[str] = st.recursive(
    _XML_TEXT.map(lambda text: f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'),
    lambda inner: st.tuples(st.sampled_from(_W_NAMES), st.sampled_from(_W_VALUES), st.lists(inner, max_size=4)).map(
        lambda made: f'<w:{made[0]} w:val="{made[1]}" w:id="{made[1]}">{"".join(made[2])}</w:{made[0]}>'
    ),
    max_leaves=25,
)
_OPERATORS = (
    "BT;ET;/F1 12 Tf;/F2 1e9 Tf;/F3 -4 Tf;(One. Two) Tj;(\\000\\377) Tj;[(a) -900 (b)] TJ;72 700 Td;0 -14 Td;"
    "1 0 0 1 50 50 Tm;0 1 -1 0 300 300 Tm;-1 0 0 -1 9 9 Tm;1e30 0 0 1e30 0 0 cm;0 0 0 0 0 0 Tm;3 Tr;q;Q;"
    "0 0 m 500 0 l S;10 10 400 1 re f;/P <</MCID 0>> BDC;EMC;T*;99 TL;(fi) ';50 Tz;-100 Tc;BI ID EI;/X Do;"
    "(1. item) Tj;(\\223quoted\\224) Tj"
).split(";")


def damaged(data: bytes, damages: Damages) -> bytes:
    """At each place (a millionth of the whole) so many bytes are replaced by others, fewer or more."""
    for place, gone, come in damages:
        at = place * len(data) // 1_000_000
        data = data[:at] + come + data[at + gone :]
    return data


def damaged_inside(data: bytes, damages: Damages) -> bytes:
    """A zip of which one member is damaged, its checksum right: what a reader of zips cannot see."""
    with zipfile.ZipFile(BytesIO(data)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    name = sorted(parts)[damages[0][0] % len(parts)]
    parts[name] = damaged(parts[name], damages)
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for member, part in parts.items():
            package.writestr(member, part)
    return buffer.getvalue()


def documents(kind: str) -> st.SearchStrategy[bytes]:
    """Documents of a format made of its own parts."""
    return _DOCUMENTS[kind]


def _docx(trees: list[str]) -> bytes:
    return zipped({"word/document.xml": f"<w:document {_W}><w:body>{''.join(trees)}</w:body></w:document>"})


def _pdf(pages: list[list[str]], wrong_count: int, high: int, wrong_length: int) -> bytes:
    """A PDF whose pages draw these operators; its numbers of pages and bytes are wrong by so much."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R /StructTreeRoot 3 0 R /MarkInfo << /Marked true >> >>"]
    kids = b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(len(pages)))
    objects.append(b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages) + wrong_count))
    objects.append(b"<< /Type /StructTreeRoot /K [<< /S /P /K 0 /Pg 4 0 R >> << /S /Table /K [3 0 R] >>] >>")
    fonts = b"/F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> /F3 << /Type /Font /Subtype /Type3 >>"
    for at, operators in enumerate(pages):
        stream = zlib.compress("\n".join(operators).encode("latin-1", "replace"))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 %d] /Resources << /Font << %s >> >> /Contents %d 0 R >>"
            % (792 * high, fonts, 5 + 2 * at)
        )
        objects.append(
            b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(stream) + wrong_length, stream)
        )
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (n, made) for n, made in enumerate(objects, start=1))
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>"


_WRONG = st.sampled_from((0, 0, 1, -1, 10**9))
_DOCUMENTS = {
    "md": _TEXT_FILES,
    "txt": _TEXT_FILES,
    "json": _JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    "docx": st.lists(_W_TREES, max_size=8).map(_docx),
    "pdf": st.builds(
        _pdf,
        st.lists(st.lists(st.sampled_from(_OPERATORS), max_size=40), min_size=1, max_size=3),
        _WRONG,
        st.sampled_from((1, 1, -1, 10**9)),
        _WRONG,
    ),
}
