"""What a file is by its first bytes, whatever its name says: the marks that formats begin with."""

from __future__ import annotations

from collections.abc import Iterator

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_LOCAL_HEADER, _NAME_SIZE_AT, _NAME_AT = b"PK\x03\x04", 26, 30  # APPNOTE 4.3.7
_ZIP = (_LOCAL_HEADER, b"PK\x05\x06")
_IN_ZIP = (
    (b"word/", "a DOCX file"),
    (b"xl/", "an XLSX file"),
    (b"ppt/", "a PPTX file"),
    (b"META-INF/MANIFEST.MF", "a Java archive"),
)
_IN_TYPED_ZIP = (
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"mimetypeapplication/epub+zip", "an EPUB file"),
)
_MARKS = (
    (b"%PDF-", "a PDF file"),
    (_OLD_OFFICE, "an old Office file (doc, xls, ppt) or an encrypted one"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"(\xb5/\xfd", "a zstd file"),
    (b"7z\xbc\xaf", "a 7z file"),
    (b"Rar!", "a rar file"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\x00", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%!PS-Adobe", "a PostScript file"),
    (b"{\\rtf", "an RTF file"),
)
# The name of the stream that holds an encrypted document of Office, as it stands in the file.
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")


def is_zip(head: bytes) -> bool:
    """Whether these are the first bytes of a zip file."""
    return head.startswith(_ZIP)


def is_old_office(head: bytes) -> bool:
    """Whether these are the first bytes of a compound file: an Office file of before 2007, or an encrypted one."""
    return head.startswith(_OLD_OFFICE)


def is_encrypted_office(data: bytes) -> bool:
    """Whether a whole file is a document of Office behind a password ([MS-OFFCRYPTO] 2.3)."""
    return is_old_office(data) and _ENCRYPTED_STREAM in data


def named(head: bytes) -> str:
    """What a file with these first bytes is, with its article; empty where no mark is known."""
    if is_zip(head):
        return _named_zip(head)
    return next((name for mark, name in _MARKS if head.startswith(mark)), "")


def _named_zip(head: bytes) -> str:
    """By what it says first, or by its first members, whose names stand in clear."""
    typed = next((name for mark, name in _IN_TYPED_ZIP if head.startswith(mark, _NAME_AT)), "")
    members = list(_members(head))
    return typed or next((n for mark, n in _IN_ZIP if any(m.startswith(mark) for m in members)), "a zip file")


def _members(head: bytes) -> Iterator[bytes]:
    at = head.find(_LOCAL_HEADER)
    while at >= 0:
        size = int.from_bytes(head[at + _NAME_SIZE_AT : at + _NAME_SIZE_AT + 2], "little")
        yield head[at + _NAME_AT : at + _NAME_AT + size]
        at = head.find(_LOCAL_HEADER, at + 1)
