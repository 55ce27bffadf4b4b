"""E1 to E6: what no test looked at; each is shown by one that sees a defect there, beside the suites it is about."""

from __future__ import annotations

import asyncio
import io
import re
import secrets
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pypdf
import pytest

from lace_compiler.adapters.renderers import renderer_of
from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings
from lace_compiler.domain.target import Target
from lace_core import ir
from lace_core.errors import LaceError, Reason
from lace_ingest.adapters.reading.extraction_child import Order, read_document
from lace_ingest.adapters.reading.extractors.docx.package import Package
from lace_ingest.domain.formats import SourceFormat
from lace_ingest.domain.limits import ExtractionLimits
from lace_llm_gateway.adapters.anthropic.provider import AnthropicProvider, AnthropicSettings
from lace_llm_gateway.adapters.gemini.provider import GeminiProvider, GeminiSettings
from lace_llm_gateway.adapters.http.client import Posted
from lace_llm_gateway.adapters.openai.provider import OpenAIProvider, OpenAISettings
from lace_llm_gateway.domain.exchange import Message, ProviderRequest
from lace_platform.blobs import FolderBlobStore, UrlSigner
from lace_runs.adapters import artifacts as artifact_rows
from lace_runs.app import artifacts
from lace_runs.domain.runs import RunState
from tests.audit.mutation import changed, regression, replaced
from tests.doubles import anthropic_server, gemini_server, openai_server
from tests.doubles.hostile_files import docx_with_laughs, nested_zip_bomb, zip_bomb
from tests.doubles.runs_world import World

_ASKED = ProviderRequest("", (Message("user", "Say all."),), None, "any-model", 0, 200, 5.0)
_WIRES: tuple[tuple[Any, Callable[[str], Any]], ...] = (
    (openai_server, lambda url: OpenAIProvider(OpenAISettings("key", url, "any-model"))),
    (anthropic_server, lambda url: AnthropicProvider(AnthropicSettings("key", url, "any-model"))),
    (gemini_server, lambda url: GeminiProvider(GeminiSettings("key", url, "any-model"))),
)


@regression(changed(Posted.__aenter__, "response.status != 200", "response.status == 200"))
async def test_e1_every_provider_is_asked_over_a_real_connection() -> None:
    """No real-provider LLM integration path; keys of one's own: `make test-providers`."""
    for replies, made in _WIRES:
        async with replies.serving() as server:
            server.will(replies.text("All is said."))
            provider = made(server.base_url)
            try:
                assert (await provider.complete(_ASKED)).text == "All is said."
            finally:
                await provider.close()


def _read(name: str, kind: SourceFormat, data: bytes) -> Reason | None:
    try:
        read_document(Order(name, kind, ExtractionLimits()), data)
    except LaceError as refused:
        return refused.reason
    return None


@regression(
    changed(read_document, "if not data or data.isspace():", "if False:"),
    changed(read_document, "if not document.units:", "if False:"),
)
def test_e2_taking_in_a_document_refuses_what_holds_nothing() -> None:
    """Thin coverage for new intake steps."""
    assert _read("a.md", SourceFormat.MD, b" \n\t ") is Reason.SOURCE_EMPTY
    assert _read("a.md", SourceFormat.MD, b"<!-- nothing -->") is Reason.SOURCE_NO_TEXT
    assert _read("a.md", SourceFormat.MD, b"# A title\n\nA sentence.\n") is None


@regression(changed(Package._judge, "info.file_size > self._limits.zip_member_bytes", "False"))
def test_e3_hostile_files_are_refused_before_they_cost_anything() -> None:
    """Missing adversarial fixtures and assertions."""
    limits = ExtractionLimits(zip_member_bytes=1000, zip_ratio=1 << 30)
    with pytest.raises(LaceError) as refused:
        read_document(Order("a.docx", SourceFormat.DOCX, limits), zip_bomb())
    assert "is larger than 1000 bytes" in refused.value.message
    assert _read("a.docx", SourceFormat.DOCX, docx_with_laughs()) is Reason.SOURCE_UNREADABLE
    assert _read("a.docx", SourceFormat.DOCX, nested_zip_bomb()) is None


@regression(changed(FolderBlobStore._publish, "os.link(draft, place)", "os.replace(draft, place)"))
async def test_e4_of_writers_at_once_one_is_first_and_stays(tmp_path: Path) -> None:
    """Missing concurrency tests around locking/store."""
    store = FolderBlobStore(tmp_path, UrlSigner("secret"))
    key = f"ten_1/art_1/{secrets.token_hex(4)}/ir.json"
    texts = [f"edition {number}".encode() for number in range(8)]
    done = await asyncio.gather(
        *(store.put("lace-artifacts", key, text, "text/plain") for text in texts), return_exceptions=True
    )
    stored = [one for one in done if not isinstance(one, BaseException)]
    refused = [one.reason for one in done if isinstance(one, LaceError)]
    assert (len(stored), refused) == (1, [Reason.BLOB_CONFLICT] * 7)
    assert await store.get(stored[0].uri, stored[0].sha256) in texts


@regression(changed(artifact_rows._stored_of, "intact = found.ir_hash() == head.ir_hash", "intact = True"))
async def test_e5_a_document_that_was_altered_in_the_store_is_not_shown(world: World) -> None:
    """Missing corruption/recovery suites."""
    run = await world.start("generate", title="The bridge")
    async with world.worker():
        written = await world.until(run.run_id, "succeeded", "failed")
    assert written.state is RunState.SUCCEEDED
    await world.sql(
        """UPDATE runs.artifact_blocks SET body = CAST(replace(CAST(body AS text), '2021', '2031') AS jsonb)
           WHERE artifact_id = :artifact_id""",
        artifact_id=written.artifact_id,
    )
    with pytest.raises(LaceError) as refused:
        async with world.open(world.tenant_id) as work:
            await artifacts.show(work, world.tenant_id, written.artifact_id)
    assert refused.value.reason is Reason.IR_CORRUPT


_KILN = Path(__file__).parents[1] / "golden" / "compiler" / "kiln.json"


def _without_lists(render: Any) -> Any:
    """A renderer that passes lists over."""

    def rendered(self: Any, document: Document, settings: CompileSettings) -> Any:
        nodes = tuple(
            msgspec.structs.replace(node, blocks=tuple(b for b in node.blocks if not isinstance(b, ir.ListBlock)))
            for node in document.artifact.nodes
        )
        artifact = msgspec.structs.replace(document.artifact, nodes=nodes)
        return render(self, compose(artifact, "rev_golden", "", settings), settings)

    return rendered


def _text_of(target: Target, data: bytes) -> str:
    match target:
        case Target.DOCX:
            with zipfile.ZipFile(io.BytesIO(data)) as package:
                return "".join(re.findall(r"<w:t[^>]*>([^<]*)</w:t>", package.read("word/document.xml").decode()))
        case Target.PDF:
            return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)
        case _:
            return data.decode()


@regression(*(replaced(type(renderer_of(target)), "render", _without_lists) for target in Target))
def test_e6_every_target_says_what_the_golden_document_says() -> None:
    """Insufficient compiler golden tests across targets; beside the files of tests/golden/compiler."""
    settings = CompileSettings()
    document = compose(ir.decode(_KILN.read_bytes()), "rev_golden", "", settings)
    wanted = [
        word
        for node in document.artifact.nodes
        for block in node.blocks
        for part in ir.cited_parts(block)
        for word in re.findall(r"\b[a-z]{6,}\b", part.text)
    ]
    assert len(wanted) > 30
    for target in Target:
        text = re.sub(r"[\u00ad-]?\s+", "", _text_of(target, renderer_of(target).render(document, settings).data))
        missing = [word for word in wanted if word not in text]
        assert not missing, f"{target}: {missing}"
