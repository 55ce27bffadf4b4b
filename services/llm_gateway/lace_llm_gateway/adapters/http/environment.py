"""Settings of providers as the environment has them."""

from __future__ import annotations

from collections.abc import Mapping


def first(environ: Mapping[str, str], *names: str) -> str:
    """The first of these variables that says something; empty where none does."""
    return next((environ[name].strip() for name in names if environ.get(name, "").strip()), "")
