"""D1 to D8: values that were written into the code; each is a setting now, and what is set is what is used."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import docx
import pytest

from lace_compiler.adapters.render_docx import DocxRenderer
from lace_compiler.domain import settings as forms
from lace_compiler.domain.compose import compose
from lace_core import ir
from lace_core.errors import Reason
from lace_core.pipeline import KINDS
from lace_core.settings import Layer, resolve
from lace_llm_gateway.domain.settings import call_settings
from lace_runs.app.documents.land import Landing
from lace_runs.app.documents.write import Writing
from lace_runs.domain import steps
from lace_runs.domain.limits import step_limits
from tests.audit.mutation import changed, regression
from tests.doubles.runs_world import World


def _given(**values: Any) -> Mapping[str, Any]:
    return resolve([Layer("request", {name.replace("__", "."): value for name, value in values.items()})]).values


@regression(changed(call_settings, 'model=value("model")', 'model="gpt-4o"'))
def test_d1_the_model_is_a_setting() -> None:
    """Default model id."""
    assert call_settings(_given(llm__model="another-model")).model == "another-model"


@regression(changed(call_settings, 'context_tokens=value("context_tokens")', "context_tokens=24_000"))
def test_d2_the_context_budget_is_a_setting() -> None:
    """Context token budget defaults."""
    assert call_settings(_given(llm__context_tokens=5000)).context_tokens == 5000


@regression(changed(call_settings, 'max_output_tokens=value("max_output_tokens")', "max_output_tokens=4096"))
def test_d3_the_output_limit_is_a_setting() -> None:
    """Output token limits."""
    assert call_settings(_given(llm__max_output_tokens=777)).max_output_tokens == 777


@regression(changed(forms.limits_of, '_value(snapshot, "compile.memory_bytes")', "1 << 30"))
def test_d4_what_a_compilation_may_take_is_a_setting() -> None:
    """PDF truncation constants: nothing is cut (see A8); what bounds a compilation is set, and told when it is met."""
    found = forms.limits_of(_given(compile__timeout_s=7, compile__memory_bytes=1 << 29))
    assert found == forms.CompileLimits(timeout_s=7, memory_bytes=1 << 29)


@regression(changed(forms.settings_of, 'PageSize(_value(snapshot, "compile.page_size"))', "PageSize.A4"))
def test_d5_the_paper_of_a_docx_is_a_setting() -> None:
    """DOCX page defaults."""
    node = ir.Node(node_id="nod_1", parent_id=None, order_key="n", title="T")
    form = forms.settings_of(_given(compile__page_size="us-letter"))
    document = compose(ir.Artifact(artifact_id="art_1", title="T", nodes=(node,)), "", "", form)
    page = docx.Document(io.BytesIO(DocxRenderer().render(document, form).data)).sections[0]
    assert (page.page_width, page.page_height) == (docx.shared.Inches(8.5), docx.shared.Inches(11))


@regression(changed(Landing.validate, 'int(self.settings["runs.max_nodes"])', "2000"))
async def test_d6_the_number_of_nodes_is_a_setting(world: World) -> None:
    """CLI `max_nodes`."""
    run = await world.start("generate", {"runs.max_nodes": 2}, title="The bridge")
    async with world.worker():
        ended = await world.until(run.run_id, "succeeded", "failed")
    assert ended.error_code == Reason.IR_INVALID.value


class _Asked(Exception):
    """The model was asked whether to split."""


class _Splitter(Writing):
    """The step strategy of a node that has facts enough, without a run around it."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)

    def _rests_on(self, *_: Any) -> None:
        """There is nothing to record it in."""

    async def _rules_for(self, node: steps.PlannedNode) -> ir.Constraints:
        return ir.Constraints()

    def _strategy_input(self, *_: Any) -> Any:
        raise _Asked


@regression(changed(Writing.strategy, 'int(self.settings["runs.max_depth"])', "3"))
async def test_d7_the_depth_of_splitting_is_a_setting() -> None:
    """CLI `max_split_depth`."""
    node = steps.PlannedNode(
        node_id="nod_1", parent_id="nod_0", key="k", title="T", brief="", queries=(), path=(), depth=2
    )
    grounds: Any = [SimpleNamespace(fact=SimpleNamespace(fact_id=f"f{i}")) for i in range(20)]
    scope: Any = SimpleNamespace()
    shallow = await _Splitter(_given(runs__max_depth=2)).strategy(scope, node, grounds, room=10)
    assert shallow.strategy.decision == "write"
    with pytest.raises(_Asked):
        await _Splitter(_given(runs__max_depth=3)).strategy(scope, node, grounds, room=10)


@regression(
    changed(call_settings, 'timeout_s=float(value("timeout_s"))', "timeout_s=120.0"),
    changed(step_limits, "step.timeout_s or timeouts.get(step.name) or everywhere", "180"),
)
def test_d8_how_long_a_provider_may_take_is_a_setting() -> None:
    """Provider timeout defaults."""
    given = _given(llm__timeout_s=9, runs__step_timeout_s=11)
    assert (call_settings(given).timeout_s, step_limits(KINDS["llm"], given).timeout_s) == (9.0, 11.0)
