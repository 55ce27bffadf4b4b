"""A1 to A9: verified bugs of the system that this one replaces, each with the defect that its test would see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from rdflib import Graph

from lace.compiler.v1 import compiler_pb2
from lace_cli.writing import save_compiled
from lace_client import LaceClient
from lace_compiler.adapters import render_owl
from lace_compiler.adapters.render_owl import OwlRenderer
from lace_compiler.adapters.render_pdf import PdfRenderer
from lace_compiler.domain.compose import compose
from lace_compiler.domain.settings import CompileSettings
from lace_core import actions as act
from lace_core import apply as applying
from lace_core import ir
from lace_core.applying.section import Section
from lace_core.canonical import sha256_hex
from lace_core.errors import LaceError, Reason
from lace_llm_gateway.adapters.anthropic.reading import MessageReading
from lace_llm_gateway.domain.answers import refuse_unfinished
from lace_llm_gateway.domain.exchange import FinishReason, Message, ProviderRequest
from lace_runs.adapters import locks
from lace_runs.app.results import read_result
from lace_runs.domain import steps
from lace_runs.domain.runs import Checkpoint
from tests.audit.mutation import changed, regression, replaced, without


def _paragraph(name: str) -> ir.Paragraph:
    sentence = ir.Sentence(sentence_id=f"sen_{name}", text=f"This is the paragraph {name}.")
    return ir.Paragraph(block_id=f"blk_{name}", sentences=(sentence,))


def _document(*blocks: ir.Block, title: str = "Title") -> ir.Artifact:
    node = ir.Node(node_id="nod_1", parent_id=None, order_key="n", title="Section", blocks=blocks)
    return ir.Artifact(artifact_id="art_1", title=title, nodes=(node,))


@regression(changed(Section.take, "self.blocks.pop(place)", "self.blocks.pop(place - 1)"))
def test_a1_removing_blocks_shifts_no_other() -> None:
    """Block deletion index shifting in deterministic apply."""
    document = _document(*map(_paragraph, "abcde"))
    removals = tuple(act.RemoveBlock(key=f"k{name}", block_id=f"blk_{name}") for name in "ac")
    applied = applying.apply(
        document, act.Proposal(base_hash="", actions=removals), applying.Policy(may_remove=True, on_conflict="rebase")
    )
    assert [block.block_id for block in applied.artifact.nodes[0].blocks] == ["blk_b", "blk_d", "blk_e"]


@regression(changed(save_compiled, "folder / (slug", "Path() / (slug"))
def test_a2_every_file_goes_to_the_folder_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compiled_dir` parameter ignored in recursive build path."""
    monkeypatch.chdir(tmp_path)
    made = [SimpleNamespace(compiled_id=f"cmp_{t}", target=t, ok=True) for t in ("md", "docx", "pdf", "owl")]

    def download(_compiled: Any, path: Path) -> Path:
        path.write_bytes(b"x")
        return path

    api: Any = SimpleNamespace(list_compiled=lambda *_, **__: made, download=download)
    done: Any = SimpleNamespace(compiled=made, artifact_id="art_1", revision_id="rev_1")
    folder = tmp_path / "out" / "deep"
    saved = save_compiled(api, done, "The Bridge", folder)
    assert sorted(saved) == sorted(folder.iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@regression(changed(LaceClient.download, 'path.with_name(f".{path.name}.{os.getpid()}.part")', "path"))
def test_a3_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Non-atomic artifact writes."""
    place = tmp_path / "bridge.pdf"
    place.write_bytes(b"the whole of the last edition")

    def breaking_off(_url: str, to: Path) -> str:
        to.write_bytes(b"half of the n")
        raise ConnectionError

    client: Any = SimpleNamespace(_transport=SimpleNamespace(download=breaking_off))
    with pytest.raises(ConnectionError):
        LaceClient.download(client, compiler_pb2.Compiled(download_url="/v1/x"), place)
    assert place.read_bytes() == b"the whole of the last edition"
    assert list(tmp_path.iterdir()) == [place]


@regression(without(locks, "TAKE_LOCK", " AND artifact_locks.lock_epoch <= excluded.lock_epoch"))
async def test_a4_a_late_heartbeat_takes_no_lock_back(database: Any, tenant_id: str) -> None:
    """Lock heartbeat race condition: who was taken over renews nothing, however late its heartbeat comes."""
    async with database("runs").transaction(tenant_id) as tx:
        await locks.take_lock(tx, tenant_id, "art_1", "run_1", 2, 30)
        with pytest.raises(LaceError) as refused:
            await locks.take_lock(tx, tenant_id, "art_1", "run_1", 1, 30)
    assert refused.value.reason is Reason.ARTIFACT_LOCKED


def _checkpoint(data: str, digest: str) -> Checkpoint:
    values: dict[str, Any] = {
        "step_id": "load",
        "output_type": "Loaded",
        "output_hash": digest,
        "data": data,
        "uri": "",
    }
    return Checkpoint(**values)


@regression(
    changed(read_result, "if checkpoint.uri:", "if not checkpoint.uri:"),
    changed(read_result, "!= checkpoint.output_hash", "== ''"),
)
def test_a5_a_run_resumes_with_inline_results_or_says_why_not() -> None:
    """Resume with inline JSON refs silently fails."""
    loaded = steps.Loaded(base_revision_id="rev_1", base_hash="ab", has_outline=True)
    data = steps.encode(loaded).decode()
    nowhere: Any = SimpleNamespace()
    assert asyncio.run(read_result(_checkpoint(data, sha256_hex(data.encode())), nowhere)) == loaded
    with pytest.raises(LaceError) as lost:
        asyncio.run(read_result(_checkpoint(data.replace("rev_1", "rev_2"), sha256_hex(data.encode())), nowhere))
    assert lost.value.reason is Reason.BLOB_CORRUPT


def _lossy(encode: Any) -> Any:
    """As it was: what is neither a mapping nor a string is passed over."""

    def encoded(artifact: ir.Artifact) -> bytes:
        kept = tuple(b for b in artifact.nodes[0].blocks if isinstance(b, ir.Opaque) and b.raw[0] in '{"')
        return bytes(encode(_document(*kept)))

    return encoded


@regression(replaced(ir, "encode", _lossy))
def test_a6_no_kind_of_block_is_lost_on_a_round_trip() -> None:
    """IR round-trip silently drops non-dict/non-string blocks."""
    odd = ('{"kind": "hologram",  "n": 1.0}', "[1, 2,  3]", '"plain"', "null")
    document = _document(*(ir.Opaque(block_id=f"blk_{i}", raw=raw) for i, raw in enumerate(odd)))
    blocks = ir.decode(ir.encode(document)).nodes[0].blocks
    assert [block.raw for block in blocks if isinstance(block, ir.Opaque)] == list(odd)


@regression(changed(MessageReading._finish, 'finish_reason_of("anthropic", self._stop or "")', "FinishReason.STOP"))
def test_a7_anthropics_cut_answers_are_not_taken_for_whole() -> None:
    """Anthropic provider ignores truncation stop reason."""
    asked = ProviderRequest("", (Message("user", "Say all."),), None, "any-model", 0, 200, 5.0)
    reading = MessageReading(asked, as_tool=False)
    usage = {"input_tokens": 3, "output_tokens": 200}
    content = [{"type": "text", "text": "All is"}]
    reading.whole(orjson.dumps({"id": "m", "content": content, "stop_reason": "max_tokens", "usage": usage}))
    answer = reading.answer()
    assert answer.finish_reason is FinishReason.LENGTH
    with pytest.raises(LaceError) as cut:
        refuse_unfinished(answer)
    assert cut.value.reason is Reason.PROVIDER_OUTPUT_TRUNCATED


def _short(whole: Any) -> Any:
    """A renderer that stops after so many sections, as the old one did."""

    def render(self: Any, document: Any, settings: Any) -> Any:
        import dataclasses

        return whole(self, dataclasses.replace(document, sections=document.sections[:20]), settings)

    return render


@regression(replaced(PdfRenderer, "render", _short))
def test_a8_a_long_document_is_whole_in_the_pdf() -> None:
    """PDF compiler silent truncation limits."""
    import io

    import pypdf

    root = ir.Node(node_id="nod_0", parent_id=None, order_key="V", title="Long")
    words = "A sentence that is long enough to be broken over lines and pages, as sentences of reports are. "
    nodes = tuple(
        ir.Node(
            node_id=f"nod_{i}", parent_id="nod_0", order_key=f"V{chr(65 + i // 26)}{chr(65 + i % 26)}",
            title=f"Section {i}",
            blocks=(ir.Paragraph(block_id=f"blk_{i}", sentences=(
                ir.Sentence(sentence_id=f"sen_{i}", text=f"{words * 12}Mark{i:03}."),
            )),),
        )
        for i in range(1, 41)
    )  # fmt: skip
    document = compose(ir.Artifact(artifact_id="art_1", title="Long", nodes=(root, *nodes)), "", "", CompileSettings())
    pdf = pypdf.PdfReader(io.BytesIO(PdfRenderer().render(document, CompileSettings()).data))
    text = "".join(page.extract_text() for page in pdf.pages)
    assert all(f"Mark{i:03}" in text for i in range(1, 41))


@regression(changed(render_owl._segment, 'quote(identifier, safe="")', 'identifier.lower().replace(" ", "-")'))
def test_a9_two_things_never_share_an_iri() -> None:
    """OWL compiler slug collisions: alike titles, and ids that a slug would make alike."""
    names = ("a b", "a-b", "A b", "a.b", "a~b", "a/b")
    root = ir.Node(node_id="nod_0", parent_id=None, order_key="V", title="Same")
    nodes = tuple(
        ir.Node(node_id=name, parent_id="nod_0", order_key=f"V{chr(65 + i)}", title="Same title")
        for i, name in enumerate(names)
    )
    document = compose(ir.Artifact(artifact_id="art_1", title="T", nodes=(root, *nodes)), "", "", CompileSettings())
    turtle = OwlRenderer().render(document, CompileSettings()).data
    graph = Graph().parse(data=turtle.decode(), format="turtle")
    titled = {str(s) for s, _, o in graph if str(o) == "Same title" and "/section/" in str(s)}
    assert len(titled) == len(names)
