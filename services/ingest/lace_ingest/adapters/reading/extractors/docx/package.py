"""Opens a DOCX file as a zip of bounded size: nothing is inflated before its directory entry was judged."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from lxml import etree

from lace_core.errors import LaceError, Reason
from lace_ingest.domain.limits import ExtractionLimits

_CHUNK = 1 << 16
_RATIO_FROM = 1 << 20  # small members may compress well without harm
_ENCRYPTED_FLAG = 0x1


class Package:
    """The members of a DOCX file.

    Raises SOURCE_UNREADABLE (no zip, broken zip, no document in it), SOURCE_ENCRYPTED, SOURCE_LIMIT_EXCEEDED (more
    members, larger members or a higher compression ratio than the limits allow, whatever the directory declares).
    """

    def __init__(self, data: bytes, limits: ExtractionLimits) -> None:
        self._limits = limits
        self._inflated = 0
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            infos = self._zip.infolist()
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, OSError, IndexError):
            raise _unreadable("not a zip file, or a broken one") from None
        if len(infos) > limits.zip_members:
            raise _too_big(f"it holds more than {limits.zip_members} members")
        self._infos = {info.filename: info for info in infos}

    def has(self, name: str) -> bool:
        """Whether there is such a member."""
        return name in self._infos

    def read(self, name: str) -> bytes:
        """The inflated bytes of a member; counted while they inflate."""
        info = self._infos.get(name)
        if info is None:
            raise _unreadable(f"{name} is missing")
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise LaceError(Reason.SOURCE_ENCRYPTED, "The file is encrypted; remove its password.")
        self._judge(info)
        try:
            return b"".join(self._inflate(info))
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError):
            raise _unreadable(f"{name} is damaged") from None

    def _judge(self, info: zipfile.ZipInfo) -> None:
        if info.file_size > self._limits.zip_member_bytes:
            raise _too_big(f"{info.filename} is larger than {self._limits.zip_member_bytes} bytes")
        if info.file_size > _RATIO_FROM and info.file_size > self._limits.zip_ratio * max(info.compress_size, 1):
            raise _too_big(f"{info.filename} inflates more than {self._limits.zip_ratio} times")

    def _inflate(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        size = 0
        with self._zip.open(info) as member:
            while chunk := member.read(_CHUNK):
                size += len(chunk)
                self._inflated += len(chunk)
                if size > self._limits.zip_member_bytes or self._inflated > self._limits.zip_total_bytes:
                    raise _too_big(f"{info.filename} inflates to too many bytes")
                yield chunk

    def tree(self, name: str) -> etree._Element | None:
        """The root element of an XML member, None where there is no such member."""
        return parse_xml(self.read(name), name) if self.has(name) else None


def parse_xml(data: bytes, name: str) -> etree._Element:
    """The root of an XML text without a document type: none of OOXML has one, all entity attacks do."""
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise _unreadable(f"{name} is no well-formed XML ({error.msg})") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _unreadable(f"{name} declares a document type")
    return root


def _unreadable(why: str) -> LaceError:
    return LaceError(Reason.SOURCE_UNREADABLE, f"The file is not a readable DOCX file: {why}.")


def _too_big(why: str) -> LaceError:
    return LaceError(Reason.SOURCE_LIMIT_EXCEEDED, f"The DOCX file is too big to be read: {why}.")
