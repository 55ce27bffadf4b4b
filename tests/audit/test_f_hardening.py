"""F1 to F4: small leaks and missing guards."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from lace.control.v1 import control_pb2
from lace_core.errors import LaceError, Reason
from lace_core.migrations import chain
from lace_llm_gateway.domain import capabilities
from lace_proto import json
from tests.audit.mutation import changed, regression, replaced

ROOT = Path(__file__).parents[2]
# Without a bound, and of what is few and known beforehand: contracts, tokenizers, data files, types.
_CLOSED = {"packaged", "template_of", "_table", "named_set", "fields_of", "_leading"}


@regression(changed(json._field, '_NULL if field.message_type.full_name == "google.protobuf.Value" else None', "None"))
def test_f1_what_marks_a_missing_value_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """`_MISSING` sentinel leak prevention: null is a value where JSON is free, absent is absent, and neither a mark."""
    monkeypatch.setattr(json, "_codecs", {})
    schema = control_pb2.SettingDefinition
    absent = json.from_json(schema, b'{"key":"a"}')
    given = json.from_json(schema, b'{"key":"a","default_value":null}')
    assert (absent.HasField("default_value"), given.HasField("default_value")) == (False, True)
    assert "default_value" not in orjson.loads(json.to_json(absent))
    assert orjson.loads(json.to_json(given))["default_value"] is None


def _sources() -> Mapping[str, str]:
    """Our own Python by path, generated code left out."""
    folders = ("libs/lace_core", "libs/lace_platform", "libs/lace_proto/lace_proto", "services", "clients")
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _unbounded(source: str) -> Iterator[str]:
    """Functions that keep an answer for each of their arguments, however many there are."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.args.args:
            continue
        for mark in map(ast.unparse, node.decorator_list):
            bare = mark.removeprefix("functools.")
            if bare in ("cache", "lru_cache(maxsize=None)", "lru_cache(None)"):
                yield node.name


_LEAK = "from functools import cache\n@cache\ndef page(title):\n    return title\n"


@regression(replaced(sys.modules[__name__], "_sources", lambda read: lambda: {**read(), "page.py": _LEAK}))
def test_f2_no_cache_grows_without_bound() -> None:
    """Unbounded UI cache growth."""
    found = {name for source in _sources().values() if "cache" in source for name in _unbounded(source)}
    assert found == _CLOSED


@regression(changed(chain.migrate, 'form.get("ir_schema_version") != at + 1', "False"))
def test_f3_a_migration_that_does_not_move_on_ends_at_once() -> None:
    """Migration loop guard on version advancement."""
    for wrong in (1, 0, 3, None):

        def standing(form: Mapping[str, Any], left_at: int | None = wrong) -> Mapping[str, Any]:
            return {**form, "ir_schema_version": left_at}

        with pytest.raises(chain.MigrationStuck):
            chain.migrate({"ir_schema_version": 1}, {1: standing}, target=2)


@regression(changed(capabilities.matrix_of, "_check(provider.provider, model)", "pass"))
def test_f4_data_that_services_start_with_is_checked_when_they_start() -> None:
    """Startup schema validation sweep: the matrix of models, as settings and contracts are, too."""
    whole = orjson.loads((Path(capabilities.__file__).parent / "capabilities.json").read_bytes())
    assert capabilities.matrix_of(orjson.dumps(whole)).keys() == capabilities.capabilities().keys()
    model = next(provider["models"][0] for provider in whole["providers"] if provider["models"])
    model["max_output_tokens"] = 0
    with pytest.raises(LaceError) as refused:
        capabilities.matrix_of(orjson.dumps(whole))
    assert refused.value.reason is Reason.CAPABILITIES_INVALID
