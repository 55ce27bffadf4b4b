"""B1 to B6: errors that once came through raw, or were not found at all."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lace_cli import main
from lace_compiler.domain import check
from lace_core import contracts, ir
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extraction_child import Order, read_document
from lace_ingest.adapters.reading.extractors.docx.package import Package
from lace_ingest.domain import formats
from lace_ingest.domain.formats import SourceFormat, check_filename
from lace_ingest.domain.limits import ExtractionLimits
from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.http.client import Exchange
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.domain.exchange import Message, ProviderRequest
from lace_runs.app.documents.write import Writing
from lace_runs.domain import steps
from tests.audit.mutation import changed, regression, replaced
from tests.doubles.hostile_files import docx


@regression(
    changed(Package.read, "(zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError)", "()")
)
def test_b1_a_broken_docx_is_a_coded_error() -> None:
    """DOCX parsing not safely wrapped: whatever byte is wrong, the reading ends with a code of its own."""
    whole = bytearray(docx())
    for place in range(0, len(whole), 7):
        broken = bytes(whole[:place]) + bytes([whole[place] ^ 0xFF]) + bytes(whole[place + 1 :])
        with contextlib.suppress(LaceError):
            read_document(Order("a.docx", SourceFormat.DOCX, ExtractionLimits()), broken)


@regression(
    changed(formats._name_problem, 'if ".." in filename:', "if not filename:"),
    changed(formats._name_problem, 'if "/" in filename or "\\\\" in filename:', "if not filename:"),
)
def test_b2_no_file_name_leads_out_of_its_folder() -> None:
    """Source ingestion path traversal risk."""
    for name in ("a..b.md", "a/b.md", "/etc/passwd.md", "a\\b.md", "../a.md"):
        with pytest.raises(LaceError) as refused:
            check_filename(name)
        assert refused.value.reason is Reason.SOURCE_NAME_INVALID


@regression(changed(main.run, "except Exception as error:", "except ZeroDivisionError as error:"))
def test_b3_a_file_that_cannot_be_used_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CLI file I/O errors surface raw tracebacks."""
    monkeypatch.setenv("LACE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LACE_TOKEN", "lace_secret")
    monkeypatch.delenv("LACE_TRACEBACK", raising=False)
    code = main.run(["ingest", str(tmp_path / "not-there.md")])
    told = capsys.readouterr().err
    assert code == 2
    assert re.fullmatch(r"lace: .*not-there\.md does not exist\. \[PATH_NOT_FOUND\]\n", told)


@regression(changed(Exchange._fail, "aiohttp.ClientError | OSError", "ZeroDivisionError"))
async def test_b4_a_provider_that_cannot_be_opened_takes_nobody_along() -> None:
    """Plugin factory failures can crash pipeline: what is wrong with one is told by a code, at its own calls."""
    asked = ProviderRequest("", (Message("user", "Say all."),), None, "any-model", 0, 200, 2.0)
    for made in (
        OpenAIProvider(OpenAISettings("key", "no address at all", "any-model")),
        AnthropicProvider(AnthropicSettings("key", "http://127.0.0.1:9", "any-model")),
    ):
        try:
            with pytest.raises(LaceError) as failed:
                await made.complete(asked)
        finally:
            await made.close()
        assert failed.value.reason is Reason.PROVIDER_UNAVAILABLE


@regression(replaced(check, "_tree", lambda _: lambda artifact: iter(())))
def test_b5_a_circle_of_nodes_is_never_compiled() -> None:
    """Graph cycle detection missing in compilers."""
    nodes = (
        ir.Node(node_id="nod_0", parent_id=None, order_key="n", title="Root"),
        ir.Node(node_id="nod_1", parent_id="nod_2", order_key="n", title="One"),
        ir.Node(node_id="nod_2", parent_id="nod_1", order_key="n", title="Two"),
    )
    with pytest.raises(LaceError) as refused:
        check.check(ir.Artifact(artifact_id="art_1", title="T", nodes=nodes))
    assert refused.value.reason is Reason.IR_INVALID
    assert any("cycle" in detail.description for detail in refused.value.details)


class _Planner(Writing):
    """The step strategy's reading of an answer, without a run around it."""

    def __init__(self) -> None:
        self.run: Any = SimpleNamespace(run_id="run_1", artifact_id="art_1")

    async def headed(self, scope: Any, node: steps.PlannedNode) -> steps.PlannedNode:
        """No rule is in force for headings."""
        return node


@regression(
    changed(Writing._children, "if 2 <= len(children) <= most", "if True"),
    changed(Writing._children, "if f in left", "if f"),
)
async def test_b6_a_plan_that_breaks_its_policy_splits_nothing() -> None:
    """Strategy plan schema/policy assumption mismatch: fewer than two children, more than may be, facts of others."""
    node = steps.PlannedNode(
        node_id="nod_1", parent_id="nod_0", key="k", title="Whole", brief="", queries=(), path=(), depth=1
    )

    def planned(*facts: tuple[str, ...]) -> contracts.Strategy:
        children = tuple(contracts.PlannedChild(title=f"Part {i}", brief="", fact_ids=f) for i, f in enumerate(facts))
        return contracts.Strategy(decision="split", reason="long", children=children)

    scope: Any = SimpleNamespace()

    async def children(plan: contracts.Strategy) -> list[tuple[str, ...]]:
        return (await _Planner()._children(scope, node, plan, {"f1", "f2", "f3"}, 2))[1]

    assert await children(planned(("f1",), ("f2", "f2"))) == [("f1",), ("f2",)]
    assert await children(planned(("f1", "f2", "f3"))) == []
    assert await children(planned(("f1",), ("f2",), ("f3",))) == []
    assert await children(planned(("f1", "f9"), ("f1", "f2"))) == [("f1",), ("f2",)]
