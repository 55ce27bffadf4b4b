"""The compiler's version: part of every compiled file's identity."""

from __future__ import annotations

from typing import Final

# Raised with every change that can alter a byte of any output, a new release of a rendering library included:
# the same revision, version and settings snapshot must give the same bytes for ever.
COMPILER_VERSION: Final = "1.2.0"

GENERATOR: Final = f"LACE compiler {COMPILER_VERSION}"
