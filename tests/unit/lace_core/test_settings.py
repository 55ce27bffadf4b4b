"""Settings: one registry, values checked where they enter, layers resolved in one order."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lace_core.canonical import hash_json
from lace_core.errors import LaceError, Reason
from lace_core.settings import (
    LAYERS,
    SETTINGS,
    Layer,
    Setting,
    check_values,
    environment_layer,
    resolve,
    settings_of_json,
)

_DEFINED = [pytest.param(setting, id=setting.key) for setting in SETTINGS.values()]


@pytest.mark.parametrize("setting", _DEFINED)
def test_every_default_passes_its_own_check(setting: Setting) -> None:
    assert setting.check(setting.default) == setting.default
    assert type(setting.check(setting.default)) is type(setting.default)
    assert setting.description.endswith(".")
    assert setting.scopes
    assert setting.kind != "int" or setting.minimum is not None is not setting.maximum


@pytest.mark.parametrize("setting", _DEFINED)
def test_every_default_can_be_given_as_a_variable(setting: Setting) -> None:
    text = ",".join(setting.default) if setting.kind in ("list", "map") else str(setting.default)
    assert setting.parse(text) == setting.default


def test_a_map_gives_numbers_by_name() -> None:
    timeouts = SETTINGS["runs.step_timeouts"]
    assert timeouts.parse("verify = 60, llm=120") == timeouts.check({"llm": 120.0, "verify": 60})
    assert timeouts.check({"llm": 120}) == {"llm": 120}
    refusable: tuple[object, ...] = (
        *({"sing": 1}, {"llm": 0}, {"llm": 86_401}, {"llm": 1.5}, {"llm": True}, {"llm": "1"}),
        *({1: 1}, [], 7),
    )
    for wrong in refusable:
        with pytest.raises(LaceError) as refused:
            timeouts.check(wrong)
        assert refused.value.reason is Reason.SETTING_INVALID
    for text in ("llm", "llm=", "llm=soon", "=1"):
        with pytest.raises(LaceError):
            timeouts.parse(text)


def test_keys_and_variables_are_distinct() -> None:
    variables = [setting.environment_variable for setting in SETTINGS.values()]
    assert len(set(variables)) == len(variables)
    assert SETTINGS["runs.max_nodes"].environment_variable == "LACE_RUNS_MAX_NODES"
    assert all(setting.default == "" for setting in SETTINGS.values() if setting.secret)
    assert all((setting.scopes == ("process",)) == ("." not in setting.key) for setting in SETTINGS.values())


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("runs.max_nodes", 0, "at least 1"),
        ("runs.max_nodes", 2001, "at most 2000"),
        ("runs.max_nodes", 1.5, "whole number"),
        ("runs.max_nodes", True, "whole number"),
        ("runs.max_nodes", "60", "whole number"),
        ("runs.max_nodes", float("inf"), "whole number"),
        ("runs.max_nodes", float("nan"), "whole number"),
        ("runs.max_nodes", 10**400, "at most"),
        ("runs.max_nodes", None, "whole number"),
        ("runs.must_cite", 1, "true or false"),
        ("llm.provider", "acme", "one of extractive, openai"),
        ("llm.model", 5, "a text"),
        ("compile.targets", "md", "list of texts"),
        ("compile.targets", ["md", 1], "list of texts"),
        ("compile.targets", ["md", "epub"], "only md, docx, pdf, owl"),
    ],
)
def test_values_out_of_bounds_are_refused(key: str, value: Any, problem: str) -> None:
    with pytest.raises(LaceError, match=problem) as refused:
        SETTINGS[key].check(value)
    assert refused.value.reason is Reason.SETTING_INVALID
    assert [detail.field for detail in refused.value.details] == [key]


@pytest.mark.parametrize("text", ["", "x", "--5", "²", "٣", "5.0", "0x10", "1" * 30])
def test_a_text_that_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(LaceError) as refused:
        SETTINGS["runs.max_nodes"].parse(text)
    assert refused.value.reason is Reason.SETTING_INVALID


@given(st.text(max_size=8))
def test_any_text_is_parsed_or_refused_with_a_reason(text: str) -> None:
    for key in ("runs.max_nodes", "runs.must_cite", "compile.targets", "llm.provider"):
        with contextlib.suppress(LaceError):  # any other exception fails the test
            SETTINGS[key].parse(text)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("runs.max_nodes", " 7 ", 7),
        ("runs.max_nodes", "7\x1f", 7),
        ("runs.must_cite", "Off", False),
        ("runs.must_cite", "YES", True),
        ("compile.targets", " md, pdf,", ["md", "pdf"]),
        ("allowed_origins", "", []),
        ("llm.model", "gpt", "gpt"),
    ],
)
def test_texts_are_parsed(key: str, text: str, value: Any) -> None:
    assert SETTINGS[key].parse(text) == value


def test_a_whole_float_becomes_an_integer() -> None:
    checked = SETTINGS["runs.max_nodes"].check(7.0)
    assert (checked, type(checked)) == (7, int)


def test_the_last_layer_that_says_something_wins() -> None:
    layers = [
        Layer("environment", {"runs.max_nodes": 10, "bus": "kafka"}),
        Layer("tenant", {"runs.max_nodes": 20, "runs.max_depth": 2}, version=4),
        Layer("request", {"runs.max_depth": 5}),
    ]
    snapshot = resolve(layers)
    assert (snapshot.values["runs.max_nodes"], snapshot.trace["runs.max_nodes"]) == (20, ("tenant", 4))
    assert (snapshot.values["runs.max_depth"], snapshot.trace["runs.max_depth"]) == (5, ("request", 0))
    assert snapshot.trace["runs.judge"] == ("default", 0)
    assert "bus" not in snapshot.values
    assert snapshot.settings_hash == hash_json(snapshot.values)
    assert snapshot.subset("runs.max_d", "runs.judge") == {"runs.judge": True, "runs.max_depth": 5}


def test_layers_out_of_order_or_unknown_are_refused() -> None:
    for names in (("request", "system"), ("nowhere",)):
        with pytest.raises(ValueError):
            resolve([Layer(name, {}) for name in names])
    assert resolve([Layer(name, {}) for name in LAYERS]) == resolve([])


def test_a_snapshot_does_not_share_its_lists() -> None:
    resolve([]).values["compile.targets"].clear()
    settings_of_json("")["compile.targets"].clear()
    assert resolve([]).values["compile.targets"] == ["md", "docx", "pdf", "owl"]


def test_the_environment_names_settings_by_variables() -> None:
    layer = environment_layer(
        "environment", {"LACE_RUNS_MAX_NODES": "9", "LACE_BUS": "kafka", "HOME": "/", "LACE_X": "1"}
    )
    assert (layer.name, dict(layer.values)) == ("environment", {"runs.max_nodes": 9, "bus": "kafka"})


@pytest.mark.parametrize(
    ("values", "scope", "reason"),
    [
        ({"runs.max_node": 1}, "tenant", Reason.SETTING_UNKNOWN),
        ({"bus": "kafka"}, "system", Reason.SETTING_SCOPE_FORBIDDEN),
        ({"runs.lease_ms": 900}, "tenant", Reason.SETTING_SCOPE_FORBIDDEN),
        ({"runs.max_nodes": 0}, "user", Reason.SETTING_INVALID),
    ],
)
def test_what_may_not_be_set_there_is_refused(values: dict[str, Any], scope: Any, reason: Reason) -> None:
    with pytest.raises(LaceError) as refused:
        check_values(values, scope)
    assert refused.value.reason is reason


def test_what_may_be_set_there_comes_back_checked() -> None:
    assert check_values({"runs.max_nodes": 5.0, "compile.targets": ("md",)}, "request") == {
        "compile.targets": ["md"],
        "runs.max_nodes": 5,
    }


def test_settings_of_a_job_lie_over_the_defaults() -> None:
    found = settings_of_json('{"runs.max_nodes": 3}')
    assert (found["runs.max_nodes"], found["runs.max_depth"]) == (3, 3)
    assert set(found) == set(resolve([]).values)
