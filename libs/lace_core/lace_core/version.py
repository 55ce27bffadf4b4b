"""The version of LACE: raised here with a release, and read from here by all else, the packages' metadata too."""

from __future__ import annotations

VERSION = "0.5.0"
