"""The settings that shape a compiled document, read from a run's pinned snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lace_core.canonical import hash_json
from lace_core.settings import SETTINGS


class PageSize(StrEnum):
    """Paper of docx and pdf."""

    A4 = "a4"
    US_LETTER = "us-letter"


@dataclass(frozen=True, slots=True)
class CompileSettings:
    """Choices of form; what a document says never depends on them.

    `toc_depth` is the deepest heading level in the table of contents; `quotes` shows the quoted spans in the list
    of sources; without `appendices` the text stands alone, and numbers that would lead nowhere are left out with them.
    """

    page_size: PageSize = PageSize.A4
    toc_depth: int = 3
    quotes: bool = True
    appendices: bool = True

    @property
    def settings_hash(self) -> str:
        """SHA-256 of these settings alone: others may differ without a byte of the file differing."""
        return hash_json({f"compile.{name}": value for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class CompileLimits:
    """What compiling one target may take: seconds of wall clock and bytes of memory."""

    timeout_s: int
    memory_bytes: int


def settings_of(snapshot: Mapping[str, Any]) -> CompileSettings:
    """The form that a settings snapshot asks for; defaults where it says nothing. Raises SETTING_INVALID."""
    return CompileSettings(
        page_size=PageSize(_value(snapshot, "compile.page_size")),
        toc_depth=_value(snapshot, "compile.toc_depth"),
        quotes=_value(snapshot, "compile.quotes"),
        appendices=_value(snapshot, "compile.appendices"),
    )


def limits_of(snapshot: Mapping[str, Any]) -> CompileLimits:
    """The limits that a settings snapshot sets; defaults where it says nothing. Raises SETTING_INVALID."""
    return CompileLimits(_value(snapshot, "compile.timeout_s"), _value(snapshot, "compile.memory_bytes"))


def _value(snapshot: Mapping[str, Any], key: str) -> Any:
    setting = SETTINGS[key]
    return setting.check(snapshot[key]) if key in snapshot else setting.default
