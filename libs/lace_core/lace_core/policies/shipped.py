"""The policy that ships: it asks for nothing, and letting it hold is how another one ceases to."""

from __future__ import annotations

DEFAULT_NAME = "default"
DEFAULT_TEXT = """\
policy: default
version: 1
description: The policy that ships. It asks for nothing beyond the settings.
"""
