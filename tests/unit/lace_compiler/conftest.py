"""Documents of the golden folder, and a short way to build small ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lace_compiler.domain.compose import compose
from lace_compiler.domain.document import Document
from lace_compiler.domain.settings import CompileSettings
from lace_core import ir

GOLDEN = Path(__file__).parents[2] / "golden" / "compiler"
SOURCE = ir.Source(source_id="src_1", version="ab" * 32, filename="notes.md", title="Notes", media_type="text/markdown")

Build = Callable[..., ir.Artifact]
Load = Callable[[str], Document]


def evidence(name: str, quote: str = "quoted words", source_id: str = "src_1", page: int = 0) -> ir.Evidence:
    return ir.Evidence(
        evidence_id=name,
        source_id=source_id,
        source_version="ab" * 32,
        unit_id="unt_1",
        extraction="x1",
        start=0,
        end=len(quote),
        quote=quote,
        quote_hash="cd" * 32,
        page=page,
    )


@pytest.fixture
def build() -> Build:
    """`build(block, …, cites=("evd_a",))`: a document of one section below its root."""

    def make(*blocks: ir.Block, cites: Sequence[str] = (), title: str = "Title") -> ir.Artifact:
        held = tuple(evidence(name) for name in cites)
        root = ir.Node(node_id="nod_root", parent_id=None, order_key="a", title=title)
        node = ir.Node(
            node_id="nod_1", parent_id="nod_root", order_key="a", title="Section", blocks=blocks, evidence=held
        )
        return ir.Artifact(artifact_id="art_1", title=title, nodes=(root, node), sources=(SOURCE,))

    return make


@pytest.fixture
def load() -> Load:
    """`load("kiln")`: a document of the golden folder, composed."""

    def read(name: str) -> Document:
        artifact = ir.decode((GOLDEN / f"{name}.json").read_bytes())
        return compose(artifact, "rev_golden", "", CompileSettings())

    return read


@pytest.fixture
def golden() -> Callable[[str, bytes], None]:
    """`golden("kiln.md", data)`: the file's bytes are those in the golden folder.

    With LACE_TEST_UPDATE_GOLDEN=1 the file is written instead, for its difference to be read before it is kept;
    a difference without a new compiler version is a broken promise.
    """

    def compare(name: str, data: bytes) -> None:
        path = GOLDEN / name
        if os.environ.get("LACE_TEST_UPDATE_GOLDEN") == "1":
            path.write_bytes(data)
        assert data.decode() == path.read_text(encoding="utf-8")

    return compare
