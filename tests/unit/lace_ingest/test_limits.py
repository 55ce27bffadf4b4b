"""Limits out of settings: each has a setting, and what settings leave out has the registry's default."""

from __future__ import annotations

from dataclasses import fields

from lace_core.settings import resolve
from lace_ingest.domain.limits import SETTINGS, ExtractionLimits, limits_of


def test_every_limit_is_a_setting() -> None:
    assert set(SETTINGS) == {field.name for field in fields(ExtractionLimits)}


def test_defaults_are_those_of_the_registry() -> None:
    assert limits_of(resolve([]).values) == ExtractionLimits() == limits_of({})


def test_pinned_settings_are_taken() -> None:
    found = limits_of({"ingest.cpu_s": 7, "ingest.max_archive_ratio": 50, "runs.lease_s": 3})
    assert (found.cpu_s, found.zip_ratio, found.wall_s) == (7, 50, 120)
