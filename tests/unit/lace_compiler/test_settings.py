"""Settings of compilation come from the one registry; their hash covers what the bytes depend on."""

from __future__ import annotations

from typing import Any

import pytest

from lace_compiler.domain.settings import CompileLimits, CompileSettings, PageSize, limits_of, settings_of
from lace_core.canonical import hash_json
from lace_core.errors import LaceError, Reason
from lace_core.settings import SETTINGS


def test_an_empty_snapshot_gives_the_defaults_of_the_registry() -> None:
    assert settings_of({}) == CompileSettings()
    assert limits_of({}) == CompileLimits(
        SETTINGS["compile.timeout_s"].default, SETTINGS["compile.memory_bytes"].default
    )


def test_every_choice_of_the_registry_is_understood() -> None:
    for choice in SETTINGS["compile.page_size"].choices:
        assert settings_of({"compile.page_size": choice}).page_size == PageSize(choice)


@pytest.mark.parametrize(
    ("key", "value"), [("compile.page_size", "a0"), ("compile.toc_depth", 99), ("compile.quotes", "yes")]
)
def test_a_wrong_value_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(LaceError, match=key) as caught:
        settings_of({key: value})
    assert caught.value.reason is Reason.SETTING_INVALID


def test_the_hash_covers_what_the_bytes_depend_on_and_no_more() -> None:
    plain = settings_of({})
    assert plain.settings_hash == hash_json(
        {"compile.appendices": True, "compile.page_size": "a4", "compile.quotes": True, "compile.toc_depth": 3}
    )
    assert settings_of({"compile.timeout_s": 7, "llm.model": "x"}).settings_hash == plain.settings_hash
    others: list[dict[str, Any]] = [
        {"compile.page_size": "us-letter"},
        {"compile.quotes": False},
        {"compile.toc_depth": 2},
        {"compile.appendices": False},
    ]
    assert len({plain.settings_hash, *(settings_of(other).settings_hash for other in others)}) == 5
