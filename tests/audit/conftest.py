"""The world of runs, for items of the catalogue that show in a run alone."""

from __future__ import annotations

from tests.integration.lace_runs.conftest import world

__all__ = ["world"]
